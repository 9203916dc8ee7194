import { messageOf, type OutputListener } from "./sandbox";

export { joinOutput } from "../container/protocol";

/** Returns a listener whose errors are logged and not thrown into the command. */
export function harmless(listener: OutputListener): OutputListener {
  return (stream, text) => {
    try {
      listener(stream, text);
    } catch (error) {
      console.error({ event: "sandbox.listener_failed", error: messageOf(error) });
    }
  };
}

/**
 * Returns the head and tail of a text of more than `maxBytes` in UTF-8, with a line between them that says how
 * much is missing.
 */
export function truncateMiddle(
  text: string,
  maxBytes: number,
): { text: string; truncated: boolean } {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return { text, truncated: false };

  const half = Math.floor(maxBytes / 2);
  let headEnd = half;
  while (headEnd > 0 && isInsideCharacter(bytes[headEnd])) headEnd -= 1;
  let tailStart = bytes.length - (maxBytes - half);
  while (tailStart < bytes.length && isInsideCharacter(bytes[tailStart])) tailStart += 1;

  const decoder = new TextDecoder();
  const head = decoder.decode(bytes.subarray(0, headEnd));
  const tail = decoder.decode(bytes.subarray(tailStart));
  const gap = `\n[... ${tailStart - headEnd} bytes left out ...]\n`;
  return { text: head + gap + tail, truncated: true };
}

function isInsideCharacter(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
