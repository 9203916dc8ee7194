/** Maximum number of alarms of a session per minute. More are caused by a bug that would cost the owner money. */
export const MAX_ALARMS = 120;
/** Maximum number of rows that a session writes per minute, for the same reason. */
const MAX_ROWS_WRITTEN = 100_000;

const WINDOW_MS = 60_000;

/** The counts of the current minute. `startedAt` is in ms since 1970. */
interface Minute {
  startedAt: number;
  alarms: number;
  rows: number;
}

const KEY = "breaker";

/**
 * Counts a session's alarms and written rows, and reports when there are too many within a minute. Each alarm is
 * stored, because an object that wakes and crashes in a loop loses its memory.
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

  /** Returns a description of the limit that was exceeded within this minute; null if none was. */
  tripped(now: number): string | null {
    const { alarms, rows } = this.#current(now);
    if (alarms > MAX_ALARMS) return `more than ${MAX_ALARMS} alarms`;
    if (rows > MAX_ROWS_WRITTEN) return `more than ${MAX_ROWS_WRITTEN} rows written`;
    return null;
  }

  /** Returns the earliest permitted time of the next alarm, in ms since 1970. */
  alarmsFrom(now: number): number {
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
