/** Waits for `work`, but no longer than `ms`: tells whether it was done in time. It goes on all the same. */
export async function atMost(work: Promise<unknown>, ms: number): Promise<boolean> {
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
