import type { PublicError, StopReason } from "../events/event";
import type { Block, Message, ToolCall } from "./messages";
import type { CallWatch, FailedCall, Model, ModelCall, ModelReply } from "./model/model";
import type { StoredReply } from "./model/stored-reply";
import type { Turn, TurnRequest, TurnReservation } from "./reserve-turn";
import type { ToolContext, ToolResult } from "./tool";
import type { Replacement } from "./withdraw";

/** The progress of a run, read from its journal. */
export interface Progress {
  /** The stop reason of the newest reply; null before the first. */
  lastStop: string | null;
  /** Calls of the newest reply without a result, in order. */
  pending: (ToolCall & {
    turnId: string;
    /** Identifies the call within its session; the model's own id may repeat. */
    callId: string;
    interrupted: boolean;
  })[];
  /** Input and output tokens of the newest reply: the size of the conversation. */
  contextTokens: number;
}

/**
 * Stores a run. Every method commits before it returns. After the run was ended from outside, the methods
 * change nothing and the signal of the run is aborted.
 */
export interface Journal {
  progress(): Progress;
  /** Returns the conversation to send to the model. */
  conversation(): readonly Message[];
  /** Returns the prompts that are to join the conversation. They join it when the call is stored that is made next. */
  joining(): readonly Message[];
  /** Returns whether prompts are to join the conversation, and the limits on turns allow a reply to them. */
  isSteered(): boolean;
  /** Adds the messages in the agent's inbox to the conversation. */
  deliverInbox(): void;
  /** Resolves when another call of the session is settled, or when the run is stopped. */
  otherSettled(): Promise<void>;
  /** Reserves the price of a turn, whose prompt has at most `promptTokens`, and stores the turn. */
  begin(turn: TurnRequest): TurnReservation | Promise<TurnReservation>;
  /**
   * Settles the price of a reply and stores the reply with its tool calls. Also replaces what was withdrawn from the
   * conversation to get it.
   */
  complete(turn: Turn, reply: StoredReply, withdrawn?: Withdrawn): void;
  /** Settles a failed try. A delay says in how many ms the next one comes, null that there is none. */
  fail(turn: Turn, failed: FailedCall, delayMs: number | null): void;
  /** Settles the price of a summary and replaces the conversation's first `cut` entries by it. */
  compact(turn: Turn, summary: Block, cut: number, usage: ModelReply["usage"]): void;
  /**
   * Returns those of a run's calls that may be made now, with the inputs that were decided. The others wait for somebody to
   * approve them, or have their results.
   */
  admit(calls: Progress["pending"]): Progress["pending"];
  /** Resolves when a call may have been decided about, or when the run is stopped. */
  decided(): Promise<void>;
  startTool(call: ToolCall): void;
  finishTool(call: ToolCall, result: ToolResult): void;
}

/** Content that was withdrawn from a conversation because the API refused it for a reason. */
export interface Withdrawn {
  replacements: readonly Replacement[];
  reason: string;
}

/** The dependencies of a run. */
export interface AgentDeps {
  model: Model;
  /** The request without the conversation and its bounds. */
  request: Omit<ModelCall, "messages" | "maxTokens" | "attempt">;
  /** The most tokens of a reply. */
  maxTokens: number;
  journal: Journal;
  signal: AbortSignal;
  /** Checks the permissions of a call and runs it. Never rejects. */
  runTool(
    call: ToolCall,
    context: Pick<ToolContext, "callId" | "interrupted" | "search">,
  ): Promise<ToolResult>;
  /** Returns whether a call may run in parallel with others. */
  sideBySide(call: ToolCall): boolean;
  /** Starts watching the reply of a turn. A `live` one is shown to subscribers. */
  watch(turnId: string, live: boolean): CallWatch;
  random(): number;
}

/** The end of a run that was not stopped from outside. */
export type Ending =
  | { stopReason: StopReason; error?: undefined }
  | { stopReason: "error"; error: PublicError };
