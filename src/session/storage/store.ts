import type { SandboxInfo, UsageByModel } from "../../db/schema";
import type { EnvValue } from "../../sandbox/egress";
import type { StoredText } from "../../shared/encryption";
import { countingWrites } from "../../shared/sql";
import type { SessionConfig, SessionSpec } from "../rpc";
import type { ContainerState } from "../rules/container-state";
import type { Balance, Limits } from "../rules/ledger";
import type { Lifecycle } from "../rules/lifecycle";
import type { Recovery } from "../rules/recovery";
import { AgentTable } from "./agents";
import { CallTable } from "./calls";
import { ProcessTable } from "./claude-code";
import { EventLog } from "./event-log";
import { HistoryTable } from "./history";
import { MessageTable } from "./messages";
import { RunTable } from "./runs";
import { ScheduleTable } from "./schedules";
import { TABLES } from "./tables";
import { ToolTable } from "./tools";

/** An environment as it is stored. */
export type StoredEnv = Record<string, EnvValue<StoredText>>;

/** What a session is, fixed at its creation. */
export interface Identity
  extends Omit<
    SessionSpec,
    | "config"
    | "requestHash"
    | "limits"
    | "tags"
    | "description"
    | "userId"
    | "provider"
    | "sandboxId"
  > {
  config: Omit<SessionConfig, "env"> & { env?: StoredEnv | undefined };
  requestHash: StoredText | null;
  owner: string;
  /** Names the agent's conversation history. */
  sessionId: string;
  createdAt: number;
}

/** What a caller may change. */
export interface Metadata {
  limits: Limits;
  tags: string[];
  description: string | null;
  userId: string | null;
}

/** What changes as the session lives. */
export interface State {
  lifecycle: Lifecycle;
  /** Grows with every change; follows the clock, so that a re-created id goes on above its past. */
  version: number;
  updatedAt: number;
  lastActivityAt: number;
  balance: Balance;
  usage: UsageByModel;
  totalTokens: number;
  numTurns: number;
  toolsUsed: string[];
  /** The message that runs; null when the session waits. */
  running: string | null;
  sandbox: SandboxInfo;
  /** The state of its container; absent for a sandbox that needs no start. */
  machine?: ContainerState | undefined;
  /** True once it is to be forgotten: it exists for nobody any more. */
  removed: boolean;
}

/** Returns the state of a session that was just made. */
export function newState(spec: SessionSpec, now: number): State {
  return {
    lifecycle: { status: "initializing" },
    version: now,
    updatedAt: now,
    lastActivityAt: now,
    balance: { spentNanos: 0, heldNanos: 0 },
    usage: {},
    totalTokens: 0,
    numTurns: 0,
    toolsUsed: [],
    running: null,
    sandbox: { provider: spec.provider, id: spec.sandboxId ?? spec.id, state: "ready" },
    removed: false,
  };
}

/** A note to the index that it is behind; the newest state is what it gets. */
export interface Outbox {
  attempts: number;
  nextAt: number;
}

/**
 * Everything a session has written down. It decides nothing: rows in, rows out. Reads of an id that
 * was never created touch no table, so that they leave nothing behind.
 */
export class SessionStore {
  readonly log: EventLog;
  readonly messages: MessageTable;
  readonly runs: RunTable;
  readonly calls: CallTable;
  readonly tools: ToolTable;
  readonly history: HistoryTable;
  readonly agents: AgentTable;
  readonly schedules: ScheduleTable;
  readonly process: ProcessTable;
  readonly #storage: DurableObjectStorage;
  /** Both are read with every change, so they are kept. */
  #metadata: Metadata | undefined;
  #outbox: Outbox | null | undefined;
  /** The identity hardly ever changes, and its config can be large: it is read once. */
  #identity: Identity | undefined;
  /** The state, kept so that a transition that changed nothing is known by its identity. */
  #state: State | undefined;
  #written = 0;
  #inTransaction = false;
  /** Whether the open transaction has changed the state, which is written once, at its end. */
  #changed = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    const sql = countingWrites(storage.sql, (rows) => {
      this.#written += rows;
    });
    this.log = new EventLog(sql);
    this.messages = new MessageTable(sql, () => this.identity.id);
    this.runs = new RunTable(sql);
    this.calls = new CallTable(sql);
    this.tools = new ToolTable(sql);
    this.history = new HistoryTable(sql, this.tools);
    this.agents = new AgentTable(sql);
    this.schedules = new ScheduleTable(sql);
    this.process = new ProcessTable(sql);
  }

  /**
   * Runs `change` as one transaction and returns what it returned; a throw undoes all of it. Throws inside of another
   * transaction.
   */
  transaction<T>(change: () => T): T {
    if (this.#inTransaction) throw new Error("a transaction is open already");
    this.#inTransaction = true;
    const mark = this.log.untaken;
    try {
      return this.#storage.transactionSync(() => {
        const result = change();
        if (this.#changed) {
          this.#storage.kv.put("state", this.#state);
          this.#written += 1;
        }
        return result;
      });
    } catch (error) {
      this.log.dropBeyond(mark);
      this.#dropKept();
      throw error;
    } finally {
      this.#inTransaction = false;
      this.#changed = false;
    }
  }

  /** Returns how many rows were written since this was last asked. */
  takeWritten(): number {
    const written = this.#written;
    this.#written = 0;
    return written;
  }

  /** Makes the tables that an object lacks: all at its creation, later ones when it first wakes with them. */
  addTables(): void {
    const known = this.#storage.kv.get<number>("tables") ?? 0;
    if (known === TABLES.length) return;
    for (const table of TABLES.slice(known)) this.#storage.sql.exec(table);
    this.#storage.kv.put("tables", TABLES.length);
  }

  /** Makes the session, within a transaction. */
  create(identity: Identity, metadata: Metadata, state: State): void {
    this.addTables();
    this.#storage.kv.put("identity", identity);
    this.metadata = metadata;
    this.state = state;
    this.#identity = identity;
  }

  /** Stores the same texts anew: they are encrypted under another key. */
  saveEnv(env: StoredEnv, requestHash: StoredText | null): void {
    const { identity } = this;
    const saved = { ...identity, requestHash, config: { ...identity.config, env } };
    this.#requireTransaction();
    this.#storage.kv.put("identity", saved);
    this.#identity = saved;
  }

  /** Returns whether this id was ever created and not yet forgotten. */
  exists(): boolean {
    return this.#readIdentity() !== undefined;
  }

  get identity(): Identity {
    const identity = this.#readIdentity();
    if (!identity) throw new Error("the session does not exist");
    return identity;
  }

  get metadata(): Metadata {
    this.#metadata ??= this.#require<Metadata>("metadata");
    return this.#metadata;
  }

  /** Throws outside of a transaction, as all of these setters do but that of the outbox. */
  set metadata(metadata: Metadata) {
    this.#requireTransaction();
    this.#metadata = metadata;
    this.#storage.kv.put("metadata", metadata);
  }

  get state(): State {
    this.#state ??= this.#require<State>("state");
    return this.#state;
  }

  set state(state: State) {
    this.#requireTransaction();
    this.#state = state;
    this.#changed = true;
  }

  get outbox(): Outbox | null {
    if (this.#outbox === undefined) this.#outbox = this.#storage.kv.get<Outbox>("outbox") ?? null;
    return this.#outbox;
  }

  /** May be written on its own: it says how far the index is, which is no part of the session. */
  set outbox(outbox: Outbox | null) {
    this.#outbox = outbox;
    if (outbox) this.#storage.kv.put("outbox", outbox);
    else this.#storage.kv.delete("outbox");
  }

  /** Returns the restarts of the message that was taken up last; null before the first. */
  get recovery(): Recovery | null {
    return this.#storage.kv.get<Recovery>("recovery") ?? null;
  }

  set recovery(recovery: Recovery) {
    this.#requireTransaction();
    this.#storage.kv.put("recovery", recovery);
  }

  /** Forgets what is held in memory, after the storage was emptied. */
  forget(): void {
    this.#dropKept();
    this.log.take();
  }

  #requireTransaction(): void {
    if (!this.#inTransaction) throw new Error("the session is only changed in a transaction");
  }

  #dropKept(): void {
    this.messages.forget();
    this.schedules.forget();
    this.#identity = undefined;
    this.#metadata = undefined;
    this.#state = undefined;
    this.#outbox = undefined;
  }

  #readIdentity(): Identity | undefined {
    if (this.#identity === undefined) {
      this.#identity = this.#storage.kv.get<Identity>("identity");
      if (this.#identity) this.addTables();
    }
    return this.#identity;
  }

  #require<T>(key: string): T {
    const value = this.#storage.kv.get<T>(key);
    if (value === undefined) throw new Error(`the session has no ${key}`);
    return value;
  }
}
