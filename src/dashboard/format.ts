import { relative } from "../shared/readable.ts";

// How counts, states and values are shown.

/** Returns a count in a short form: `950`, `1.2k`, `3.4M`. */
export function short(count: number): string {
  if (count < 1_000) return String(count);
  if (count < 999_950) return `${trimmed(count / 1_000)}k`;
  return `${trimmed(count / 1_000_000)}M`;
}

const trimmed = (value: number): string => value.toFixed(value < 100 ? 1 : 0).replace(/\.0$/, "");

/** Returns a number of bytes in its largest unit: `950 B`, `1.2 KB`, `34 MB`. */
export function size(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1_000;
  return `${unit === 0 ? value : trimmed(value)} ${units[unit]}`;
}

/** Returns an instant in the reader's own time zone. */
export const exact = (instant: string): string => new Date(instant).toLocaleString();

const WHY = {
  idle_timeout: "ends when idle",
  lifetime_limit: "ends by age",
  cleanup: "is removed",
  retention: "is deleted",
} as const;

interface Ending {
  expiresAt: string | null;
  expiresBecause: keyof typeof WHY | null;
  pattern: string;
}

/** Returns when and why a session sleeps, ends, is removed or is deleted; null if nothing is planned. */
export function ending({ expiresAt, expiresBecause, pattern }: Ending, now: number): string | null {
  if (expiresAt === null || expiresBecause === null) return null;
  const sleeps = pattern === "hybrid" && expiresBecause === "idle_timeout";
  return `${sleeps ? "sleeps" : WHY[expiresBecause]} ${relative(expiresAt, now)}`;
}

/** Returns the beginning of a hash, by which people know a commit. */
export const shortHash = (hash: string): string => hash.slice(0, 10);

/** Characters that are not seen, and those that change the order in which others are. */
const HIDDEN = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Returns text in which such characters are seen: whoever allows a call reads what is called, in its order. */
const visible = (text: string): string =>
  text.replace(HIDDEN, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Returns a value on one line, cut after so many characters. */
export function oneLine(value: unknown, max = 120): string {
  const json = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  const text = visible(json.replaceAll(/\s+/g, " ").trim());
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}

/** Returns JSON for people. */
export const pretty = (value: unknown): string =>
  visible(typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? ""));

/** What is said of a limit at which a session pauses. */
export const USED_UP = {
  budget: "its budget is used up",
  turns: "its turns are used up",
  lifetime: "its lifetime is over",
} as const;
