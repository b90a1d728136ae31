// 36 SaslAuthenticate. One token of a login. v1 tells how long the login is good for (KIP-368) · v2 flexible.
// A failed login is answered late, which makes guessing slow, and ends the connection.
import { API } from '@millrace/kafka-protocol';
import type { LoginAnswer } from '../security/session.ts';
import { CLOSE, defineApi, type RegisteredApi, type RequestContext } from './definition.ts';

export const saslAuthenticate: RegisteredApi = defineApi({
  key: API.SaslAuthenticate,
  versions: [0, 2],
  handle: (request, context) => login(request.authBytes, context),
});

/** The same after a SaslHandshake of version 0: a token without any header, answered by a bare challenge. */
export const bareToken: RegisteredApi = {
  key: API.SaslAuthenticate,
  versions: [0, 0],
  servedFrom: 0,
  pipelined: false,
  releasesFrame: false,
  handle: async (request, context) => {
    const { authBytes } = request as { authBytes: Buffer };
    const answer = await login(authBytes, context);
    return answer.errorCode === 0 ? answer.authBytes : CLOSE;
  },
};

async function login(token: Buffer, { session, broker, ending }: RequestContext): Promise<LoginAnswer> {
  const answer = session.authenticate(token);
  if (!session.isOver) return answer;
  const gone = new AbortController();
  ending.add(() => gone.abort());
  await broker.clock.sleep(session.failureDelayMs, gone.signal);
  return answer;
}
