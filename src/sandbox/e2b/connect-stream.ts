// Streams of the Connect protocol, in JSON (connectrpc.com/docs/protocol): each message has five bytes before it, flags
// and its length.

import { messageOf, SandboxError } from "../sandbox";

const HEAD_BYTES = 5;
const COMPRESSED = 1;
const END = 2;
/** A message that is longer is no message: the stream is out of step. */
const MAX_MESSAGE_BYTES = 16 * 1024 ** 2;

/** Returns a message in its envelope. */
export function wrap(message: object): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(message));
  const envelope = new Uint8Array(HEAD_BYTES + text.length);
  new DataView(envelope.buffer).setUint32(1, text.length);
  envelope.set(text, HEAD_BYTES);
  return envelope;
}

/**
 * Yields the messages of a stream. Rejects as transient if the stream ends with an error, or before its end.
 */
export async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  let rest = new Uint8Array();
  const reader = body.getReader();
  try {
    for (;;) {
      let message = firstOf(rest);
      while (message) {
        const { flags, text, after } = message;
        rest = rest.subarray(after);
        if (flags & END) {
          const { error } = JSON.parse(text);
          if (error) throw broken(`${error.code}: ${error.message}`);
          return;
        }
        yield JSON.parse(text);
        message = firstOf(rest);
      }
      const { done, value } = await reader.read().catch((error) => {
        throw broken(messageOf(error));
      });
      if (done) throw broken("it ended half-way");
      rest = rest.length === 0 ? value.slice() : join(rest, value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Returns the first whole message in the bytes. */
function firstOf(bytes: Uint8Array): { flags: number; text: string; after: number } | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const flags = bytes[0] ?? 0;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (flags & COMPRESSED || length > MAX_MESSAGE_BYTES) throw broken("it is not understood");
  const after = HEAD_BYTES + length;
  if (bytes.length < after) return undefined;
  return { flags, text: new TextDecoder().decode(bytes.subarray(HEAD_BYTES, after)), after };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const broken = (why: string) =>
  new SandboxError(`the stream of the machine's output broke: ${why}`, { transient: true });
