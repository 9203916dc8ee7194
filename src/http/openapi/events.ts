import { z } from "zod";
import * as examples from "./examples";
import { instant, PublicError, prompt, stopReason, Usage } from "./objects/values";

// The events of sessions. A test holds that they have the types of events/event.ts, in both directions.

const count = z.int().min(0);
const usd = z.number().min(0);
const scope = {
  messageId: z.string().exactOptional().describe("The message that it belongs to."),
  agent: z.string().exactOptional().describe("The agent; absent for the main agent."),
};

/** Returns the schema of an event of the log. `example` has its own fields. */
function logged<const T extends string, F extends z.ZodRawShape>(
  type: T,
  description: string,
  fields: F,
  example: Record<string, unknown> = {},
) {
  const isOfMessage = !/^(session|schedule|sandbox|file|setup|preview)\./.test(type);
  const of = isOfMessage ? { messageId: examples.ids.message } : {};
  return z
    .object({
      seq: z.int().min(1).describe("Its position in the log, without gaps."),
      type: z.literal(type),
      at: instant,
      ...scope,
      ...fields,
    })
    .meta({
      id: nameOf(type),
      description,
      examples: [{ seq: 7, type, at: examples.at, ...of, ...example }],
    });
}

/** Returns the name of an event's schema: `MessageCompletedEvent` for `message.completed`. */
const nameOf = (type: string): string =>
  `${type
    .split(/[._]/)
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join("")}Event`;

const turnId = z.string().describe("The turn.");
const block = count.describe("The block of the reply.");
const toolUseId = z
  .string()
  .describe(
    "The tool call: the model's id of it, or an id of the server if the model has used its id before.",
  );
const name = z.string().describe("The tool.");
const kind = z
  .enum(["reply", "compaction", "web_search", "helper"])
  .describe(
    "`reply`: the agent's own. `compaction`: a summary of the conversation. `web_search`: a search of the web. `helper`: another model call of Claude Code.",
  );
const attempt = z.int().min(1).describe("Counts the attempts of the turn.");
const charge = {
  model: z.string().describe("The model that ran."),
  cost: usd.describe("In dollars. The sum over all events is the session's `totalCost`."),
  held: usd.describe(
    "The part of the reservation, in dollars, that stays held: the call may have been billed. The sum over all events is the part of the session's budget that is reserved while no message runs.",
  ),
  usage: Usage,
};
const charged = { model: "claude-sonnet-5-5", cost: 0.0005248, held: 0, usage: examples.usage };
const turn = { turnId: "turn_6", kind: "reply" };
const call = { toolUseId: "toolu_01", name: "Bash" };
const previewed = {
  previewId: z.string().describe("The preview."),
  port: z.int().min(1).max(65_535).describe("The port of the sandbox."),
  expiresAt: instant.describe("From when on the address leads nowhere in any case."),
};
const aPreview = {
  ...{ previewId: examples.preview.id, port: examples.preview.port },
  expiresAt: examples.preview.expiresAt,
};
const result = z.string().nullable().describe("The agent's latest text.");
const setupStep = {
  step: z.int().min(1).describe("Counts the steps from 1."),
  steps: z.int().min(1).describe("The number of steps."),
  kind: z.enum(["repository", "command"]),
  name: z.string().describe("The address of the repository, or the command."),
  commit: z.string().exactOptional().describe("The commit that the repository is cloned at."),
  ref: z
    .string()
    .nullable()
    .exactOptional()
    .describe("The full name of the repository's ref; null for a commit alone."),
  path: z
    .string()
    .exactOptional()
    .describe("The directory of the repository, relative to the workspace."),
};
const setupResult = {
  exitCode: z.int().describe("124 if the step took too long."),
  durationMs: count,
  output: z.string().describe("The end of what the step has said: 4,000 characters at most."),
};
const cloned = {
  ...{ step: 1, steps: 2, kind: "repository", name: "https://github.com/octocat/Hello-World" },
  ...{ commit: "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d", ref: "refs/heads/master" },
  path: "Hello-World",
};
const ran = { step: 2, steps: 2, kind: "command", name: "npm ci" };
const failure = { type: "upstream_error", message: "The model failed (invalid_request_error): …" };

export const Event = z
  .discriminatedUnion("type", [
    logged(
      "session.created",
      "The session was created.",
      { pattern: z.string() },
      { pattern: "hybrid" },
    ),
    logged("session.started", "The session is active.", {}),
    logged("session.idled", "A hybrid session, or one whose message waits, fell asleep.", {}),
    logged(
      "session.paused",
      "The session pauses at a limit until the limit is raised.",
      { limit: z.enum(["budget", "turns", "lifetime"]) },
      { limit: "turns" },
    ),
    logged("session.resumed", "The session goes on after it slept.", {}),
    logged(
      "session.updated",
      "The session was changed by `PATCH`, or a schedule was created, changed or deleted.",
      {
        changed: z.array(z.string()).describe("Names of fields; `schedules` for a schedule."),
      },
      { changed: ["maxBudgetUsd"] },
    ),
    logged("session.completed", "The session has ended. The last event.", {}),
    logged(
      "session.terminated",
      "The session was terminated. The last event.",
      { reason: z.string().describe("As `terminationReason` of the session.") },
      { reason: "user_requested" },
    ),
    logged(
      "session.failed",
      "The session has failed. The last event.",
      { error: PublicError },
      { error: failure },
    ),
    logged(
      "message.received",
      "A message was accepted. It may wait in the queue.",
      {
        prompt,
        scheduleId: z.string().exactOptional().describe("The schedule that sent it, if one did."),
        traceparent: z
          .string()
          .exactOptional()
          .describe("The span of the caller, if it named one."),
        joins: z
          .string()
          .exactOptional()
          .describe("The running message that its prompt is to join, with `onBusy: steer`."),
      },
      { prompt: "Start the changelog." },
    ),
    logged("message.started", "The message runs.", {}),
    logged(
      "message.steered",
      "A prompt has joined the message: the call of the model that begins now has it.",
      {
        steerId: z.string().describe("The message that was sent with the prompt."),
        prompt,
      },
      { steerId: examples.ids.steer, prompt: "Use the present tense." },
    ),
    logged(
      "message.joined",
      "The prompt of the message has joined another message. Its last event.",
      { joinedMessageId: z.string().describe("The other message.") },
      { joinedMessageId: examples.ids.steer },
    ),
    logged(
      "message.waiting",
      "Nothing of the message can go on without somebody.",
      {
        waitingFor: z
          .looseObject({ type: z.string() })
          .meta({ override: { $ref: "#/components/schemas/WaitingFor" } }),
      },
      { waitingFor: { type: "approval", approvalIds: [examples.ids.approval] } },
    ),
    logged("message.resumed", "The message goes on after it waited.", {}),
    logged(
      "message.completed",
      "The message has ended. Its last event.",
      {
        stopReason,
        limit: z
          .string()
          .exactOptional()
          .describe("The limit over many sessions that ended it, as in the message, if one did."),
        result,
        output: z
          .unknown()
          .exactOptional()
          .describe("The structured result, if the session has a `config.outputSchema`."),
      },
      { stopReason: "end_turn", result: "Done." },
    ),
    logged(
      "message.interrupted",
      "The message was stopped. Its last event.",
      { stopReason, result },
      { stopReason: "interrupted", result: null },
    ),
    logged(
      "message.failed",
      "The message has failed. Its last event.",
      { stopReason, error: PublicError },
      { stopReason: "error", error: failure },
    ),
    logged(
      "turn.started",
      "A call of the model begins.",
      { turnId, kind, attempt },
      { ...turn, attempt: 1 },
    ),
    logged(
      "turn.completed",
      "A reply of the model is complete, or was cut off.",
      {
        turnId,
        kind,
        stopReason: z.string().describe("As the model gave it, or why the turn was cut off."),
        ...charge,
      },
      { ...turn, stopReason: "tool_use", ...charged },
    ),
    logged(
      "turn.retried",
      "An attempt failed, and another follows. Discard the deltas since the attempt began.",
      {
        turnId,
        kind,
        attempt,
        reason: z.string().describe("Why it failed; `restarted` if the session's object was lost."),
        delayMs: count.describe("After so many ms, the next attempt begins."),
        ...charge,
      },
      { ...turn, attempt: 1, reason: "overloaded_error", delayMs: 500, ...charged },
    ),
    logged(
      "usage.disputed",
      "The upstream reported missing or impossible usage for a call.",
      {
        turnId,
        attempt,
        model: z.string(),
        reason: z
          .enum(["missing", "malformed", "too_low", "above_bound"])
          .describe(
            "`malformed`: not integers from 0. `too_low`: less than the minimum that the data imply that were sent or received. `above_bound`: more than was reserved.",
          ),
        reported: usd
          .nullable()
          .describe("The cost of the reported usage in dollars; null if it is unreadable."),
        bound: usd.describe("The amount that was reserved for the call, in dollars."),
      },
      {
        turnId: "turn_6",
        attempt: 1,
        model: "claude-sonnet-5-5",
        reason: "missing",
        reported: null,
        bound: 0.17,
      },
    ),
    logged(
      "assistant.text",
      "A complete block of a reply.",
      { turnId, block, text: z.string() },
      { turnId: "turn_6", block: 0, text: "Done." },
    ),
    logged(
      "assistant.thinking",
      "The thinking that the model shows.",
      { turnId, block, text: z.string() },
      { turnId: "turn_6", block: 0, text: "The file is missing." },
    ),
    logged(
      "tool.started",
      "A tool is called. An input that is too deep or too large to be called with is `{}`.",
      { turnId, toolUseId, name, input: z.unknown() },
      { turnId: "turn_6", ...call, input: { command: "ls" } },
    ),
    logged(
      "tool.requested",
      "A call of a client tool waits for its result.",
      {
        turnId,
        toolUseId,
        name,
        input: z.unknown().describe("The input. It matches the tool's `inputSchema`."),
        expiresAt: instant.nullable().describe("Null: it waits until its result is given."),
      },
      {
        ...{ turnId: "turn_6", toolUseId: "toolu_01", name: "lookup_order" },
        ...{ input: { id: 4711 }, expiresAt: null },
      },
    ),
    logged(
      "approval.requested",
      "A call waits for a decision.",
      {
        approvalId: z.string(),
        toolUseId,
        name,
        input: z.unknown().describe("The input that the model gave."),
        expiresAt: instant.nullable().describe("Null: it waits until somebody decides."),
      },
      {
        approvalId: examples.ids.approval,
        ...call,
        input: { command: "git push" },
        expiresAt: null,
      },
    ),
    logged(
      "approval.resolved",
      "A call was decided about.",
      {
        approvalId: z.string(),
        toolUseId,
        name,
        status: z
          .enum(["allowed", "denied", "expired", "cancelled"])
          .describe("As in the approval."),
        resolvedBy: z
          .object({ owner: z.string(), via: z.string(), keyId: z.string().nullable() })
          .nullable()
          .describe("Who decided; null if nobody did."),
        note: z.string().nullable().describe("What the model reads with the decision."),
        changedInput: z
          .unknown()
          .exactOptional()
          .describe("The input that replaces that of the call, if it does."),
      },
      {
        ...{ approvalId: examples.ids.approval, ...call, status: "allowed", note: null },
        resolvedBy: { owner: "acme", via: "key", keyId: examples.ids.key },
      },
    ),
    logged(
      "tool.completed",
      "A tool has answered.",
      {
        turnId,
        toolUseId,
        name,
        isError: z.boolean().describe("Whether the call failed. It does not fail the message."),
        content: z
          .string()
          .describe("The text of the result. Other content is named, such as `[image]`."),
        durationMs: z.number().min(0),
      },
      { turnId: "turn_6", ...call, isError: false, content: "CHANGES.md", durationMs: 7 },
    ),
    logged(
      "agent.started",
      "An agent starts, with a task or because of a message of another agent.",
      {
        toolUseId: z.string().describe("The tool call that started it."),
        prompt: z.string().describe("Its task, or the message."),
      },
      { agent: "player1", toolUseId: "toolu_01", prompt: "I open with e4" },
    ),
    logged(
      "agent.completed",
      "An agent has done its task.",
      { toolUseId, stopReason, result },
      { agent: "player1", toolUseId: "toolu_01", stopReason: "end_turn", result: "e5" },
    ),
    logged(
      "mcp.listed",
      "The tools of an MCP server were listed, for the first time or because they may have changed.",
      {
        server: z.string().describe("The name of the server in `config.mcpServers`."),
        tools: count.describe("The number of tools that it offers."),
      },
      { server: "issues", tools: 12 },
    ),
    logged(
      "mcp.failed",
      "The tools of an MCP server could not be listed: the message runs without them, or with those that were listed before, and the next message tries again. Or the access to the server has ended, and it has to be authorized again.",
      { server: z.string().describe("The name of the server."), message: z.string() },
      { server: "issues", message: "it could not be reached" },
    ),
    logged(
      "schedule.skipped",
      "A run was skipped.",
      {
        scheduleId: z.string(),
        reason: z
          .string()
          .describe(
            "`queue_full`: the queue of the session was full. `spend_limit`: the money of a limit over many sessions is used up.",
          ),
      },
      { scheduleId: examples.ids.schedule, reason: "queue_full" },
    ),
    logged(
      "schedule.paused",
      "A schedule was paused, because restarts interrupted its message too often. It sends nothing until it is resumed.",
      { scheduleId: z.string(), reason: z.literal("crash_loop") },
      { scheduleId: examples.ids.schedule, reason: "crash_loop" },
    ),
    logged(
      "sandbox.lost",
      "The container and its files were lost. The next one starts with the saved workspace.",
      { savedAt: instant.nullable().describe("When it was saved; null for an empty workspace.") },
      { savedAt: null },
    ),
    logged(
      "sandbox.unsaved",
      "The workspace could not be saved. It stays in the container.",
      { message: z.string(), retryAt: instant.describe("When the next attempt begins.") },
      { message: "The storage can't be reached.", retryAt: examples.at },
    ),
    logged(
      "setup.started",
      "A step of the set-up begins. If the container is lost, all steps begin again in another one.",
      setupStep,
      cloned,
    ),
    logged(
      "setup.completed",
      "A step of the set-up has ended.",
      { ...setupStep, ...setupResult },
      { ...ran, exitCode: 0, durationMs: 5120, output: "added 120 packages in 5s" },
    ),
    logged(
      "setup.failed",
      "A step of the set-up has failed. The session ends.",
      { ...setupStep, ...setupResult },
      { ...ran, exitCode: 1, durationMs: 850, output: "npm error code EUSAGE" },
    ),
    logged(
      "setup.reused",
      "The session starts with what the same set-up has made in another session.",
      {
        savedAt: instant.describe("When that was saved."),
        repositories: z.array(z.object({ url: z.string(), path: z.string(), commit: z.string() })),
      },
      {
        savedAt: examples.at,
        repositories: [{ url: cloned.name, path: cloned.path, commit: cloned.commit }],
      },
    ),
    logged(
      "preview.created",
      "A port of the sandbox is reachable at an address, which only who created the preview was told.",
      previewed,
      aPreview,
    ),
    logged("preview.removed", "The address leads nowhere any more.", previewed, aPreview),
    logged(
      "file.written",
      "A caller has written a file of the workspace.",
      {
        path: z.string().describe("Relative to the workspace."),
        size: count.describe("In bytes."),
      },
      { path: "data/input.csv", size: 1024 },
    ),
    logged(
      "file.deleted",
      "A caller has deleted a file of the workspace, or a directory with all below it.",
      { path: z.string().describe("Relative to the workspace.") },
      { path: "data/input.csv" },
    ),
    logged(
      "artifact.published",
      "A file of the workspace was published.",
      {
        artifactId: z.string().describe("The artifact."),
        toolUseId: toolUseId
          .nullable()
          .describe("The call of Publish; null if `config.artifacts` names the file."),
        path: z.string().describe("The path in the workspace."),
        contentType: z.string().describe("By the ending of its name."),
        sizeBytes: count,
        sha256: z.string().describe("Of its bytes, as hex."),
      },
      {
        ...{ artifactId: examples.ids.artifact, toolUseId: null, path: "dist/report.pdf" },
        ...{ contentType: "application/pdf", sizeBytes: 48_213 },
        sha256: examples.artifact.sha256,
      },
    ),
    logged(
      "artifact.failed",
      "A file that `config.artifacts` names could not be published at the end of the message.",
      {
        path: z.string().describe("The path in the workspace, or the pattern."),
        reason: z.string().describe("Why, for people."),
      },
      { path: "dist/video.mp4", reason: "it has 314,572,800 bytes, of 104,857,600 at most" },
    ),
    logged(
      "limit.warned",
      "A part of a limit of the session is used up, one of `config.warnAt`.",
      {
        limit: z.enum(["budget", "turns"]),
        part: z
          .number()
          .gt(0)
          .max(1)
          .describe("1 of a budget: a call needs more than what is left."),
        used: z.number().describe("In dollars for a budget."),
        max: z.number().describe("The limit, in dollars for a budget."),
      },
      { limit: "budget", part: 0.5, used: 0.2848205, max: 0.4 },
    ),
    logged(
      "context.compacted",
      "A summary replaced the older part of the conversation.",
      { turnId, tokensBefore: count.describe("The tokens of the conversation before.") },
      { turnId: "turn_9", tokensBefore: 150_200 },
    ),
    logged(
      "content.withdrawn",
      "Content that the model's API refused was replaced by a note with the reason.",
      { turnId, reason: z.string() },
      { turnId: "turn_6", reason: "Could not process image" },
    ),
  ])
  .meta({ id: "Event", description: "An event of a session's log." });

const live = <const T extends string, F extends z.ZodRawShape>(
  type: T,
  description: string,
  fields: F,
  example: Record<string, unknown>,
) =>
  z.object({ type: z.literal(type), ...scope, ...fields }).meta({
    id: nameOf(type),
    description,
    examples: [
      {
        type,
        ...(type.startsWith("setup.") ? {} : { messageId: examples.ids.message }),
        ...example,
      },
    ],
  });

export const Live = z
  .discriminatedUnion("type", [
    live(
      "assistant.delta",
      "A piece of a reply. A client that connects in the middle of it gets what each block has so far first, at `offset` 0.",
      {
        turnId,
        block,
        kind: z.enum(["text", "thinking"]),
        offset: count.describe("The number of characters of the block before this piece."),
        text: z.string(),
      },
      { turnId: "turn_7", block: 0, kind: "text", offset: 32, text: "no ANTHROPIC_API_KEY is set" },
    ),
    live(
      "tool.output",
      "Output of a command: while it runs from a container, at its end from the embedded sandbox.",
      { toolUseId, name, stream: z.enum(["stdout", "stderr"]), text: z.string() },
      { ...call, stream: "stdout", text: "CHANGES.md\n" },
    ),
    live(
      "setup.output",
      "Output of a step of the set-up, while it runs. It belongs to no message.",
      {
        step: setupStep.step,
        stream: z.enum(["stdout", "stderr"]),
        text: z.string(),
      },
      { step: 2, stream: "stdout", text: "added 120 packages in 5s\n" },
    ),
  ])
  .meta({
    id: "LiveEvent",
    description: "Is sent to connected clients only. It has no `seq` and is never stored.",
  });

export const Streamed = z
  .union([Event, Live])
  .meta({ id: "StreamedEvent", description: "The `data` of a record of a stream." });

export const OwnerWarned = z
  .object({
    type: z.literal("owner.limit_warned"),
    at: instant,
    owner: z.string(),
    limit: z.enum(["owner_daily", "owner_monthly"]),
    part: z
      .number()
      .gt(0)
      .max(1)
      .describe("0.5, 0.8 or 1. 1 also means that a call does not fit in what is left."),
    used: usd.describe("In dollars."),
    max: usd.describe("The limit, in dollars."),
    resetsAt: instant.describe("When the next day or month begins, in UTC."),
  })
  .meta({
    id: "OwnerLimitWarnedEvent",
    description: "A part of an owner's money of a day or month is used up.",
    examples: [
      {
        ...{ type: "owner.limit_warned", at: examples.at, owner: "acme", limit: "owner_daily" },
        ...{ part: 0.5, used: 10.2, max: 20, resetsAt: "2026-11-29T00:00:00.000Z" },
      },
    ],
  });

/** What a webhook is sent. */
export const WebhookMessage = z
  .object({
    type: z.string().describe("The type of the event."),
    timestamp: instant.describe("When it happened."),
    data: z.object({
      event: z.union([Event, OwnerWarned, z.object({ type: z.literal("webhook.test") }).loose()]),
      session: z
        .object({ id: z.string() })
        .loose()
        .exactOptional()
        .describe(
          "A summary of the session at the time of sending: `id`, `sessionId`, `pattern`, `status`, `userId`, `conversationId`, `tags`, `description`, `totalCost`, `numTurns` and `pausedBecause`. Absent for an event of the owner.",
        ),
    }),
  })
  .meta({
    id: "WebhookMessage",
    description:
      "An event for a webhook. A message has 256 Ki characters at most: a larger event is sent without its own fields, with `truncated: true`.",
    examples: [
      {
        ...{ type: "limit.warned", timestamp: examples.at },
        data: {
          event: {
            ...{ seq: 13, type: "limit.warned", at: examples.at, messageId: examples.ids.message },
            ...{ limit: "budget", part: 0.5, used: 0.2848205, max: 0.4 },
          },
          session: { id: examples.ids.session, status: "active", totalCost: 0.2848205 },
        },
      },
    ],
  });
