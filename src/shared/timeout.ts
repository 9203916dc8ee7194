/** Waits for some work, but no longer than `ms`. Returns whether it succeeded in time; it goes on all the same. */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const late = scheduler.wait(ms, { signal: over.signal }).then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
}

/** Waits for an answer, but no longer than `ms`: then rejects with what `late` returns. */
export async function withTimeout<T>(
  answer: Promise<T>,
  ms: number,
  late: () => Error,
): Promise<T> {
  const over = Promise.withResolvers<never>();
  const timer = setTimeout(() => over.reject(late()), ms);
  try {
    return await Promise.race([answer, over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
