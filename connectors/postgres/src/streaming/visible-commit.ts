// The server sends what was committed before queries see it: for a moment, or for as long as the commit waits for a
// synchronous standby. A catalog read in between shows tables as they were, and rows would get keys of the past (INV-2).
import type { Clock } from '@millrace/foundation';
import type pg from 'pg';

export interface VisibleCommitOptions {
  readonly client: pg.Client;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called once, when there is something to wait for. */
  readonly onWaiting: () => void;
}

/**
 * How often at most, which takes 10 s and longer on a machine that stands still. Where our own slot is the synchronous
 * standby the commit waits for us, and without a standby for an operator: then the catalog has to do as it is.
 */
const MOST_LOOKS = 106;
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 100;

// The id of 32 bits that the stream has, with its epoch; one that is not older than the snapshot is not visible.
const VISIBLE_SQL = `
  select age between 1 and 2147483647 and txid_visible_in_snapshot(next - age, snapshot) as visible
    from (select snapshot, txid_snapshot_xmax(snapshot) as next,
                 (txid_snapshot_xmax(snapshot) - $1::int8) & 4294967295 as age
            from (select txid_current_snapshot() as snapshot) s) t`;

/**
 * Waits until queries see what the committed transaction `xid` (32 bits) did. False when they do not in time.
 * @throws what the server answers; the signal's reason
 */
export async function commitVisible(xid: number, options: VisibleCommitOptions): Promise<boolean> {
  const { client, clock, signal, onWaiting } = options;
  let pauseMs = FIRST_PAUSE_MS;
  for (let looks = 1; ; looks++) {
    const { rows } = await client.query<{ visible: boolean }>(VISIBLE_SQL, [xid]);
    if (rows[0]?.visible === true) return true;
    if (looks === MOST_LOOKS) return false;
    if (looks === 1) onWaiting();
    await clock.sleep(pauseMs, signal);
    signal.throwIfAborted();
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
