/** Keeps the head and the tail of a stream of bytes in bounded memory. */
export class HeadTailBuffer {
  readonly #maxTail: number;
  readonly #maxHead: number;
  readonly #head: Buffer[] = [];
  #tail: Buffer[] = [];
  #inHead = 0;
  #inTail = 0;
  #total = 0;

  constructor(maxBytes: number) {
    this.#maxHead = Math.floor(maxBytes / 2);
    this.#maxTail = maxBytes - this.#maxHead;
  }

  add(bytes: Buffer): void {
    this.#total += bytes.length;
    const first = bytes.subarray(0, Math.max(0, this.#maxHead - this.#inHead));
    const rest = bytes.subarray(first.length);
    if (first.length > 0) this.#head.push(first);
    this.#inHead += first.length;
    if (rest.length > 0) this.#tail.push(rest);
    this.#inTail += rest.length;
    if (this.#inTail > 2 * this.#maxTail + 65_536) this.#trim();
  }

  /** Returns the stored bytes as text. A line between head and tail states the number of omitted bytes. */
  text(): { text: string; truncated: boolean } {
    this.#trim();
    const head = Buffer.concat(this.#head);
    const tail = Buffer.concat(this.#tail);
    if (this.#total === head.length + tail.length) {
      return { text: Buffer.concat([head, tail]).toString("utf8"), truncated: false };
    }
    const from = tail.findIndex((byte) => !isInside(byte));
    const whole = [head.subarray(0, wholeCharacters(head)), tail.subarray(Math.max(0, from))];
    const missing = this.#total - whole.reduce((sum, { length }) => sum + length, 0);
    return { text: whole.join(`\n[... ${missing} bytes left out ...]\n`), truncated: true };
  }

  #trim(): void {
    const tail = Buffer.concat(this.#tail);
    this.#tail = [tail.subarray(Math.max(0, tail.length - this.#maxTail))];
    this.#inTail = Math.min(tail.length, this.#maxTail);
  }
}

/** Returns the number of bytes before an incomplete UTF-8 character at the end. */
function wholeCharacters(bytes: Buffer): number {
  let start = bytes.length - 1;
  while (start > 0 && isInside(bytes[start])) start -= 1;
  const first = bytes[start] ?? 0;
  const needed = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return start + needed > bytes.length ? start : bytes.length;
}

/** Returns whether a byte continues a UTF-8 character. */
const isInside = (byte: number | undefined): boolean =>
  byte !== undefined && (byte & 0xc0) === 0x80;
