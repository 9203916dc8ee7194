/** A prompt as a client gives it: text, or content blocks of the Messages API. */
export type Prompt = string | PromptBlock[];

/** One block of a prompt; `source` is passed to the model as it is. */
type PromptBlock =
  | { type: "text"; text: string }
  | { type: "image"; source: Record<string, unknown> }
  | { type: "document"; source: Record<string, unknown>; title?: string; context?: string };

/** The reasons why a message ended. */
export const STOP_REASONS = [
  "end_turn",
  "max_tokens",
  "max_turns",
  "budget_limit",
  "turn_limit",
  "lifetime_limit",
  "interrupted",
  "terminated",
  "refusal",
  "error",
] as const;
export type StopReason = (typeof STOP_REASONS)[number];

/**
 * The purpose of a turn: the agent's own reply, a summary of its context, a web search, or another model call
 * of Claude Code, such as reading a page.
 */
export type TurnKind = "reply" | "compaction" | "web_search" | "helper";

/** A failure as clients see it. */
export interface PublicError {
  type: string;
  message: string;
  /** The upstream's own request id, if it gave one. */
  upstreamRequestId?: string;
  /** A code for the failure, if its type is not specific enough. */
  reason?: "output_mismatch" | "crash_loop" | "setup_failed";
}

/** A step of a session's set-up, as its events name it: a repository that is cloned, or a command. */
export interface SetupStep {
  /** Counts the steps from 1. */
  step: number;
  steps: number;
  kind: "repository" | "command";
  /** The address of the repository, or the command. */
  name: string;
  /** Of a repository: the commit, its ref (null for the commit alone), and the directory relative to the workspace. */
  commit?: string;
  ref?: string | null;
  path?: string;
}

/** How a step of a session's set-up has ended. `output` is the end of what it has said. */
interface SetupResult {
  exitCode: number;
  durationMs: number;
  output: string;
}

/** Token counts of a model. The prompt's tokens are input + cache read + cache write. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  webSearchRequests: number;
}

/** The cost of a model call, as clients see it; money in dollars. */
export interface PublicCharge {
  /** The model that ran. */
  model: string;
  cost: number;
  /** The part of the call's reservation that stays held, because the call may have been billed. */
  held: number;
  usage: Usage;
}

/** An event of a session, without its position in the log. Types are dotted and past tense. */
export type EventBody =
  | { type: "session.created"; pattern: string }
  | { type: "session.started" }
  | { type: "session.idled" }
  /** The session pauses at a limit until the limit is raised. */
  | { type: "session.paused"; limit: "budget" | "turns" | "lifetime" }
  | { type: "session.resumed" }
  | { type: "session.updated"; changed: string[] }
  | { type: "session.completed" }
  | { type: "session.terminated"; reason: string }
  | { type: "session.failed"; error: PublicError }
  /** `scheduleId` is the schedule that sent the message, if one did; `traceparent` the caller's span, if it named one. */
  | {
      type: "message.received";
      prompt: Prompt;
      scheduleId?: string;
      traceparent?: string;
      /** The running message that the prompt is to join. */
      joins?: string;
    }
  | { type: "message.started" }
  /** The prompt of the message `steerId` has joined this one. */
  | { type: "message.steered"; steerId: string; prompt: Prompt }
  /** The message's prompt has joined another message, so this one has ended. */
  | { type: "message.joined"; joinedMessageId: string }
  /** The message can't go on without somebody. `waitingFor` is as in the message. */
  | { type: "message.waiting"; waitingFor: { type: string; [detail: string]: unknown } }
  /** The message goes on after it waited. */
  | { type: "message.resumed" }
  | {
      type: "message.completed";
      stopReason: StopReason;
      /** The limit over many sessions that ended it, such as `owner_daily`; absent for any other end. */
      limit?: string;
      result: string | null;
      /** The structured result, if the session has an `outputSchema`. */
      output?: unknown;
    }
  | { type: "message.interrupted"; stopReason: StopReason; result: string | null }
  | { type: "message.failed"; stopReason: StopReason; error: PublicError }
  | { type: "turn.started"; turnId: string; kind: TurnKind; attempt: number }
  | ({ type: "turn.completed"; turnId: string; kind: TurnKind; stopReason: string } & PublicCharge)
  | ({
      /** Invalidates the deltas sent since this attempt began. */
      type: "turn.retried";
      turnId: string;
      kind: TurnKind;
      attempt: number;
      reason: string;
      delayMs: number;
    } & PublicCharge)
  | {
      /** The upstream reported missing or impossible usage for a call. */
      type: "usage.disputed";
      turnId: string;
      attempt: number;
      model: string;
      reason: "missing" | "malformed" | "too_low" | "above_bound";
      /** The cost of the reported usage in dollars; null if the report is unreadable. */
      reported: number | null;
      /** The amount reserved for the call, in dollars. */
      bound: number;
    }
  | { type: "assistant.text"; turnId: string; block: number; text: string }
  | { type: "assistant.thinking"; turnId: string; block: number; text: string }
  | {
      type: "tool.started";
      turnId: string;
      toolUseId: string;
      name: string;
      input: unknown;
    }
  | {
      /** A call of a client tool waits for its result. */
      type: "tool.requested";
      turnId: string;
      toolUseId: string;
      name: string;
      input: unknown;
      expiresAt: string | null;
    }
  | {
      /** A call waits for a decision. */
      type: "approval.requested";
      approvalId: string;
      toolUseId: string;
      name: string;
      input: unknown;
      expiresAt: string | null;
    }
  | {
      type: "approval.resolved";
      approvalId: string;
      toolUseId: string;
      name: string;
      status: "allowed" | "denied" | "expired" | "cancelled";
      resolvedBy: { owner: string; via: string; keyId: string | null } | null;
      note: string | null;
      /** The input that replaces that of the call, if it does. */
      changedInput?: unknown;
    }
  | {
      type: "tool.completed";
      turnId: string;
      toolUseId: string;
      name: string;
      isError: boolean;
      /** The text of the result. Content that is not text is replaced by its name, such as `[image]`. */
      content: string;
      durationMs: number;
    }
  | {
      /** An agent starts, with a task or because of a message. */
      type: "agent.started";
      /** The tool call that started it. */
      toolUseId: string;
      prompt: string;
    }
  | { type: "agent.completed"; toolUseId: string; stopReason: StopReason; result: string | null }
  /** The tools of an MCP server were listed, for the first time or because they may have changed. */
  | { type: "mcp.listed"; server: string; tools: number }
  /** The tools of an MCP server could not be listed. The session works without them, or with those that it knows. */
  | { type: "mcp.failed"; server: string; message: string }
  /** A run was skipped because the queue is full. */
  | { type: "schedule.skipped"; scheduleId: string; reason: string }
  /** A schedule was paused. It sends no messages until it is resumed. */
  | { type: "schedule.paused"; scheduleId: string; reason: "crash_loop" }
  /**
   * The container and its files were lost. The next container starts with the workspace saved at `savedAt`;
   * null for an empty workspace.
   */
  | { type: "sandbox.lost"; savedAt: string | null }
  /** The workspace could not be saved. It stays in the container, and the next attempt begins at `retryAt`. */
  | { type: "sandbox.unsaved"; message: string; retryAt: string }
  /** A step of the set-up begins, in a new container. If the container is lost, all steps begin again. */
  | ({ type: "setup.started" } & SetupStep)
  | ({ type: "setup.completed" } & SetupStep & SetupResult)
  /** The step has failed, and the session ends. The exit code is 124 if it took too long. */
  | ({ type: "setup.failed" } & SetupStep & SetupResult)
  /** The session starts with the workspace that another session's set-up has made, at `savedAt`. */
  | {
      type: "setup.reused";
      savedAt: string;
      repositories: { url: string; path: string; commit: string }[];
    }
  /** A port of the sandbox is reachable at an address, until `expiresAt`. */
  | { type: "preview.created"; previewId: string; port: number; expiresAt: string }
  | { type: "preview.removed"; previewId: string; port: number; expiresAt: string }
  /** A caller has written or deleted a file of the workspace, or a directory with all below it. */
  | { type: "file.written"; path: string; size: number }
  | { type: "file.deleted"; path: string }
  | {
      /** A file of the workspace was published. `toolUseId` is null if `config.artifacts` names it. */
      type: "artifact.published";
      artifactId: string;
      toolUseId: string | null;
      path: string;
      contentType: string;
      sizeBytes: number;
      sha256: string;
    }
  /** A file, or what a pattern of `config.artifacts` matches, could not be published at the end of a message. */
  | { type: "artifact.failed"; path: string; reason: string }
  /** A part of a limit is used up: `part` is over 0, and 1 at most. `used` and `max` are in dollars for `budget`. */
  | {
      type: "limit.warned";
      limit: "budget" | "turns";
      part: number;
      used: number;
      max: number;
    }
  | { type: "context.compacted"; turnId: string; tokensBefore: number }
  /** Content that the model's API refused was replaced in the conversation by a note with the reason. */
  | { type: "content.withdrawn"; turnId: string; reason: string };

/** An event of an owner, which is sent to webhooks and is in no session's log. Money is in dollars. */
export interface OwnerEvent {
  type: "owner.limit_warned";
  at: string;
  owner: string;
  limit: "owner_daily" | "owner_monthly";
  part: number;
  used: number;
  max: number;
  resetsAt: string;
}

const TYPES = {
  "session.created": true,
  "session.started": true,
  "session.idled": true,
  "session.paused": true,
  "session.resumed": true,
  "session.updated": true,
  "session.completed": true,
  "session.terminated": true,
  "session.failed": true,
  "message.received": true,
  "message.started": true,
  "message.steered": true,
  "message.joined": true,
  "message.waiting": true,
  "message.resumed": true,
  "message.completed": true,
  "message.interrupted": true,
  "message.failed": true,
  "turn.started": true,
  "turn.completed": true,
  "turn.retried": true,
  "usage.disputed": true,
  "assistant.text": true,
  "assistant.thinking": true,
  "tool.started": true,
  "tool.requested": true,
  "approval.requested": true,
  "approval.resolved": true,
  "tool.completed": true,
  "agent.started": true,
  "agent.completed": true,
  "mcp.listed": true,
  "mcp.failed": true,
  "schedule.skipped": true,
  "schedule.paused": true,
  "sandbox.lost": true,
  "sandbox.unsaved": true,
  "setup.started": true,
  "setup.completed": true,
  "setup.failed": true,
  "setup.reused": true,
  "preview.created": true,
  "preview.removed": true,
  "file.written": true,
  "file.deleted": true,
  "artifact.published": true,
  "artifact.failed": true,
  "limit.warned": true,
  "context.compacted": true,
  "content.withdrawn": true,
  "owner.limit_warned": true,
} as const satisfies Record<(EventBody | OwnerEvent)["type"], true>;

/** The types of events that webhooks can be sent. */
export const EVENT_TYPES: readonly string[] = Object.keys(TYPES);

/** The message and the agent that an event belongs to; `agent` is absent for the main agent. */
export interface EventScope {
  messageId?: string;
  agent?: string;
}

/** An event in the log: `seq` counts from 1 without gaps, `at` is an ISO 8601 instant. */
export type SessionEvent = { seq: number; at: string } & EventScope & EventBody;

/**
 * An event that is sent to watchers and never stored. It has no seq, so a reader's cursor always names a stored
 * event.
 */
export type LiveEvent = EventScope &
  (
    | {
        type: "assistant.delta";
        turnId: string;
        block: number;
        kind: "text" | "thinking";
        /** The number of characters of the block before this piece. */
        offset: number;
        text: string;
      }
    | {
        type: "tool.output";
        toolUseId: string;
        name: string;
        stream: "stdout" | "stderr";
        text: string;
      }
    | { type: "setup.output"; step: number; stream: "stdout" | "stderr"; text: string }
  );

/** Returns whether a type ends a session's log. */
export const isLastEvent = (type: string): boolean =>
  type === "session.completed" || type === "session.terminated" || type === "session.failed";

/** Returns whether a type ends a message. */
export const isMessageEnd = (type: string): boolean =>
  type === "message.completed" ||
  type === "message.failed" ||
  type === "message.interrupted" ||
  type === "message.joined";

/** Returns an event as a record of a server-sent-events stream. Only stored events have an id. */
export function sseRecord(event: SessionEvent | LiveEvent): string {
  const id = "seq" in event ? `id: ${event.seq}\n` : "";
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
