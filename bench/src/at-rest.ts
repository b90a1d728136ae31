// Consumers that ask again and again for what does not come.
import { systemClock } from '@millrace/foundation';
import { measured } from './measure.ts';
import { RawClient } from './raw-client.ts';

const WARM_MS = 5000;
const MEASURED_MS = 10_000;

export interface AtRest {
  /** Of a core, that the server takes. */
  readonly share: number;
  readonly clients: readonly RawClient[];
  /** Ends the asking; the clients stay open. */
  readonly stop: () => Promise<void>;
}

/** So many clients send `poll` for ever, each when the answer to the one before has come. */
export async function atRest(
  server: { readonly pid: number; readonly port: number },
  poll: Buffer,
  consumers: number,
): Promise<AtRest> {
  const clients = await Promise.all(Array.from({ length: consumers }, () => RawClient.open(server.port)));
  let going = true;
  const polling = clients.map(async (client) => {
    while (going) await client.run(() => poll, 1, 1);
  });
  await systemClock.sleep(WARM_MS);
  const { cpu, time } = await measured(server, () => systemClock.sleep(MEASURED_MS));
  const stop = async (): Promise<void> => {
    going = false;
    await Promise.all(polling);
  };
  return { share: cpu / time, clients, stop };
}
