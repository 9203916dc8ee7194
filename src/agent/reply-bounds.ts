// What a model may say, whatever it is: replies are stored, shown to clients and sent back to the API.

import { isDeeperThan, MAX_JSON_DEPTH } from "../shared/json-depth";
import type { Block } from "./messages";

/** The most tokens of one reply, unless its model allows less: enough for a long file, and what a call reserves. */
export const MAX_OUTPUT_TOKENS = 16_384;
/** Eight bytes for each token that a reply may have: enough for the longest file that fits in one. */
const MAX_INPUT_BYTES = 128 << 10;
/** A reply fits in a row of SQLite, of 2 MB at most, beside other columns and events that repeat it. */
const MAX_REPLY_BYTES = 1_500_000;

/** Returns whether a value as JSON has at most so many bytes. */
export function fits(value: unknown, maxBytes: number = MAX_REPLY_BYTES): boolean {
  const json = JSON.stringify(value) ?? "";
  // A character is three bytes at most, so that few values need to be encoded.
  return json.length * 3 <= maxBytes || new TextEncoder().encode(json).length <= maxBytes;
}

/** Returns the input of a call as it can be kept; with the reason where it had to be replaced by an empty one. */
export function checkInput(input: object): { input: object; why: string | null } {
  if (isDeeperThan(input, MAX_JSON_DEPTH))
    return replaced(`nests more than ${MAX_JSON_DEPTH} levels`);
  if (!fits(input, MAX_INPUT_BYTES)) return replaced("is larger than 128 KiB");
  return { input, why: null };
}

const replaced = (what: string) => ({ input: {}, why: what });

/**
 * Returns the same value without halves of surrogate pairs, which neither SQLite nor the API takes. Only for a value
 * whose depth is bounded.
 */
export function wellFormed<T>(value: T): T {
  // JSON writes such a half as an escape, and nothing else that is not ASCII.
  return /\\u[dD][89a-fA-F]/.test(JSON.stringify(value)) ? (rewritten(value) as T) : value;
}

function rewritten(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(rewritten);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key.toWellFormed(), rewritten(one)]);
  return Object.fromEntries(entries);
}

/** Returns the text blocks of a reply that was cut off, as they can be kept; none if they are too large. */
export function keptTexts(content: readonly Block[]): Block[] {
  const texts = content.flatMap((block): Block[] =>
    block.type === "text" ? [{ ...block, text: block.text.toWellFormed() }] : [],
  );
  return fits(texts) ? texts : [];
}
