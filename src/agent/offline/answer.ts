import type { Position } from "./position";
import type { MessagesRequest } from "./request";

const INTRODUCTION =
  "This is Rigger's offline model (no ANTHROPIC_API_KEY is set); it does not think.";

/** Returns the final answer of the offline model: what it is, what it was given and what the tools returned. */
export function answerText({ script, images, documents, results }: Position): string {
  const given = [count(images, "image"), count(documents, "document")].filter(Boolean);
  return [
    INTRODUCTION,
    script.text && `You said: ${shorten(script.text, 1000)}`,
    given.length > 0 && `You gave me ${given.join(" and ")}.`,
    ...script.problems.map((problem) => `I could not follow a line: ${shorten(problem, 300)}`),
    ...results.map(
      ({ tool, text, failed }) =>
        `${tool} ${failed ? "failed" : "returned"}: ${shorten(text, 500)}`,
    ),
  ]
    .filter(Boolean)
    .join("\n");
}

/**
 * Returns a summary of a conversation. It ends with the lines that are still to follow, so that the script
 * continues.
 */
export function summaryText({ messages }: MessagesRequest, { script, rest }: Position): string {
  const lines = rest.flatMap((turn) => turn.lines);
  return [
    `Summary by Rigger's offline model of ${count(messages.length, "message")}.`,
    script.text && `The last prompt said: ${JSON.stringify(shorten(script.text, 1000))}`,
    lines.length > 0 && "Lines still to follow:",
    ...lines,
  ]
    .filter(Boolean)
    .join("\n");
}

/** Returns a text of exactly `tokens` tokens. */
export function fillerText(tokens: number): string {
  const length = tokens * 4;
  return FILLER.repeat(Math.ceil(length / FILLER.length)).slice(0, length);
}

const FILLER = "This is filler by Rigger's offline model. ";

/** Returns the beginning of a text, with the number of characters left out. */
export function shorten(text: string, most: number): string {
  const whole = text.toWellFormed();
  if (whole.length <= most) return whole;
  return `${whole.slice(0, most).toWellFormed()}… (${whole.length - most} characters more)`;
}

const count = (number: number, what: string): string =>
  number === 0 ? "" : `${number} ${what}${number === 1 ? "" : "s"}`;
