/** A prompt as a client gives it: text, or content blocks of the Messages API. */
export type Prompt = string | PromptBlock[];

/** One block of a prompt; `source` is passed to the model as it is. */
type PromptBlock =
  | { type: "text"; text: string }
  | { type: "image"; source: Record<string, unknown> }
  | { type: "document"; source: Record<string, unknown>; title?: string; context?: string };

/** Why a message ended. */
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
 * What a turn was for: the agent's own reply, a summary of its context, a web search, or something else
 * that its program asks a model for, such as reading a page.
 */
export type TurnKind = "reply" | "compaction" | "web_search" | "helper";

/** A failure as clients see it. */
export interface PublicError {
  type: string;
  message: string;
  /** The upstream's own request id, where there is one. */
  upstreamRequestId?: string;
  /** What to tell this failure by, where its type is not enough. */
  reason?: "output_mismatch" | "crash_loop";
}

/** Tokens of one call as clients see them. */
interface PublicUsage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  webSearchRequests: number;
}

/** What a call of the model cost, as clients see it; money in dollars. */
export interface PublicCharge {
  /** The model that ran. */
  model: string;
  cost: number;
  /** What of the price reserved for the call stays held, since it may have been billed unseen. */
  held: number;
  usage: PublicUsage;
}

/** What can happen in a session, without its place in the log. Types are dotted and past tense. */
export type EventBody =
  | { type: "session.created"; pattern: string }
  | { type: "session.started" }
  | { type: "session.idled" }
  | { type: "session.resumed" }
  | { type: "session.updated"; changed: string[] }
  | { type: "session.completed" }
  | { type: "session.terminated"; reason: string }
  | { type: "session.failed"; error: PublicError }
  /** `scheduleId` tells which schedule sent it, if one did. */
  | { type: "message.received"; prompt: Prompt; scheduleId?: string }
  | { type: "message.started" }
  | {
      type: "message.completed";
      stopReason: StopReason;
      result: string | null;
      /** The structured result, where the session asked for one. */
      output?: unknown;
    }
  | { type: "message.interrupted"; stopReason: StopReason; result: string | null }
  | { type: "message.failed"; stopReason: StopReason; error: PublicError }
  | { type: "turn.started"; turnId: string; kind: TurnKind; attempt: number }
  | ({ type: "turn.completed"; turnId: string; kind: TurnKind; stopReason: string } & PublicCharge)
  | ({
      /** Withdraws the deltas shown since this attempt began. */
      type: "turn.retried";
      turnId: string;
      kind: TurnKind;
      attempt: number;
      reason: string;
      delayMs: number;
    } & PublicCharge)
  | {
      /** The upstream's report of a call's usage was not taken as it came. */
      type: "usage.disputed";
      turnId: string;
      attempt: number;
      model: string;
      reason: "missing" | "malformed" | "too_low" | "above_bound";
      /** What the report would have cost in dollars; null where it can't be read. */
      reported: number | null;
      /** What was reserved for the call, in dollars. */
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
      type: "tool.completed";
      turnId: string;
      toolUseId: string;
      name: string;
      isError: boolean;
      /** The text of the result; what is not text is named, not repeated. */
      content: string;
      durationMs: number;
    }
  | {
      /** An agent begins to work: on a task, or woken by a message. */
      type: "agent.started";
      /** The call that asked for it. */
      toolUseId: string;
      prompt: string;
    }
  | { type: "agent.completed"; toolUseId: string; stopReason: StopReason; result: string | null }
  /** A run found the queue full. */
  | { type: "schedule.skipped"; scheduleId: string; reason: string }
  /** A schedule sends no more messages until it is resumed. */
  | { type: "schedule.paused"; scheduleId: string; reason: "crash_loop" }
  /** The machine and the files in it are gone. The next one begins with what was saved then, if anything was. */
  | { type: "sandbox.lost"; savedAt: string | null }
  | { type: "limit.warned"; limit: "budget" | "turns"; used: number; max: number }
  | { type: "context.compacted"; turnId: string; tokensBefore: number };

/** Who and what an event belongs to; `agent` is absent for the main one. */
export interface EventScope {
  messageId?: string;
  agent?: string;
}

/** An event in the log: `seq` counts from 1 without gaps, `at` is an ISO 8601 instant. */
export type SessionEvent = { seq: number; at: string } & EventScope & EventBody;

/** Shown to whoever watches, never stored: no seq, so a reader's cursor never rests on one. */
export type LiveEvent = EventScope &
  (
    | {
        type: "assistant.delta";
        turnId: string;
        block: number;
        kind: "text" | "thinking";
        /** Characters of the block before this piece. */
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
  );

/** Types after which a session's log has no more events. */
export const isLastEvent = (type: string): boolean =>
  type === "session.completed" || type === "session.terminated" || type === "session.failed";

/** Types that end a message. */
export const isMessageEnd = (type: string): boolean =>
  type === "message.completed" || type === "message.failed" || type === "message.interrupted";

/** Returns an event as a record of a server-sent-events stream; only stored ones carry an id. */
export function sseRecord(event: SessionEvent | LiveEvent): string {
  const id = "seq" in event ? `id: ${event.seq}\n` : "";
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
