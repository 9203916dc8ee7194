// Bounds of replies, which are stored, shown to clients and sent back to the API.

import { isDeeperThan, MAX_JSON_DEPTH } from "../../shared/json-depth";
import type { Block } from "../messages";

/** The most tokens of one reply, unless its model allows less: enough for a long file, and what a call reserves. */
export const MAX_OUTPUT_TOKENS = 16_384;
/** The most bytes of a call's input: eight for each token of a reply, enough for the longest file that fits in one. */
const MAX_INPUT_BYTES = 128 << 10;
/** The most bytes of a reply. A row of SQLite has 2 MB, which it shares with other columns. */
const MAX_REPLY_BYTES = 1_500_000;

/** Returns whether a value has at most `maxBytes` as JSON. */
export function fits(value: unknown, maxBytes: number = MAX_REPLY_BYTES): boolean {
  const json = JSON.stringify(value) ?? "";
  // A UTF-16 unit is at most three bytes, so few values have to be encoded.
  return json.length * 3 <= maxBytes || new TextEncoder().encode(json).length <= maxBytes;
}

/** Returns the input of a call as it is stored: unchanged, or empty with the reason. */
export function checkInput(input: object): { input: object; why: string | null } {
  if (isDeeperThan(input, MAX_JSON_DEPTH))
    return replaced(`nests more than ${MAX_JSON_DEPTH} levels`);
  if (!fits(input, MAX_INPUT_BYTES)) return replaced("is larger than 128 KiB");
  return { input, why: null };
}

const replaced = (what: string) => ({ input: {}, why: what });

/**
 * Returns the value without lone surrogates, which neither SQLite nor the API accepts. Recurses: only for
 * values of bounded depth.
 */
export function wellFormed<T>(value: T): T {
  // JSON writes a lone surrogate as an escape, and no other character beyond ASCII.
  return /\\u[dD][89a-fA-F]/.test(JSON.stringify(value)) ? (rewritten(value) as T) : value;
}

function rewritten(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(rewritten);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key.toWellFormed(), rewritten(one)]);
  return Object.fromEntries(entries);
}

/** Returns the text blocks of a reply that was cut off; none if they are too large to store. */
export function keptTexts(content: readonly Block[]): Block[] {
  const texts = content.flatMap((block): Block[] =>
    block.type === "text" ? [{ ...block, text: block.text.toWellFormed() }] : [],
  );
  return fits(texts) ? texts : [];
}
