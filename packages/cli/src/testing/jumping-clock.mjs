// Loaded into a program under test with `--import`, in each of its threads: its wall clock is off by what a file says, in
// milliseconds, and follows it. Clocks that never go back are left alone, as when an administrator sets the time.
import { readFileSync } from 'node:fs';

const LOOK_MS = 20;
const TrueDate = Date;
const file = process.env['JUMPING_CLOCK_FILE'] ?? '';
let offsetMs = 0;

function look() {
  offsetMs = Number(readFileSync(file, 'utf8'));
}

globalThis.Date = class Date extends TrueDate {
  constructor(...parts) {
    if (parts.length === 0) super(Date.now());
    else super(...parts);
  }
  static now() {
    return TrueDate.now() + offsetMs;
  }
};
look();
setInterval(look, LOOK_MS).unref();
