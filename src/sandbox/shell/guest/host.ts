// The guest's only connection out of the engine: one synchronous function of the host.

import type { HostApi, Operation } from "../host-api";

/** Implemented by the host. Takes a call as JSON, with optional bytes; returns JSON text or bytes. */
declare const __host: (call: string, bytes?: ArrayBufferLike) => string | ArrayBuffer;

/** An error of the host's file system; just-bash reads the code at the beginning of the message. */
class HostError extends Error {
  readonly code: string | undefined;
  constructor(message: string, code: string | undefined) {
    super(message);
    this.code = code;
  }
}

/**
 * Calls an operation of the host and returns its result; the whole engine is suspended meanwhile. Throws the
 * host's error.
 */
export function call<K extends Operation>(
  operation: K,
  args: Parameters<HostApi[K]>,
  bytes?: Uint8Array,
): ReturnType<HostApi[K]> {
  const answer = __host(JSON.stringify([operation, ...args]), bytes && whole(bytes));
  if (typeof answer !== "string") return new Uint8Array(answer) as ReturnType<HostApi[K]>;
  const { error, value } = JSON.parse(answer);
  if (error) throw new HostError(error.message, error.code);
  return value;
}

/** Returns a buffer of exactly these bytes: the host gets buffers, not views. */
function whole(bytes: Uint8Array): ArrayBufferLike {
  const { buffer, byteOffset, byteLength } = bytes;
  return byteOffset === 0 && byteLength === buffer.byteLength ? buffer : bytes.slice().buffer;
}
