import { z } from "zod";
import { badRequest, type Refusal } from "./refusal";

const CacheControl = z.strictObject({
  type: z.literal("ephemeral"),
  ttl: z.enum(["5m", "1h"]).optional(),
  /** Claude Code says with whom the beginning of its prompt may be shared. */
  scope: z.string().optional(),
});

/** The fields of each type of block, required and optional. */
const FIELDS: Readonly<Record<string, { has: string[]; may: string[] }>> = {
  text: { has: ["text"], may: ["citations"] },
  image: { has: ["source"], may: ["transformations"] },
  document: { has: ["source"], may: ["citations", "context", "title"] },
  search_result: { has: ["content", "source", "title"], may: ["citations"] },
  thinking: { has: ["thinking", "signature"], may: [] },
  redacted_thinking: { has: ["data"], may: [] },
  tool_use: { has: ["id", "name", "input"], may: ["caller", "toolset_name"] },
  tool_result: { has: ["tool_use_id"], may: ["content", "is_error", "toolset_name"] },
  server_tool_use: { has: ["id", "name", "input"], may: ["caller"] },
  web_search_tool_result: { has: ["tool_use_id", "content"], may: ["caller"] },
  compaction: { has: ["content"], may: ["encrypted_content", "signature", "tool_changes"] },
};

const BareBlock = z
  .looseObject({
    type: z.string(),
    text: z.string().optional(),
    thinking: z.string().optional(),
    signature: z.string().nullish(),
    id: z.string().optional(),
    name: z.string().optional(),
    input: z.record(z.string(), z.unknown()).optional(),
    tool_use_id: z.string().optional(),
    is_error: z.boolean().optional(),
    content: z.unknown().optional(),
    source: z.unknown().optional(),
    cache_control: CacheControl.nullish(),
  })
  .superRefine((block, context) => {
    const fields = FIELDS[block.type];
    const issue = (message: string, ...path: string[]) =>
      context.addIssue({ code: "custom", message, path });
    if (!fields) {
      const found = `Input tag '${block.type}' found using 'type'`;
      issue(`${found} does not match any of the expected tags`);
      return;
    }
    const allowed = ["type", "cache_control", ...fields.has, ...fields.may];
    for (const name of fields.has) {
      if (block[name] === undefined) issue("Field required", block.type, name);
    }
    for (const name of Object.keys(block)) {
      if (!allowed.includes(name)) issue("Extra inputs are not permitted", block.type, name);
    }
  });

/** Returns the schema of blocks that may be given as a string, short for one block of text. */
const textOrBlocks = <T extends z.ZodType>(block: T) =>
  z.preprocess(
    (content) => (typeof content === "string" ? [{ type: "text", text: content }] : content),
    z.array(block),
  );

const Inside = textOrBlocks(BareBlock);

const Block = BareBlock.transform((block, context) => {
  if (block.type !== "tool_result") return { ...block, inside: [] };
  const inside = Inside.safeParse(block.content ?? []);
  for (const { path, message } of inside.error?.issues ?? []) {
    context.addIssue({ code: "custom", message, path: ["tool_result", "content", ...path] });
  }
  return { ...block, inside: inside.data ?? [] };
});

/** A block whose fields are valid for its type. */
export type BareBlock = z.infer<typeof BareBlock>;

/** A block of a message. `inside` holds the blocks of a tool's result. */
export type Block = z.infer<typeof Block>;

const Content = textOrBlocks(Block);

const Message = z.strictObject({
  role: z.enum(["user", "assistant", "system"]),
  content: Content,
  // Claude Code sets its effort within the conversation.
  output_config: z.looseObject({ effort: z.string() }).optional(),
});

const Tool = z.looseObject({
  type: z.string().nullish(),
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
  input_schema: z.looseObject({ type: z.literal("object") }).optional(),
  cache_control: CacheControl.nullish(),
});

/** Parameters of the API that have no effect here. */
const UNREAD = [
  "billing_policy",
  "container",
  "diagnostics",
  "fallback_credit_token",
  "fallbacks",
  "inference_geo",
  "mcp_servers",
  "metadata",
  "service_tier",
  "speed",
  "temperature",
  "top_k",
  "top_p",
  "user_profile_id",
  "workspace_id",
];

const Parameters = z.strictObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1, "must be greater than or equal to 1"),
  messages: z.array(Message),
  system: Content.optional(),
  tools: z.array(Tool).optional(),
  tool_choice: z
    .looseObject({ type: z.enum(["auto", "any", "tool", "none"]), name: z.string().optional() })
    .optional(),
  thinking: z
    .looseObject({
      type: z.enum(["adaptive", "between_tools", "disabled", "enabled"]),
      display: z.enum(["summarized", "omitted", "updates"]).nullish(),
      budget_tokens: z.int().min(1024).optional(),
    })
    .optional(),
  output_config: z
    .looseObject({
      effort: z.enum(["low", "medium", "high", "xhigh", "max"]).nullish(),
      format: z
        .strictObject({
          type: z.literal("json_schema"),
          schema: z.record(z.string(), z.unknown()),
        })
        .nullish(),
    })
    .optional(),
  cache_control: CacheControl.nullish(),
  compaction: z
    .strictObject({
      type: z.literal("summarize"),
      instructions: z.string().max(16_384).nullish(),
    })
    .nullish(),
  stream: z.boolean().optional(),
  context_management: z.unknown().optional(),
  stop_sequences: z.array(z.string()).optional(),
  thread: z.unknown().optional(),
});

/** A request for a message, validated. */
export type MessagesRequest = z.infer<typeof Parameters>;

const CountParameters = Parameters.omit({ max_tokens: true, stream: true, stop_sequences: true });

/** Parses a request for a message, or returns what is wrong with it. */
export function readMessagesRequest(body: string): MessagesRequest | Refusal {
  return read(Parameters, body);
}

/** Parses a request for a count, which has no `max_tokens`. */
export function readCountRequest(body: string): MessagesRequest | Refusal {
  const request = read(CountParameters, body);
  return "status" in request ? request : { ...request, max_tokens: 1 };
}

function read<T extends object>(schema: z.ZodType<T>, body: string): T | Refusal {
  const json = parseObject(body);
  if (!json) return badRequest("The request body is not a JSON object.");
  const known = Object.entries(json).filter(([name]) => !UNREAD.includes(name));
  const parsed = schema.safeParse(Object.fromEntries(known), {
    error: (issue) => (issue.input === undefined ? "Field required" : undefined),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const extra = issue?.code === "unrecognized_keys";
  const path = [...(issue?.path ?? []), ...(extra ? issue.keys.slice(0, 1) : [])].join(".");
  return badRequest(`${path}: ${extra ? "Extra inputs are not permitted" : issue?.message}`);
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
