/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  // Whole groups of three, so that the pieces join without padding; small, as each byte is an argument.
  const size = 3 * 4096;
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + size))));
  }
  return pieces.join("");
}

/** The bytes that were written as base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
