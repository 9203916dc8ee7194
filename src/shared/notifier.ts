/** A notification that repeats. */
export interface Notifier {
  /** Wakes all who wait. */
  notify(): void;
  /** Resolves at the next notification, or when the signal aborts. */
  wait(): Promise<void>;
}

/** Makes a notifier. After an abort of the signal, every wait resolves at once. */
export function notifier(signal: AbortSignal): Notifier {
  let { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  return {
    notify() {
      resolve();
      if (!signal.aborted) ({ promise, resolve } = Promise.withResolvers<void>());
    },
    wait: () => promise,
  };
}
