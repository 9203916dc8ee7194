// Reads a model call of Claude Code, and keeps the fields that may be passed on: none with a price of its own.

import { z } from "zod";
import type { TurnKind } from "../../events/event";
import { leastTokens, promptBound } from "../pricing/prompt-bounds";
import { type CallResult, resultsIn } from "./protocol";

/** A parsed model call of the program. */
export interface ProgramCall {
  kind: TurnKind;
  model: string;
  maxTokens: number;
  /** See `promptBound`. */
  promptBound: number | null;
  /** See `leastTokens`. */
  leastTokens: number;
  ttl?: "1h";
  /** The results of the newest reply's calls, as the call gives them to the model. */
  results: CallResult[];
  /** The body to pass on; `model` and `max_tokens` are still to be set. */
  body: Record<string, unknown>;
}

const Request = z.looseObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  stream: z.literal(true),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })).min(1),
  system: z.unknown().optional(),
  tools: z.array(z.looseObject({ type: z.string().nullish() })).optional(),
  context_management: z
    .looseObject({ edits: z.array(z.looseObject({ type: z.string() })).optional() })
    .nullish(),
});

/** The fields that are passed on. Fields that change the price of a token, or call other models, are not among them. */
const PASSED = [
  "messages",
  "system",
  "tools",
  "tool_choice",
  "metadata",
  "thinking",
  "output_config",
  "stop_sequences",
  "stream",
  "temperature",
  "cache_control",
];

/** Parses a call, or returns why it is not passed on. `hasTools` says whether the session's agents have tools. */
export function readProgramCall(
  text: string,
  { hasTools }: { hasTools: boolean },
): ({ ok: true } & ProgramCall) | { ok: false; message: string } {
  const parsed = Request.safeParse(parse(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, message: `${issue?.path.join(".") ?? ""}: ${issue?.message}` };
  }
  const request = parsed.data;
  const tools = request.tools?.map((tool) => (isSearch(tool) ? { ...tool, max_uses: 1 } : tool));
  const ofServer = (tools ?? []).filter(isServerTool);
  const alone = tools?.length === 1;
  const strange = ofServer.find((tool) => !isSearch(tool) || !alone);
  if (strange) return { ok: false, message: `tools: "${strange.type}" is not passed on` };

  const kind = kindOf(request, { hasTools });
  const edits = request.context_management?.edits?.filter(({ type }) => type.startsWith("clear_"));
  const { system, messages, output_config: output } = request;
  const weighed = { system, messages, tools, output };
  return {
    ok: true,
    kind,
    model: request.model,
    maxTokens: request.max_tokens,
    promptBound: promptBound(weighed),
    // What the API clears before it reads the prompt is not counted.
    leastTokens: edits?.length ? 0 : leastTokens(weighed),
    // A text that merely looks like it makes the bound wider, which does no harm.
    ...(/"ttl"\s*:\s*"1h"/.test(text) && { ttl: "1h" }),
    results: newestResults(messages),
    body: {
      ...Object.fromEntries(PASSED.flatMap((key) => (key in request ? [[key, request[key]]] : []))),
      ...(tools && { tools }),
      ...(edits?.length && { context_management: { edits } }),
    },
  };
}

type Request = z.infer<typeof Request>;
type Tool = NonNullable<Request["tools"]>[number];

const isSearch = ({ type }: Tool): boolean => type?.startsWith("web_search_") ?? false;
const isServerTool = ({ type }: Tool): boolean => !!type && type !== "custom";

function newestResults(messages: Request["messages"]): CallResult[] {
  const reply = messages.findLastIndex(({ role }) => role === "assistant");
  return messages
    .slice(reply + 1)
    .flatMap(({ content }) => (Array.isArray(content) ? resultsIn(content) : []));
}

/**
 * Returns the purpose of a call. The program does not state it: agents have tools, and a summary has a prompt
 * of its own.
 */
function kindOf(request: Request, { hasTools }: { hasTools: boolean }): TurnKind {
  const tools = request.tools ?? [];
  if (tools.some(isSearch)) return "web_search";
  if (asksForSummary(request.messages.at(-1)?.content)) return "compaction";
  return tools.length > 0 || !hasTools ? "reply" : "helper";
}

function asksForSummary(content: unknown): boolean {
  const blocks: unknown[] = Array.isArray(content) ? content : [{ text: content }];
  const texts = blocks.flatMap((block) => {
    const text = typeof block === "object" && block && "text" in block ? block.text : undefined;
    return typeof text === "string" ? [text] : [];
  });
  const marks = ["<analysis>", "<summary>", "Tool calls will be rejected"];
  return texts.some((text) => marks.every((mark) => text.includes(mark)));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
