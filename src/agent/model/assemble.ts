// Assembles a reply from its events. They come from outside and may be anything in any order: what cannot be a
// reply throws a `SyntaxError`, and what remains can be stored, shown and sent back to the API.

import { z } from "zod";
import { isDeeperThan, MAX_JSON_DEPTH } from "../../shared/json-depth";
import type { Block } from "../messages";
import { type ReportedUsage, readUsage } from "../pricing/judge-usage";
import type { AnswerEvent } from "./answer";
import { checkInput, fits, wellFormed } from "./reply-bounds";

/** The part of a reply that has arrived. */
export interface Draft {
  content: Block[];
  usage: ReportedUsage;
}

/**
 * Receives the text and thinking of a reply as they arrive. `offset` is the number of characters of the block
 * before it.
 */
export type DeltaListener = (delta: {
  block: number;
  kind: "text" | "thinking";
  offset: number;
  text: string;
}) => void;

/** Returns an empty draft. */
export const emptyDraft = (): Draft => ({
  content: [],
  usage: { start: null, delta: null },
});

/** The most characters of a reply: ten times those of 16,384 tokens. */
const MAX_REPLY_CHARACTERS = 1 << 20;
/** The most blocks of a reply: a block has at least some eight tokens. */
const MAX_BLOCKS = 2_048;

/** Matches the ids of calls and the names of tools that the API accepts. */
const LEGAL = /^[a-zA-Z0-9_-]{1,128}$/;
const MAX_NAME_CHARACTERS = 64;

const Text = z.string();
/** The blocks whose fields are read; others are kept unchecked until they are left out. */
const BLOCKS: Readonly<Record<string, z.ZodType<object>>> = {
  text: z.looseObject({ text: Text }),
  thinking: z.looseObject({ thinking: Text, signature: Text.default("") }),
  redacted_thinking: z.looseObject({ data: Text }),
  tool_use: z.looseObject({ id: Text.catch(""), name: Text.catch("") }),
  server_tool_use: z.looseObject({ name: Text }),
  web_search_tool_result: z.looseObject({ tool_use_id: Text }),
  compaction: z.looseObject({ content: Text.nullish() }),
};
const BlockStart = z.object({ index: z.int(), content_block: z.looseObject({ type: Text }) });
const STOP_REASON = /^\w{1,64}$/;

/** A whole reply. */
export interface Assembled {
  stopReason: string;
  /** Calls whose inputs were not kept, by their ids, with the reason. */
  unusable: ReadonlyMap<string, string>;
}

/**
 * Fills a draft from a reply's events. `takenIds` returns the ids of the calls in the conversation so far: the
 * API accepts no id twice, so a call with one of them gets another.
 */
export function assemble(draft: Draft, onDelta: DeltaListener, takenIds: () => Set<string>) {
  const { content, usage } = draft;
  const received = { characters: 0, searches: 0 };
  usage.received = received;
  const json: string[] = [];
  const closed: boolean[] = [];
  let taken: Set<string> | undefined;
  let size = 0;
  let stopReason: string | null = null;
  let stopped = false;

  return {
    get stopped() {
      return stopped;
    },

    /**
     * Takes the next event. Changes the event too where it changes the beginning of a block. Throws a
     * `SyntaxError`.
     */
    take(event: AnswerEvent): void {
      switch (event.type) {
        case "message_start": {
          if (usage.start) throw malformed("a second beginning");
          usage.start = report((event.message as { usage?: unknown } | undefined)?.usage);
          return;
        }
        case "content_block_start":
          begin(event);
          return;
        case "content_block_delta":
          extend(open(event.index), event.index as number, event.delta);
          return;
        case "content_block_stop":
          end(open(event.index), event.index as number);
          return;
        case "message_delta": {
          const delta = event.delta as { stop_reason?: unknown } | null | undefined;
          stopReason = delta?.stop_reason == null ? stopReason : textOf(delta.stop_reason);
          if (stopReason !== null && !STOP_REASON.test(stopReason)) throw malformed("a reason");
          usage.delta = report(event.usage);
          return;
        }
        case "message_stop":
          stopped = true;
          return;
      }
    },

    /**
     * Ends the reply and returns its result. Throws `CutOff` if the end is missing and a `SyntaxError` if it is
     * malformed.
     */
    finish(): Assembled {
      if (!stopped || stopReason === null) throw new CutOff();
      const unusable = new Map<string, string>();
      for (const [index, block] of content.entries()) {
        if (block.type === "text") content[index] = wellFormed(block);
        // A summary is signed, so it cannot be repaired.
        if (block.type === "compaction" && !(block.content ?? "").isWellFormed()) {
          throw malformed("a summary that can't be sent back");
        }
        if (block.type !== "tool_use") continue;
        const given = block.input ?? {};
        const isObject = typeof given === "object" && !Array.isArray(given);
        // A call that `max_tokens` cut short is malformed too, but it is never run.
        if (!isObject && stopReason === "tool_use") throw malformed("an input that is none");
        const { input, why } = checkInput(isObject ? given : {});
        content[index] = wellFormed({ ...block, input });
        if (why !== null) unusable.set(block.id, why);
      }
      if (!fits(content)) throw malformed("a reply too large");
      return { stopReason, unusable };
    },
  };

  function report(value: unknown) {
    const read = readUsage(value);
    if (!read) usage.malformed = true;
    return read ?? {};
  }

  function begin(event: AnswerEvent): void {
    const start = BlockStart.safeParse(event).data;
    if (!start || start.index !== content.length || start.index >= MAX_BLOCKS) {
      throw malformed("a block misplaced");
    }
    const { index, content_block: given } = start;
    if (isDeeperThan(given, MAX_JSON_DEPTH)) throw malformed("a block too deep");
    const schema = Object.hasOwn(BLOCKS, given.type) ? BLOCKS[given.type] : undefined;
    const read = schema ? schema.safeParse(given).data : given;
    if (!read) throw malformed("a block that lacks its fields");
    const block = { ...read } as Block;
    weigh(JSON.stringify(block).length);
    if (block.type === "tool_use") {
      name(block);
      event.content_block = { ...given, id: block.id, name: block.name };
    }
    content.push(block);
    if (block.type === "server_tool_use") received.searches += 1;
    if (block.type === "text") tell(index, "text", 0, block.text);
    if (block.type === "thinking") tell(index, "thinking", 0, block.thinking);
    if (block.type === "compaction") received.characters += block.content?.length ?? 0;
  }

  /** Gives a call an id and a tool name that the API accepts, and an id that is unique in the conversation. */
  function name(call: Extract<Block, { type: "tool_use" }>): void {
    taken ??= takenIds();
    if (!LEGAL.test(call.id) || taken.has(call.id)) {
      call.id = `toolu_${crypto.randomUUID().replaceAll("-", "")}`;
    }
    taken.add(call.id);
    if (LEGAL.test(call.name)) return;
    call.name = call.name.slice(0, MAX_NAME_CHARACTERS).replaceAll(/[^\w-]/g, "_") || "unnamed";
  }

  /** Returns a block that has begun and not ended. Throws for any other: a part of the stream was lost. */
  function open(index: unknown): Block {
    const block = Number.isInteger(index) ? content[index as number] : undefined;
    if (!block || closed[index as number]) throw malformed("a piece of a block never begun");
    return block;
  }

  function end(block: Block, index: number): void {
    closed[index] = true;
    const text = json[index];
    // The input of a call without arguments is streamed as an empty text.
    if (text && "input" in block) block.input = parseInput(text);
  }

  function parseInput(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  function extend(block: Block, index: number, given: unknown): void {
    const delta = (given ?? {}) as Record<string, unknown>;
    if (delta.type === "text_delta" && block.type === "text") {
      const text = weighed(delta.text);
      tell(index, "text", block.text.length, text);
      block.text += text;
    } else if (delta.type === "thinking_delta" && block.type === "thinking") {
      const thinking = weighed(delta.thinking);
      tell(index, "thinking", block.thinking.length, thinking);
      block.thinking += thinking;
    } else if (delta.type === "signature_delta" && block.type === "thinking") {
      block.signature = weighed(delta.signature);
    } else if (delta.type === "input_json_delta") {
      const piece = weighed(delta.partial_json);
      received.characters += piece.length;
      json[index] = (json[index] ?? "") + piece;
    } else if (delta.type === "compaction_delta" && block.type === "compaction") {
      block.content = weighed(delta.content ?? "");
      block.encrypted_content = weighed(delta.encrypted_content ?? "") || null;
      received.characters += block.content.length;
    }
  }

  function tell(block: number, kind: "text" | "thinking", offset: number, text: string): void {
    if (text === "") return;
    received.characters += text.length;
    onDelta({ block, kind, offset, text });
  }

  function weighed(value: unknown): string {
    const text = textOf(value);
    weigh(text.length);
    return text;
  }

  function weigh(characters: number): void {
    size += characters;
    if (size > MAX_REPLY_CHARACTERS) throw malformed("a reply too large");
  }
}

const malformed = (what: string): SyntaxError => new SyntaxError(what);

function textOf(value: unknown): string {
  if (typeof value !== "string") throw malformed("no text where there should be");
  return value;
}

/** Returns the ids of the calls in a conversation, which may come from outside. */
export function callIdsIn(messages: unknown): Set<string> {
  const ids = new Set<string>();
  for (const { content } of z.array(z.object({ content: z.unknown() })).safeParse(messages).data ??
    []) {
    for (const block of Array.isArray(content) ? content : []) {
      if (block?.type === "tool_use") ids.add(String(block.id));
    }
  }
  return ids;
}

/** Thrown if the stream ends before the reply does. */
export class CutOff extends Error {}
