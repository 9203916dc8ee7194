import type { Redact } from "./redact";

const MAX_ERROR_CHARACTERS = 500;

let redact: Redact = (text) => text;

/** Sets the function that removes secrets from error texts. The deployment calls it when it reads its settings. */
export function redactErrors(by: Redact): void {
  redact = by;
}

/** Writes one line of structured log. Never pass text of a prompt, a reply or a command. */
export function log(event: string, fields: Record<string, unknown>): void {
  console.log(JSON.stringify({ event, ...fields }));
}

/** Returns the text of an error for the log: the beginning of its message, without secrets and without a stack. */
export function errorText(error: unknown): string {
  // A parser's message quotes its input, which may be a caller's text.
  if (error instanceof SyntaxError) return error.name;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return redact(text).slice(0, MAX_ERROR_CHARACTERS);
}
