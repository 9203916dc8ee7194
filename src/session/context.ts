import type { LiveEvent } from "../events/event";
import type { Sandbox } from "../sandbox/sandbox";
import type { SessionStore } from "./storage/store";
import type { LiveDraft } from "./transactions/turns";

/** What the parts of a session share: its object makes one, and every part works with it. */
export interface SessionContext {
  /** The session's id, for logs: known before the session exists. */
  id: string | undefined;
  env: Env;
  storage: DurableObjectStorage;
  store: SessionStore;
  /** Replies that the model is writing, by turn. */
  drafts: Map<string, LiveDraft>;
  /**
   * Runs a change as one transaction and returns what it returned; a throw undoes all of it. Afterwards publishes its
   * events, plans the alarm, drains the outbox, and starts or stops work as the new state asks for.
   */
  commit<T>(change: (now: number) => T): T;
  /** Sends an event that is not stored to the session's subscribers. */
  publish(event: LiveEvent): void;
  waitUntil(work: Promise<unknown>): void;
  /** Returns the session's sandbox, as its tools see it. */
  sandbox(): Sandbox;
}
