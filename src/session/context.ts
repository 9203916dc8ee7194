import type { LiveEvent } from "../events/event";
import type { Sandbox } from "../sandbox/sandbox";
import type { SessionStore } from "./storage/store";
import type { OpenReply } from "./transactions/turns";

/** Whether money was lent: enough, not enough, or not enough until other sessions give some back. */
export type Lent = "granted" | "short" | "scarce";

/** The context that the parts of a session share. The session's object creates it. */
export interface SessionContext {
  /** The session's id, for logs. It is known before the session exists. */
  id: string | undefined;
  env: Env;
  storage: DurableObjectStorage;
  store: SessionStore;
  /** The replies that models are generating, by turn id. */
  drafts: Map<string, OpenReply>;
  /**
   * Runs a change as one transaction and returns its result. An exception rolls the transaction back and is rethrown.
   * After the transaction, publishes its events, plans the alarm, drains the outbox, and starts or stops work as the
   * new state requires.
   */
  commit<T>(change: (now: number) => T): T;
  /** Sends an event that is not stored to the session's subscribers. */
  publish(event: LiveEvent): void;
  waitUntil(work: Promise<unknown>): void;
  /** Asks the account of the session's owner for money that a call needs besides the session's lease, in nano-dollars. */
  lend(needNanos: number, signal: AbortSignal): Promise<Lent>;
  /** Returns the session's sandbox, as its tools use it. */
  sandbox(): Sandbox;
}
