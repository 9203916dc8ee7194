/** A repeating notification. */
export interface Notifier {
  /** Wakes all waiting callers. */
  notify(): void;
  /** Resolves at the next notification, or when the signal aborts. */
  wait(): Promise<void>;
}

/** Creates a notifier. After the signal aborts, every wait resolves immediately. */
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
