/** What a session may do within a minute. More is a fault of ours that would cost its owner money. */
export const MAX_ALARMS = 120;
const MAX_ROWS_WRITTEN = 100_000;

const WINDOW_MS = 60_000;

/** What was counted since a minute began. */
interface Minute {
  startedAt: number;
  alarms: number;
  rows: number;
}

const KEY = "breaker";

/**
 * Counts a session's alarms and the rows that it writes, and says when they are too many. Alarms are
 * written down: an object that wakes and crashes in a loop has no other memory.
 */
export class Breaker {
  readonly #kv: SyncKvStorage;
  #minute: Minute | undefined;

  constructor(kv: SyncKvStorage) {
    this.#kv = kv;
  }

  countAlarm(now: number): void {
    const minute = this.#current(now);
    minute.alarms += 1;
    this.#kv.put(KEY, minute);
  }

  countRows(rows: number, now: number): void {
    this.#current(now).rows += rows;
  }

  /** Returns what there was too much of within this minute; null when all is well. */
  tripped(now: number): string | null {
    const { alarms, rows } = this.#current(now);
    if (alarms > MAX_ALARMS) return `more than ${MAX_ALARMS} alarms`;
    if (rows > MAX_ROWS_WRITTEN) return `more than ${MAX_ROWS_WRITTEN} rows written`;
    return null;
  }

  /** Returns when the next alarm may be at the earliest. */
  restUntil(now: number): number {
    return this.tripped(now) === null ? now : this.#current(now).startedAt + WINDOW_MS;
  }

  #current(now: number): Minute {
    this.#minute ??= this.#kv.get<Minute>(KEY);
    if (!this.#minute || now - this.#minute.startedAt >= WINDOW_MS) {
      this.#minute = { startedAt: now, alarms: 0, rows: 0 };
    }
    return this.#minute;
  }
}
