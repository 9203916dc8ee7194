/**
 * Waits for a promise for at most `ms` milliseconds. Returns whether it succeeded in time. The work continues
 * in any case.
 */
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

/** Waits for a promise for at most `ms` milliseconds, then rejects with the error that `late` returns. */
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
