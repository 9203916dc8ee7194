/** Something that happens again and again, to be waited for; an abort ends every wait. */
export interface Latch {
  open(): void;
  next(): Promise<void>;
}

/** A latch that nothing has opened yet. */
export function latch(signal: AbortSignal): Latch {
  let { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  return {
    open() {
      resolve();
      if (!signal.aborted) ({ promise, resolve } = Promise.withResolvers<void>());
    },
    next: () => promise,
  };
}
