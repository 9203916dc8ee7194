/** A stream that says nothing for this long is taken for dead. */
export const STALL_MS = 120_000;

/** Aborts a call whose stream has gone silent, besides when `signal` does. */
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
