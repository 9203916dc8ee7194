/**
 * Returns the bytes of a path, or of any text in which a byte that is not part of UTF-8 is a lone surrogate, U+DC00 + the
 * byte: see paths.ts.
 */
export function pathBytes(text: string): Uint8Array {
  const utf8 = new TextEncoder();
  if (text.isWellFormed()) return utf8.encode(text);
  const pieces = text.split(/([\udc80-\udcff])/u);
  return concat(
    pieces.map((piece, n) =>
      n % 2 === 1 ? Uint8Array.of(piece.charCodeAt(0) - 0xdc00) : utf8.encode(piece),
    ),
  );
}

/** Returns the concatenation of pieces. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
