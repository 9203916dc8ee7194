/** A parameter of D1 has 2 MB at most; a character has three bytes at most. */
const MAX_CHARACTERS = 600_000;

/** Splits values into lists whose JSON D1 accepts as a parameter. */
export function chunksOf<T>(values: readonly T[]): T[][] {
  const chunks: T[][] = [];
  let room = 0;
  for (const value of values) {
    const { length } = JSON.stringify(value);
    if (length > room || chunks.length === 0) {
      chunks.push([]);
      room = MAX_CHARACTERS;
    }
    chunks.at(-1)?.push(value);
    room -= length;
  }
  return chunks;
}
