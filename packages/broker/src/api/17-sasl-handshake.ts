// 17 SaslHandshake. The client chooses a mechanism. After v0 its tokens come as bare frames, after v1 in
// SaslAuthenticate. On a listener without SASL, and after the login, it is out of place and changes nothing.
import { API } from '@millrace/kafka-protocol';
import { defineApi, type RegisteredApi } from './definition.ts';

export const saslHandshake: RegisteredApi = defineApi({
  key: API.SaslHandshake,
  versions: [0, 1],
  handle: ({ mechanism }, { session, apiVersion }) => session.handshake(mechanism, apiVersion),
});
