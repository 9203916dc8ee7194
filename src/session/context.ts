import type { SpendLimit } from "../account/limits";
import type { LiveEvent } from "../events/event";
import type { Sandbox } from "../sandbox/sandbox";
import type { SessionStore } from "./storage/store";
import type { OpenReply } from "./transactions/turns";

/** The answer of the account to a session that needs money: the limit because of which it is not enough, if it is not. */
export interface Lent {
  limit: SpendLimit | null;
  /** Whether more may be left once other sessions give some back. */
  mayFree: boolean;
}

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
  /**
   * Asks the account of the session's owner for money that a call needs besides the session's lease, in nano-dollars.
   * Runs `use` with the answer before anything of it is given back, and returns the result; undefined if the signal was
   * aborted.
   */
  lend<T>(needNanos: number, signal: AbortSignal, use: (lent: Lent) => T): Promise<T | undefined>;
  /** Returns the session's sandbox, as its tools use it. */
  sandbox(): Sandbox;
}
