import type { Prompt } from "../events/event";
import type { MessageStatus, SessionSpec } from "../session/rpc";
import type { When } from "../session/rules/schedule-times";
import type { Result } from "../shared/result";

/** A session as an automation starts it: its spec without what differs from run to run. */
export type RunSpec = Omit<SessionSpec, "id" | "requestHash" | "limited" | "sandboxId">;

/** An automation as its owner sees it. Times are in ms since 1970. */
export interface Automation {
  id: string;
  owner: string;
  name: string;
  /** The request of its sessions as it was given, without the values of `env`. */
  session: Record<string, unknown>;
  prompt: Prompt;
  /** When it runs by itself; null if it only runs when it is fired. */
  when: When | null;
  /** How many of its runs may be at work at once. */
  maxConcurrentRuns: number;
  enabled: boolean;
  /** Why it has paused itself; null otherwise. */
  pausedBecause: string | null;
  createdAt: number;
  /** Null while it is not enabled. */
  nextRunAt: number | null;
  lastRunAt: number | null;
}

/** An automation to create. `id` makes a repeated request harmless. `fireHash` is the SHA-256 of its token, as hex. */
export interface AutomationSpec
  extends Pick<
    Automation,
    "id" | "owner" | "name" | "session" | "prompt" | "when" | "maxConcurrentRuns" | "enabled"
  > {
  spec: RunSpec;
  fireHash: string;
}

/** A change of an automation. Absent fields stay. */
export type AutomationPatch = Partial<Omit<AutomationSpec, "id" | "owner" | "fireHash">>;

/** The states of a run: those of its message, and before and instead of one. */
export type RunStatus = "starting" | "refused" | "skipped" | "gone" | MessageStatus;

/** A run of an automation: one session with one message. Times are in ms since 1970. */
export interface AutomationRun {
  /** Its position among the runs. */
  position: number;
  id: string;
  /** Null if it was skipped. */
  sessionId: string | null;
  messageId: string | null;
  by: "schedule" | "fire";
  status: RunStatus;
  /** Why it was refused or skipped; null otherwise. */
  reason: string | null;
  startedAt: number;
  endedAt: number | null;
  costNanos: number;
}

/** A page of runs, newest first. `next` is the position before which it goes on; null at the end. */
export interface RunPage {
  runs: AutomationRun[];
  next: number | null;
}

/** The methods of an automation's object. One that does not exist answers `not_found`, and stores nothing. */
export interface AutomationRpc {
  /** Creates the automation. Refused if there is one with this id. */
  create(spec: AutomationSpec): Promise<Result<Automation>>;
  read(): Promise<Result<Automation>>;
  /** Changes it. What is enabled or gets another time plans its next run anew. */
  update(patch: AutomationPatch): Promise<Result<Automation>>;
  /** Gives it another token, of which this is the hash. */
  rotateToken(fireHash: string): Promise<Result<Automation>>;
  /** Deletes it with its runs. Their sessions stay. Idempotent. */
  remove(): Promise<void>;
  /** Returns the owner, if this is the hash of the token; null otherwise. */
  ownerOf(fireHash: string): Promise<string | null>;
  /** Starts a run. A repeat with the same id returns it. `input` is appended to the prompt. */
  fire(runId: string, input: string | null): Promise<Result<AutomationRun>>;
  /** Returns runs from before a position, newest first. Those at work are asked how they are. */
  runs(page: { before: number | null; limit: number }): Promise<Result<RunPage>>;
}
