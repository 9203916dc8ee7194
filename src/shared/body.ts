/**
 * Reads a body up to a bound, and cancels the rest. `isCut` says whether there was more. Rejects with the reason of `signal`
 * if it aborts first.
 */
export async function readUpTo(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; isCut: boolean }> {
  if (!body) return { bytes: new Uint8Array(), isCut: false };
  const reader = body.getReader();
  // Cancelling ends the read of a sender that stops sending.
  const stop = () => void reader.cancel().catch(() => {});
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    while (size <= maxBytes) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) break;
      pieces.push(value);
      size += value.length;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  if (size > maxBytes) await reader.cancel();
  const whole = new Blob(pieces).slice(0, maxBytes);
  return { bytes: new Uint8Array(await whole.arrayBuffer()), isCut: size > maxBytes };
}
