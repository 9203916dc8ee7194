import type { Prompt, SessionEvent } from "../events/event";
import { ATTR } from "./conventions";
import type { Attributes, Span } from "./spans";

/** An attribute has so many characters of content at most. */
const MAX_CHARACTERS = 16_384;

/**
 * Returns the attributes with what was said during a span: the prompt and the result of an agent, the text of a reply, the
 * arguments and the result of a tool. `read` returns the event with a seq.
 */
export function contentOf(span: Span, read: (seq: number) => SessionEvent | undefined): Attributes {
  const [first, last] = [read(span.seq), read(span.lastSeq)];
  const texts = span.texts
    .map(read)
    .flatMap((event) => (event && "text" in event ? event.text : []));
  return {
    [ATTR.inputMessages]: first && "prompt" in first ? inputOf(first.prompt) : undefined,
    [ATTR.outputMessages]: texts.length > 0 ? outputOf(texts) : resultOf(last),
    [ATTR.toolArguments]:
      first?.type === "tool.started" ? short(JSON.stringify(first.input ?? null)) : undefined,
    [ATTR.toolResult]: last?.type === "tool.completed" ? short(last.content) : undefined,
  };
}

const resultOf = (last: SessionEvent | undefined): string | undefined =>
  last && "result" in last && last.result !== null ? outputOf([last.result]) : undefined;

function inputOf(prompt: Prompt): string {
  const blocks = typeof prompt === "string" ? [{ type: "text" as const, text: prompt }] : prompt;
  // The data of images and documents is left out.
  const parts = blocks.map((block) =>
    block.type === "text" ? { type: "text", content: short(block.text) } : { type: block.type },
  );
  return JSON.stringify([{ role: "user", parts }]);
}

const outputOf = (texts: readonly string[]): string =>
  JSON.stringify([
    { role: "assistant", parts: texts.map((text) => ({ type: "text", content: short(text) })) },
  ]);

const short = (text: string): string =>
  text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS).toWellFormed()}…`;
