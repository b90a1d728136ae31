// The bundled broker at rest for long: does its memory grow? `--seconds`, `--partitions`, `--waiting` (consumers).
import { systemClock } from '@millrace/foundation';
import { atRest } from './at-rest.ts';
import { BrokerProcess } from './broker-process.ts';
import { count, cpuSeconds, option, residentMb, say } from './measure.ts';
import { fetchRequest } from './raw-client.ts';

const seconds = option('seconds', 900);
const partitions = option('partitions', 1000);
const waiting = option('waiting', 500);
const WAIT_MS = 500;
const SAMPLES = 30;
/** Of the lowest. */
const NOISE_MB = 5;

await using broker = await BrokerProcess.start();
await broker.createTopics({ parts: partitions });
const { clients, stop } = await atRest(broker, fetchRequest('parts', 0, 1024 * 1024, WAIT_MS), waiting);
say(
  `\nA broker at rest for ${count(seconds)} s: ${count(waiting)} waiting consumers, ${count(partitions)} partitions`,
);
const resident: number[] = [];
const cpuBefore = cpuSeconds(broker.pid);
for (let i = 0; i < SAMPLES; i++) {
  await systemClock.sleep((seconds * 1000) / SAMPLES);
  resident.push(residentMb(broker.pid).now);
}
const share = (cpuSeconds(broker.pid) - cpuBefore) / seconds;
await stop();
for (const client of clients) client.close();
// The first tenth settles.
const settled = resident.slice(SAMPLES / 10);
const third = settled.length / 3;
// Garbage goes up and down; what is kept shows in the lowest.
const first = Math.min(...settled.slice(0, third));
const last = Math.min(...settled.slice(-third));
const isMet = last - first <= NOISE_MB;
say(`  resident MB: ${resident.map((it) => count(it)).join(' ')}`);
say(
  `  lowest of the first third ${first.toFixed(1)} MB, of the last ${last.toFixed(1)} MB, highest ${Math.max(...resident).toFixed(1)} MB   no growth above ${NOISE_MB} MB: ${isMet ? 'met' : 'missed'}`,
);
say(`  ${(100 * share).toFixed(1)} % of a core`);
