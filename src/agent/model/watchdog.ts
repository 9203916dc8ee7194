/** The time without an event after which a stream is treated as dead. */
export const STALL_MS = 120_000;

/**
 * Starts a timer that aborts a call whose stream has been silent for `stallMs`. The returned signal also aborts
 * with `signal`. Call `touch` for each event and `stop` at the end.
 */
export function startWatchdog(signal: AbortSignal, stallMs: number) {
  const controller = new AbortController();
  let heardAt = Date.now();
  let stalled = false;
  const timer = setInterval(() => {
    if (Date.now() - heardAt < stallMs) return;
    stalled = true;
    controller.abort();
  }, stallMs / 8);
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    touch: () => {
      heardAt = Date.now();
    },
    stalled: () => stalled,
    stop: () => clearInterval(timer),
  };
}
