import type { Pattern, SessionRow, Usage } from "../db/schema";
import type { Prompt, PublicError, SessionEvent, StopReason } from "../events/event";
import type { Egress, EnvValue, Network } from "../sandbox/egress";
import type { Limits } from "./rules/ledger";
import type { When } from "./rules/schedule-times";

/** Who calls: `owner` is the tenant that the key belongs to; an admin may touch every owner's sessions. */
export interface Caller {
  owner: string;
  admin: boolean;
}

/** Why a call was refused; `http/errors.ts` makes each a status. */
export type FailureCode =
  | "invalid_request"
  | "not_found"
  | "session_busy"
  | "session_ended"
  | "idempotency_mismatch"
  | "queue_full"
  | "too_many_schedules"
  | "unavailable";

/** A refusal. Error classes do not survive RPC, so refusals travel as values. */
export interface Failure {
  code: FailureCode;
  message: string;
  /** Fields that stand beside `type` and `message` in the API's error, such as a blocking id. */
  details?: Record<string, string>;
}

/** What a call answers: a value or a refusal. */
export type Result<T> = { ok: true; value: T } | Refusal;
export interface Refusal {
  ok: false;
  failure: Failure;
}

/** Answers a value. */
export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

/** Refuses a call. */
export const refuse = (
  code: FailureCode,
  message: string,
  details?: Record<string, string>,
): Refusal => ({ ok: false, failure: { code, message, ...(details && { details }) } });

/** Refuses an idempotency key that was used with another body. `details` names what that made. */
export const refuseReusedKey = (details: Record<string, string>): Refusal =>
  refuse("idempotency_mismatch", "This Idempotency-Key was used with another body.", details);

/** How one of a session's further agents is set up; what is absent is as the session's. */
export interface CustomAgent {
  description?: string | undefined;
  systemPrompt?: string | undefined;
  model?: string | undefined;
  maxTurns?: number | undefined;
  allowedTools?: string[] | undefined;
  disallowedTools?: string[] | undefined;
  thinking?: Record<string, unknown> | undefined;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
}

/** How a session's agent is set up: the API's `config`, as given. */
export interface SessionConfig {
  model?: string | undefined;
  systemPrompt?: string | undefined;
  maxTurns?: number | undefined;
  allowedTools?: string[] | undefined;
  disallowedTools?: string[] | undefined;
  runtime?: "loop" | "claude-code" | undefined;
  sandbox?: { provider?: string | undefined; network?: Network | undefined } | undefined;
  env?: Record<string, EnvValue> | undefined;
  thinking?: Record<string, unknown> | undefined;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
  outputSchema?: Record<string, unknown> | undefined;
  customAgents?: Record<string, CustomAgent> | undefined;
  resumeSessionId?: string | undefined;
  continueSession?: boolean | undefined;
  forkSession?: boolean | undefined;
  snapshotId?: string | undefined;
}

/** What a session is made from: a parsed request, with the deployment's defaults filled in. */
export interface SessionSpec {
  id: string;
  pattern: Pattern;
  config: SessionConfig;
  conversationId: number | null;
  /** Where its sandbox comes from. */
  provider: string;
  limits: Limits;
  tags: string[];
  description: string | null;
  userId: string | null;
  /** Tells a repeated keyed create from another one; null without an `Idempotency-Key`. */
  requestHash: string | null;
  /** A sandbox that is ready for it; its own has the session's id. */
  sandboxId?: string;
}

/** A change of metadata or limits: an absent field stays as it is. */
export type SessionPatch = Partial<Pick<SessionSpec, "tags" | "description" | "userId"> & Limits>;

/**
 * A client's request to the agent. `id` is chosen by the caller, so that a call whose answer was lost
 * can be repeated: the same id and hash attach to the first message.
 */
export interface MessageRequest {
  id: string;
  prompt: Prompt;
  agent: string | null;
  background: boolean;
  maxTurns: number | null;
  maxBudgetNanos: number | null;
  onBusy: "queue" | "reject" | "interrupt";
  requestHash: string;
}

export type MessageStatus = "queued" | "running" | "completed" | "failed" | "interrupted";

/** A message as its session tells it. Instants are ms since 1970, money is nano-dollars. */
export interface MessageRow {
  id: string;
  /** The session it was sent to. */
  sessionId: string;
  /** Its place among the session's messages, from 1. */
  position: number;
  prompt: Prompt;
  agent: string | null;
  status: MessageStatus;
  stopReason: StopReason | null;
  result: string | null;
  output: unknown;
  error: PublicError | null;
  costNanos: number;
  usage: Usage;
  numTurns: number;
  toolsUsed: string[];
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
}

/** When a schedule is to run, as it is asked for. */
export type WhenRequest =
  | { cron: string; timeZone: string }
  | { everyMs: number }
  | { at: number }
  | { delayMs: number };

/** A request to make a schedule; `id` and `requestHash` are as those of a message. */
export interface ScheduleRequest {
  id: string;
  when: WhenRequest;
  prompt: Prompt;
  requestHash: string;
}

/** A schedule as its session tells it. */
export interface ScheduleRow {
  id: string;
  when: When;
  prompt: Prompt;
  paused: boolean;
  /** Null while it is paused, and once its session has ended. */
  nextRunAt: number | null;
  lastRunAt: number | null;
  /** The message of its last run. */
  lastMessageId: string | null;
  createdAt: number;
}

/** A page of messages, oldest first; `next` is the position to go on after, null at the end. */
export interface MessagePage {
  messages: MessageRow[];
  next: number | null;
}

/** A snapshot as its session tells it. Instants are ms since 1970. */
export interface SnapshotRow {
  id: string;
  /** The session that it is of. */
  sessionId: string;
  createdAt: number;
  /** When it is removed at the latest. */
  expiresAt: number;
  sizeBytes: number;
  /** Messages in its transcript. */
  numMessages: number;
}

/** A page of the event log. */
export interface EventPage {
  events: SessionEvent[];
  hasMore: boolean;
}

/**
 * What a session object answers. Every call names its caller; a caller that may not see the session
 * gets `not_found`, as for an id that does not exist.
 *
 * `fetch` is for watching: `GET https://session/events?after=<seq>&message=<id>` with the caller as
 * JSON in the header `x-rigger-caller` upgrades to a WebSocket whose text frames are whole records of
 * an SSE stream (`sseRecord`), replayed after `after` and then live. With `message` only that
 * message's events come, and the object closes with 1000 after the one that ends it; without, it
 * closes with 1000 after the session's last event. Any other close means: connect again after the
 * last seq seen. A refusal answers 4xx with a `Failure` as JSON.
 *
 * `fetch` is also for the session's program: `https://session/model/v1/messages` is its call of the model,
 * and no other path below `/model/` is there. Only what comes out of the session's own machine may be sent on to it.
 */
export interface SessionRpc {
  create(caller: Caller, spec: SessionSpec): Promise<Result<SessionRow>>;
  read(caller: Caller): Promise<Result<SessionRow>>;
  update(caller: Caller, patch: SessionPatch): Promise<Result<SessionRow>>;
  /** Accepts a message and answers at once; a repeat answers with the message as it now is. */
  send(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>>;
  /** Accepts a message and answers when it has ended. */
  ask(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>>;
  messages(caller: Caller, page: { after: number; limit: number }): Promise<Result<MessagePage>>;
  message(caller: Caller, messageId: string): Promise<Result<MessageRow>>;
  events(caller: Caller, page: { after: number; limit: number }): Promise<Result<EventPage>>;
  /** Stops the running message; null when none runs. */
  interrupt(caller: Caller): Promise<Result<MessageRow | null>>;
  terminate(caller: Caller, reason: string): Promise<Result<SessionRow>>;
  addSchedule(caller: Caller, request: ScheduleRequest): Promise<Result<ScheduleRow>>;
  schedules(caller: Caller): Promise<Result<ScheduleRow[]>>;
  updateSchedule(
    caller: Caller,
    scheduleId: string,
    patch: { paused: boolean },
  ): Promise<Result<ScheduleRow>>;
  removeSchedule(caller: Caller, scheduleId: string): Promise<Result<null>>;
  /** Keeps transcript and workspace as they are now; refused while a message runs. */
  snapshot(caller: Caller): Promise<Result<SnapshotRow>>;
  /** Returns the snapshots that a session can be made from, newest first. */
  snapshots(caller: Caller): Promise<Result<SnapshotRow[]>>;
  /** For another session that is to start from here: puts a copy under a key of the snapshots' bucket. */
  copyTo(caller: Caller, key: string): Promise<Result<null>>;
  /** Ends the session if need be, then forgets it for good. */
  remove(caller: Caller): Promise<Result<null>>;
  /**
   * For the housekeeping, which acts for nobody: does what is due, and tells the index anew if its row
   * is `wrong`. There is no session of an `unknown` id.
   */
  reconcile(row: SessionRow): Promise<"right" | "wrong" | "unknown">;
  /** For the sandbox's outgoing requests: where one to a host goes. Where no session lives, nowhere. */
  egress(host: string): Promise<Egress>;
  /** For the machine of a sandbox that asks whether its session still needs it; an unknown id needs none. */
  needsContainer(sandboxId: string): Promise<boolean>;
}
