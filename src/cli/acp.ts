import { Readable, Writable } from "node:stream";
import {
  type AgentContext,
  agent,
  type ContentBlock,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  RequestError,
  type SessionUpdate,
  type ToolCallUpdate,
  type ToolKind,
} from "@agentclientprotocol/sdk";
import { version } from "../../package.json";
import {
  endsMessage,
  type MessageEndEvent,
  type Prompt,
  RiggerError,
  type SessionHandle,
  type StreamedEvent,
} from "../client/rigger.ts";
import { promptText, summaryOf } from "../shared/readable.ts";
import type { Call } from "./command.ts";
import { eventsOf, Interrupter } from "./conversation.ts";
import { type SESSION_OPTIONS, sessionOf } from "./session-options.ts";
import { note, oneLine } from "./terminal.ts";

// Serves sessions to an editor over the Agent Client Protocol, version 1. Stdout is the protocol's; notes go to stderr.

/** Serves until the editor closes stdin. */
export async function serve(call: Call<typeof SESSION_OPTIONS>): Promise<never> {
  /** The messages that the editor waits for, by session. */
  const running = new Map<string, Interrupter>();
  /** How the message ends that an editor's prompt has begun, by session. */
  const prompted = new Map<string, Promise<PromptResponse>>();
  const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  const connection = agent({ name: "rigger" })
    .onRequest(methods.agent.initialize, () => ({
      protocolVersion: PROTOCOL_VERSION,
      agentInfo: { name: "rigger", title: "Rigger", version },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: { image: true, embeddedContext: true },
      },
    }))
    .onRequest(methods.agent.session.new, async ({ params }) => {
      noteServers(params.mcpServers);
      const body = await sessionOf(call.values, "hybrid");
      const session = await answered(call.rigger.create({ tags: ["acp"], ...body }));
      return { sessionId: session.id };
    })
    .onRequest(
      methods.agent.session.load,
      async ({ params: { sessionId, mcpServers }, client }) => {
        noteServers(mcpServers);
        await answered(call.rigger.session(sessionId).read());
        const interrupter = new Interrupter(call.session(sessionId));
        running.set(sessionId, interrupter);
        await answered(replay(call.session(sessionId), client, interrupter));
        return {};
      },
    )
    .onRequest(methods.agent.session.prompt, async ({ params: { sessionId, prompt }, client }) => {
      const session = call.session(sessionId);
      const earlier = prompted.get(sessionId);
      if (earlier) return await answered(steer(promptOf(prompt), session, client, earlier));
      const interrupter = new Interrupter(session);
      running.set(sessionId, interrupter);
      const reply = session.send(promptOf(prompt));
      const end = answered(converse(reply, session, client, interrupter));
      prompted.set(sessionId, end);
      try {
        return await end;
      } finally {
        prompted.delete(sessionId);
        if (running.get(sessionId) === interrupter) running.delete(sessionId);
      }
    })
    .onNotification(methods.agent.session.cancel, async ({ params }) => {
      await running.get(params.sessionId)?.interrupt();
    })
    .connect(ndJsonStream(Writable.toWeb(process.stdout), input));
  await connection.closed;
  // Messages that run go on without a reader.
  process.exit(0);
}

const noteServers = (servers: readonly unknown[]): void => {
  if (servers.length > 0) note("rigger: the editor's MCP servers are not available to the agent.");
};

/** Makes errors of the API those of the protocol. */
async function answered<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof RiggerError)) throw error;
    if (error.status === 401) throw RequestError.authRequired(undefined, "Set RIGGER_KEY.");
    if (error.status === 404) throw new RequestError(-32002, error.message);
    const { status, requestId } = error;
    throw new RequestError(-32603, error.message, { status, requestId });
  }
}

/**
 * Sends a prompt that joins the message that runs for an earlier one, whose request shows what the agent does. If it comes
 * too late, it has a message of its own.
 */
async function steer(
  prompt: Prompt,
  session: SessionHandle,
  client: AgentContext,
  earlier: Promise<PromptResponse>,
): Promise<PromptResponse> {
  const { messageId, steerId = messageId } = await session.steer(prompt);
  const end = await earlier.catch(() => undefined);
  const { joinedMessageId } = await session.message(steerId);
  if (joinedMessageId !== null && end) return end;
  const events = eventsOf(session, [joinedMessageId ?? steerId], 0);
  return converse(events, session, client, new Interrupter(session));
}

/** Sends what a session has done; what it still does follows later. */
async function replay(
  session: SessionHandle,
  client: AgentContext,
  interrupter: Interrupter,
): Promise<void> {
  const updates = new Updates();
  const open = new Set<string>();
  let last = 0;
  for await (const event of session.log()) {
    last = event.seq;
    for (const update of updates.past(event)) await send(client, session, update);
    await interrupter.seen(event);
    if (event.messageId === undefined) continue;
    if (event.type === "message.received") open.add(event.messageId);
    if (endsMessage(event)) open.delete(event.messageId);
  }
  if (open.size === 0) return;
  const rest = until(session.events({ after: last }), open);
  // The editor has no request open for it.
  void converse(rest, session, client, interrupter).catch((error) =>
    note(`rigger: ${error.message}`),
  );
}

async function* until(events: AsyncIterable<StreamedEvent>, open: Set<string>) {
  for await (const event of events) {
    yield event;
    if (endsMessage(event) && event.messageId !== undefined) open.delete(event.messageId);
    if (open.size === 0) return;
  }
}

/** Sends the events of a message to the editor, asks it for approvals, and returns how the message has ended. */
async function converse(
  events: AsyncIterable<StreamedEvent>,
  session: SessionHandle,
  client: AgentContext,
  interrupter: Interrupter,
): Promise<PromptResponse> {
  const updates = new Updates();
  const asked = new Map<string, AbortController>();
  let end: Exclude<MessageEndEvent, { type: "message.joined" }> | undefined;
  for await (const event of events) {
    for (const update of updates.of(event)) await send(client, session, update);
    if (event.type === "approval.requested") {
      const controller = new AbortController();
      asked.set(event.approvalId, controller);
      void ask(event, session, client, controller.signal).catch((error) =>
        note(`rigger: ${error.message}`),
      );
    }
    if (event.type === "approval.resolved") asked.get(event.approvalId)?.abort();
    if (endsMessage(event) && event.type !== "message.joined") end = event;
    await interrupter.seen(event);
  }
  if (end?.type === "message.failed") throw new RequestError(-32603, end.error.message);
  return { stopReason: stopReasonOf(end?.stopReason) };
}

/** Returns the protocol's reason for one of Rigger's. */
export function stopReasonOf(reason: string | undefined): PromptResponse["stopReason"] {
  switch (reason) {
    case "end_turn":
    case "max_tokens":
    case "refusal":
      return reason;
    case "max_turns":
    case "turn_limit":
    case "budget_limit":
    case "lifetime_limit":
      return "max_turn_requests";
    default:
      return "cancelled";
  }
}

const send = (client: AgentContext, { id }: SessionHandle, update: SessionUpdate): Promise<void> =>
  client.notify(methods.client.session.update, { sessionId: id, update });

/** Asks the editor to decide about a call. Somebody else may decide first. */
async function ask(
  event: Extract<StreamedEvent, { type: "approval.requested" }>,
  session: SessionHandle,
  client: AgentContext,
  signal: AbortSignal,
): Promise<void> {
  const { outcome } = await client.request(
    methods.client.session.requestPermission,
    {
      sessionId: session.id,
      toolCall: { ...callOf(event), status: "pending" },
      options: [
        { optionId: "allow", name: "Allow", kind: "allow_once" },
        { optionId: "always", name: "Allow always in this session", kind: "allow_always" },
        { optionId: "deny", name: "Deny", kind: "reject_once" },
      ],
    },
    { cancellationSignal: signal },
  );
  // Without a choice, the call waits on, or the message is interrupted.
  if (signal.aborted || outcome.outcome !== "selected") return;
  if (outcome.optionId === "deny") await session.deny(event.approvalId);
  else {
    const isRemembered = outcome.optionId === "always";
    await session.allow(event.approvalId, isRemembered ? { remember: "session" } : {});
  }
}

/** Returns a prompt of the API for one of the editor. */
export function promptOf(blocks: readonly ContentBlock[]): Prompt {
  const all = blocks.map(blockOf);
  return all.every((one) => one.type === "text") ? all.map(({ text }) => text).join("\n") : all;
}

type Block = Exclude<Prompt, string>[number];

function blockOf(block: ContentBlock): Block {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text };
    case "image": {
      const media_type = block.mimeType as "image/png";
      return { type: "image", source: { type: "base64", media_type, data: block.data } };
    }
    case "resource_link":
      return { type: "text", text: `[${block.title ?? block.name}](${block.uri})` };
    case "resource": {
      const { resource } = block;
      if (!("text" in resource)) return { type: "text", text: `[file ${resource.uri}]` };
      const source = { type: "text", media_type: "text/plain", data: resource.text } as const;
      return { type: "document", source, title: resource.uri };
    }
    case "audio":
      throw RequestError.invalidParams(undefined, "Audio is not supported.");
  }
}

const KINDS: Readonly<Record<string, ToolKind>> = {
  Bash: "execute",
  Read: "read",
  Glob: "search",
  Grep: "search",
  WebSearch: "search",
  WebFetch: "fetch",
  Write: "edit",
  Edit: "edit",
  TodoWrite: "think",
};

type CallEvent = Extract<StreamedEvent, { type: "tool.started" | "approval.requested" }>;

const MAX_TITLE = 200;

/** Returns a call as the editor shows it. Its paths are those of the session's sandbox, which the editor can't open. */
const callOf = ({ toolUseId, name, input, agent }: CallEvent) => ({
  toolCallId: toolUseId,
  title: oneLine(
    [agent && `[${agent}]`, name, summaryOf(input)].filter(Boolean).join(" "),
    MAX_TITLE,
  ),
  name,
  kind: KINDS[name] ?? ("other" as const),
  rawInput: input,
});

/** An update replaces the output of a call, so only its end is sent while the call runs. */
const MAX_OUTPUT = 4_000;

const textOf = (text: string) => ({ type: "text", text }) as const;
const contentOf = (text: string): NonNullable<ToolCallUpdate["content"]> => [
  { type: "content", content: textOf(text) },
];

/** Makes updates of the protocol of events. */
export class Updates {
  readonly #known = new Set<string>();
  readonly #output = new Map<string, string>();

  /** Returns the updates for an event of the past, whose text has no deltas. */
  past(event: StreamedEvent): SessionUpdate[] {
    if (event.type === "message.received") {
      const content = textOf(promptText(event.prompt));
      return [{ sessionUpdate: "user_message_chunk", content }];
    }
    if ("agent" in event && event.agent !== undefined) return this.of(event);
    if (event.type === "assistant.text") return [chunk("text", event.text)];
    if (event.type === "assistant.thinking") return [chunk("thinking", event.text)];
    return this.of(event);
  }

  /** Returns the updates for an event. */
  of(event: StreamedEvent): SessionUpdate[] {
    switch (event.type) {
      case "assistant.delta":
        // What other agents write is the result of their tasks.
        return event.agent === undefined ? [chunk(event.kind, event.text)] : [];
      case "turn.retried":
        return [chunk("thinking", `\nThe model call failed (${event.reason}). Trying again.\n`)];
      case "approval.requested":
        this.#known.add(event.toolUseId);
        return [{ sessionUpdate: "tool_call", ...callOf(event), status: "pending" }];
      case "tool.started":
        return [...this.#started(event), ...planOf(event)];
      case "tool.output": {
        const before = this.#output.get(event.toolUseId) ?? "";
        const output = (before + event.text).slice(-MAX_OUTPUT);
        this.#output.set(event.toolUseId, output);
        return [updateOf(event.toolUseId, { content: contentOf(output) })];
      }
      case "tool.completed": {
        this.#output.delete(event.toolUseId);
        const status = event.isError ? "failed" : "completed";
        const content = contentOf(event.content);
        return [updateOf(event.toolUseId, { status, content, rawOutput: event.content })];
      }
      case "message.completed":
        return /limit|max_turns/.test(event.stopReason)
          ? [chunk("text", `\n\nStopped: ${event.stopReason}.`)]
          : [];
      default:
        return [];
    }
  }

  #started(event: Extract<StreamedEvent, { type: "tool.started" }>): SessionUpdate[] {
    const call = { ...callOf(event), status: "in_progress" } as const;
    if (this.#known.has(event.toolUseId)) return [{ sessionUpdate: "tool_call_update", ...call }];
    this.#known.add(event.toolUseId);
    return [{ sessionUpdate: "tool_call", ...call }];
  }
}

const updateOf = (
  toolCallId: string,
  update: Omit<ToolCallUpdate, "toolCallId">,
): SessionUpdate => ({
  sessionUpdate: "tool_call_update",
  toolCallId,
  ...update,
});

const chunk = (kind: "text" | "thinking", text: string): SessionUpdate => ({
  sessionUpdate: kind === "text" ? "agent_message_chunk" : "agent_thought_chunk",
  content: textOf(text),
});

interface Todo {
  content: string;
  status: "pending" | "in_progress" | "completed";
}

/** Returns the list of `TodoWrite` as the editor's plan. */
function planOf({ name, input, agent }: CallEvent): SessionUpdate[] {
  const { todos } = input as { todos?: unknown };
  if (name !== "TodoWrite" || agent !== undefined || !Array.isArray(todos)) return [];
  const entries = (todos as Todo[]).map(({ content, status }) => ({
    content: String(content),
    status,
    priority: "medium" as const,
  }));
  return [{ sessionUpdate: "plan", entries }];
}
