// Defines what just-bash expects of a JavaScript platform and the engine lacks. Imported before just-bash,
// which uses some of it while it loads.

import { call } from "./host";

const scope = globalThis as Record<string, unknown>;

const silent = () => {};
scope.console = { log: silent, info: silent, debug: silent, warn: silent, error: silent };

/** Pending timers by id. `runTimers` runs those that are due. */
const timers = new Map<number, { at: number; run: () => void }>();
let lastTimer = 0;

scope.setTimeout = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): number => {
  const delay = Math.max(0, Number(ms) || 0);
  timers.set(++lastTimer, { at: Date.now() + delay, run: () => run(...args) });
  return lastTimer;
};
scope.clearTimeout = (id: number) => {
  timers.delete(id);
};
// Nothing that runs here uses intervals.
scope.setInterval = () => 0;
scope.clearInterval = silent;

/** Runs the timers that are due at `now`. Returns the ms until the next one, -1 if there is none. */
export function runTimers(now: number): number {
  const due = [...timers].filter(([, { at }]) => at <= now).sort(([, a], [, b]) => a.at - b.at);
  for (const [id, { run }] of due) if (timers.delete(id)) run();
  const next = Math.min(...[...timers.values()].map(({ at }) => at));
  return Number.isFinite(next) ? Math.max(0, next - now) : -1;
}

scope.performance = { timeOrigin: 0, now: () => Date.now() };

scope.TextEncoder = class {
  encode(text = ""): Uint8Array {
    return call("encode", [String(text).toWellFormed()]);
  }
};

scope.TextDecoder = class {
  readonly #encoding: string;
  readonly #options: { fatal: boolean; ignoreBOM: boolean };
  constructor(encoding = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    this.#encoding = encoding;
    this.#options = { fatal, ignoreBOM };
  }
  decode(bytes: ArrayBuffer | ArrayBufferView = new ArrayBuffer(0)): string {
    const view =
      bytes instanceof ArrayBuffer
        ? new Uint8Array(bytes)
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return call("decode", [this.#encoding, this.#options], view);
  }
};

scope.atob = (text: string) => call("atob", [String(text)]);
scope.btoa = (text: string) => call("btoa", [String(text)]);

scope.crypto = {
  randomUUID: () => call("randomUUID", []),
  subtle: {
    digest: async (algorithm: string, data: ArrayBuffer) =>
      call("digest", [algorithm], new Uint8Array(data)).buffer,
  },
};

/** The platform's date formats, which need its time zone database. */
scope.Intl = {
  DateTimeFormat: class {
    readonly #locale: string | undefined;
    readonly #options: object | undefined;
    constructor(locale?: string, options?: object) {
      this.#locale = locale;
      this.#options = options;
      call("dateFormat", [locale, options, 0]);
    }
    formatToParts(date: Date = new Date()) {
      return call("dateFormat", [this.#locale, this.#options, date.getTime()]);
    }
    format(date?: Date): string {
      return this.formatToParts(date)
        .map(({ value }) => value)
        .join("");
    }
  },
};

class AbortSignal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<(event: { type: string }) => void>();
  addEventListener(_type: string, listener: (event: { type: string }) => void) {
    this.#listeners.add(listener);
  }
  removeEventListener(_type: string, listener: (event: { type: string }) => void) {
    this.#listeners.delete(listener);
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
  abort(reason: unknown) {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener({ type: "abort" });
  }
}

scope.DOMException = class extends Error {
  constructor(message = "", name = "Error") {
    super(message);
    this.name = name;
  }
};
scope.AbortSignal = AbortSignal;
scope.AbortController = class {
  readonly signal = new AbortSignal();
  abort(reason: unknown = new Error("The operation was aborted")) {
    this.signal.abort(reason);
  }
};
