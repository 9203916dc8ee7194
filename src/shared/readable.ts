// What people read of amounts, times, prompts and calls, in the dashboard and in the command line alike. What others wrote is
// returned as it is: whoever shows it makes it harmless.

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
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

/** Returns a duration in ms in its largest units: `40 ms`, `3.2 s`, `1 min 23 s`, `12 min`, `2 h 5 min`, `3 d`. */
export function duration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / SECOND_MS).toFixed(1).replace(".0", "")} s`;
  if (ms < 10 * MINUTE_MS) return inTwo(Math.round(ms / SECOND_MS), "min", "s");
  if (ms < DAY_MS) return inTwo(Math.round(ms / MINUTE_MS), "h", "min");
  return `${Math.round(ms / DAY_MS)} d`;
}

/** Returns a number of small units, of which 60 are a large one, in both. */
function inTwo(count: number, large: string, small: string): string {
  const [all, rest] = [Math.floor(count / 60), count % 60];
  return [all > 0 && `${all} ${large}`, rest > 0 && `${rest} ${small}`].filter(Boolean).join(" ");
}

/** Returns how far an instant is from `now`, without seconds above a minute: `in 5 min`, `3 s ago`, `now`. */
export function relative(instant: string, now: number): string {
  const ms = Date.parse(instant) - now;
  const unit = Math.abs(ms) < MINUTE_MS ? SECOND_MS : MINUTE_MS;
  const far = duration(Math.round(Math.abs(ms) / unit) * unit);
  if (Math.abs(ms) < SECOND_MS) return "now";
  return ms > 0 ? `in ${far}` : `${far} ago`;
}

/** Returns the text of a prompt; content that is not text is named. */
export function promptText(prompt: unknown): string {
  if (typeof prompt === "string") return prompt;
  if (!Array.isArray(prompt)) return "";
  return prompt
    .map((block: { type?: string; text?: unknown }) =>
      typeof block.text === "string" ? block.text : `[${block.type ?? "content"}]`,
    )
    .join("\n");
}

/** The arguments that say most about a call, the most telling ones first. */
const MAIN_ARGUMENTS = [
  ...["command", "file_path", "pattern", "url", "query", "description", "prompt", "to"],
];

/** Returns what a call does: its main argument, or its whole input as JSON. Nothing for an empty input. */
export function summaryOf(input: unknown): string {
  const fields = (typeof input === "object" && input !== null ? input : {}) as Record<
    string,
    unknown
  >;
  if (typeof fields.subagent_type === "string") {
    return `${fields.subagent_type}: ${fields.description ?? fields.prompt ?? ""}`;
  }
  const main = MAIN_ARGUMENTS.map((name) => fields[name]).find(
    (value) => typeof value === "string",
  );
  if (typeof main === "string") return main;
  return Object.keys(fields).length === 0 ? "" : (JSON.stringify(input) ?? "");
}
