// How numbers, times and states are shown.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Returns dollars with as many digits as say something: `$0.0042`, `$1.25`, `$1,204`. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  if (usd < 0.000001) return "<$0.000001";
  if (usd >= 1_000) return `$${Math.round(usd).toLocaleString("en")}`;
  if (usd >= 0.995) return `$${usd.toFixed(2)}`;
  const digits = Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(usd))));
  return `$${usd.toFixed(digits)}`;
}

/** Returns a count in a short form: `950`, `1.2k`, `3.4M`. */
export function short(count: number): string {
  if (count < 1_000) return String(count);
  if (count < 999_950) return `${trimmed(count / 1_000)}k`;
  return `${trimmed(count / 1_000_000)}M`;
}

const trimmed = (value: number): string => value.toFixed(value < 100 ? 1 : 0).replace(/\.0$/, "");

/** Returns a duration in ms in its largest units: `40 ms`, `3.2 s`, `4 min`, `2 h 5 min`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${trimmed(ms / 1_000)} s`;
  if (ms < MINUTE_MS) return `${Math.round(ms / 1_000)} s`;
  if (ms < HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  if (ms < DAY_MS) {
    const minutes = Math.round(ms / MINUTE_MS);
    return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  }
  return `${Math.round(ms / DAY_MS)} d`;
}

/** Returns how far an instant is from `now`: `in 5 min`, `3 s ago`, `now`. */
export function relative(instant: string, now: number): string {
  const ms = Date.parse(instant) - now;
  if (Math.abs(ms) < 1_000) return "now";
  return ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
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

/** Returns the text of a prompt; content that is not text is named. */
export function promptText(prompt: unknown): string {
  if (typeof prompt === "string") return prompt;
  if (!Array.isArray(prompt)) return "";
  return prompt
    .map((block: { type?: string; text?: string }) => block.text ?? `[${block.type ?? "content"}]`)
    .join("\n");
}
