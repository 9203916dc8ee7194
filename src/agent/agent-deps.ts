import type { PublicError, StopReason } from "../events/event";
import type { Block, Message, ToolCall } from "./messages";
import type { CallWatch, FailedCall, Model, ModelCall, ModelReply } from "./model";
import type { Turn, TurnRequest, TurnReservation } from "./reserve-turn";
import type { StoredReply } from "./stored-reply";
import type { ToolContext, ToolResult } from "./tool";

/** How far a run has come, read from what is written down. */
export interface Progress {
  /** The stop reason of the newest reply; null before the first. */
  lastStop: string | null;
  /** Calls of the newest reply that have no result yet, in order. */
  pending: (ToolCall & {
    turnId: string;
    /** Names the call within its session, whatever the model calls it. */
    callId: string;
    interrupted: boolean;
  })[];
  /** Input and output tokens of the newest reply: what the conversation weighs. */
  contextTokens: number;
}

/**
 * Where a run is written down. Every method commits before it returns; after the run was ended from
 * outside they change nothing, and the signal of the run is aborted.
 */
export interface Journal {
  progress(): Progress;
  /** Returns the conversation as the model is to see it. */
  conversation(): readonly Message[];
  /** Adds the messages in the agent's inbox to the conversation. */
  deliverInbox(): void;
  /** Resolves when another call of the session was settled, or the run is stopped. */
  otherSettled(): Promise<void>;
  /** Reserves a turn's price, its prompt bounded by `promptTokens`, and writes it down. */
  begin(turn: TurnRequest): TurnReservation;
  /** Settles a reply's price and writes it down with its tool calls. */
  complete(turn: Turn, reply: StoredReply): void;
  /** Settles a try that failed; with a delay there will be another. */
  fail(turn: Turn, failed: FailedCall, delayMs: number | null): void;
  /** Settles a summary and lets it stand for the conversation's first `cut` entries. */
  compact(turn: Turn, summary: Block, cut: number, usage: ModelReply["usage"]): void;
  startTool(call: ToolCall): void;
  finishTool(call: ToolCall, result: ToolResult): void;
}

/** What a run needs from the world. */
export interface AgentDeps {
  model: Model;
  /** Everything of a request but the conversation and its bounds. */
  request: Omit<ModelCall, "messages" | "maxTokens" | "attempt">;
  /** The most a reply may say. */
  maxTokens: number;
  journal: Journal;
  signal: AbortSignal;
  /** Runs a tool, with its permissions checked. Never rejects. */
  runTool(
    call: ToolCall,
    context: Pick<ToolContext, "callId" | "interrupted" | "search">,
  ): Promise<ToolResult>;
  /** Returns whether a call may run beside others. */
  sideBySide(call: ToolCall): boolean;
  /** Follows a turn's reply while it arrives; `live` ones are shown to whoever watches. */
  watch(turnId: string, live: boolean): CallWatch;
  random(): number;
}

/** How a run ended by itself. */
export type Ending =
  | { stopReason: StopReason; error?: undefined }
  | { stopReason: "error"; error: PublicError };
