import type { AuditEntry } from "../../account/audit";
import type { SandboxInfo, UsageByModel } from "../../db/schema";
import type { EnvValue } from "../../sandbox/egress";
import type { StoredText } from "../../shared/encryption";
import { countingWrites } from "../../shared/sql";
import type { OpenSpan } from "../../traces/spans";
import type { WebhookFilter } from "../../webhooks/rpc";
import type { OnLimit, PauseLimit, SessionConfig, SessionSpec } from "../rpc";
import type { ContainerState } from "../rules/container-state";
import type { Membership } from "../rules/leases";
import type { Balance, Limits } from "../rules/ledger";
import type { Lifecycle } from "../rules/lifecycle";
import type { Recovery } from "../rules/recovery";
import { AgentTable } from "./agents";
import { ApprovalTable, type PendingApprovals } from "./approvals";
import { ArtifactTable } from "./artifacts";
import { CallTable } from "./calls";
import { ProcessTable } from "./claude-code";
import { EventLog } from "./event-log";
import { HistoryTable } from "./history";
import { McpServerTable } from "./mcp-servers";
import { MessageTable } from "./messages";
import { PreviewTable } from "./previews";
import { RunTable } from "./runs";
import { ScheduleTable } from "./schedules";
import { ShareTable } from "./shares";
import { SCHEMA, UPGRADES } from "./tables";
import { ToolTable } from "./tools";

/** A session's environment as it is stored: its values are encrypted if the deployment has encryption keys. */
export type StoredEnv = Record<string, EnvValue<StoredText>>;

/** The properties of a session that are fixed at its creation. */
export interface Identity
  extends Omit<
    SessionSpec,
    | "config"
    | "requestHash"
    | "limits"
    | "tags"
    | "description"
    | "userId"
    | "onLimit"
    | "provider"
    | "sandboxId"
    | "limited"
  > {
  config: Omit<SessionConfig, "env" | "mcpServers"> & { env?: StoredEnv | undefined };
  /** Whether it has MCP servers. Absent if it has none. */
  hasMcpServers?: true | undefined;
  requestHash: StoredText | null;
  owner: string;
  /** The id of the conversation history. A session that starts from an earlier one has the same `sessionId`. */
  sessionId: string;
  createdAt: number;
  /** Identifies requests of its machine, if that is a vendor's: they come through the internet. */
  machineToken?: string | undefined;
}

/** The properties of a session that a caller may change. */
export interface Metadata {
  limits: Limits;
  tags: string[];
  description: string | null;
  userId: string | null;
  /** What happens when a limit is used up. Absent in sessions of earlier versions, which end. */
  onLimit?: OnLimit | undefined;
}

/** A message that waits. It `mayGoOn` once it has what it waited for; then it only waits for the account's leave. */
interface Waiting {
  messageId: string;
  mayGoOn: boolean;
}

/** The properties of a session that change while it exists. Times are in ms since 1970. */
export interface State {
  lifecycle: Lifecycle;
  /**
   * Increases with every change. It is at least the time of the change, so that the versions of a deleted and
   * re-created id continue above the earlier ones.
   */
  version: number;
  updatedAt: number;
  lastActivityAt: number;
  balance: Balance;
  usage: UsageByModel;
  /** The usage of the last days with usage, by the days on which calls began. Absent if there is none. */
  usageDays?: Record<string, UsageByModel> | undefined;
  totalTokens: number;
  /** Messages that were accepted, without inherited ones. Absent in sessions of earlier versions until the next one. */
  numMessages?: number | undefined;
  numTurns: number;
  toolsUsed: string[];
  /** The id of the running message; null if none runs. */
  running: string | null;
  /** The message that was running and waits for somebody. While there is one, no other message runs. */
  waiting?: Waiting | undefined;
  /** What is known of the pending approvals; absent if there are none. */
  approvals?: PendingApprovals | undefined;
  /** The runs of the running message that can't go on at a limit, by their ids; absent if there are none. */
  halted?: Record<string, PauseLimit> | undefined;
  /** The limit at which the session pauses; absent if it does not. */
  pausedBecause?: PauseLimit | undefined;
  sandbox: SandboxInfo;
  /** The state of its container; absent for a sandbox that does not have to be started. */
  machine?: ContainerState | undefined;
  /** What it knows of its owner's account; absent if the owner has no limits. */
  account?: Membership | undefined;
  /**
   * True once the session is deleted. Callers no longer see it. Its storage is emptied once the index has the change.
   */
  removed: boolean;
}

/** Returns the state of a new session. */
export function newState(spec: SessionSpec, now: number): State {
  return {
    lifecycle: { status: "initializing" },
    version: now,
    updatedAt: now,
    lastActivityAt: now,
    balance: { spentNanos: 0, heldNanos: 0 },
    usage: {},
    totalTokens: 0,
    numMessages: 0,
    numTurns: 0,
    toolsUsed: [],
    running: null,
    sandbox: { provider: spec.provider, id: spec.sandboxId ?? spec.id, state: "ready" },
    removed: false,
  };
}

/** A pending update of the index. The outbox sends the newest state. `nextAt` is in ms since 1970. */
export interface Outbox {
  attempts: number;
  nextAt: number;
}

/** Entries that the account has to record. `nextAt` is in ms since 1970. */
export interface PendingAudits {
  entries: AuditEntry[];
  attempts: number;
  nextAt: number;
}

/** A webhook that wants events of the session. The events up to `seq` were sent to it, or are not for it. */
export interface PendingWebhook
  extends Pick<WebhookFilter, "id" | "events" | "sessionId" | "since"> {
  seq: number;
  /** Whether it takes no more, because it was disabled or deleted. */
  isOff: boolean;
  /** Failures in a row to reach it, and when it is tried again, in ms since 1970; null if the last try has not failed. */
  attempts: number;
  retryAt: number | null;
}

/** The webhooks of the session's owner, as the session knows them. */
export interface KnownWebhooks {
  version: number;
  endpoints: PendingWebhook[];
}

/** What was exported of the session as traces and metrics. Times are in ms since 1970. */
export interface Traced {
  /** The events up to this seq were, and the time of the newest of them. */
  seq: number;
  at: number;
  /** The spans that those events began and did not end. */
  open: OpenSpan[];
  /** Failures in a row, and when it is tried again; null if the last try has not failed. */
  attempts: number;
  retryAt: number | null;
}

/**
 * The stored data of a session. It reads and writes rows and contains no decisions. A read of an id that was never
 * created accesses no table, so that it leaves no storage behind.
 */
export class SessionStore {
  readonly log: EventLog;
  readonly messages: MessageTable;
  readonly runs: RunTable;
  readonly calls: CallTable;
  readonly tools: ToolTable;
  readonly approvals: ApprovalTable;
  readonly artifacts: ArtifactTable;
  readonly history: HistoryTable;
  readonly agents: AgentTable;
  readonly schedules: ScheduleTable;
  readonly shares: ShareTable;
  readonly previews: PreviewTable;
  readonly process: ProcessTable;
  readonly mcpServers: McpServerTable;
  readonly #storage: DurableObjectStorage;
  /** The metadata and the outbox are cached, since every change reads them. */
  #metadata: Metadata | undefined;
  #outbox: Outbox | null | undefined;
  #hasAudits: boolean | undefined;
  #webhooks: KnownWebhooks | null | undefined;
  #traced: Traced | null | undefined;
  /** The identity is cached, since it rarely changes and its config can be large. */
  #identity: Identity | undefined;
  /** The state is cached so that a transition that changed nothing can be recognized by object identity. */
  #state: State | undefined;
  /** The tables that cache rows. */
  readonly #cachingTables: readonly { forget(): void }[];
  #written = 0;
  #inTransaction = false;
  /** Whether the open transaction has changed the state. The state is written once, at the end of the transaction. */
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
    this.approvals = new ApprovalTable(sql);
    this.artifacts = new ArtifactTable(sql);
    this.history = new HistoryTable(sql, this.tools);
    this.agents = new AgentTable(sql);
    this.schedules = new ScheduleTable(sql);
    this.shares = new ShareTable(sql);
    this.previews = new PreviewTable(sql);
    this.process = new ProcessTable(sql);
    this.mcpServers = new McpServerTable(sql);
    const { messages, runs, calls, tools, approvals, artifacts } = this;
    const { agents, schedules, mcpServers } = this;
    this.#cachingTables = [
      ...[messages, runs, calls, tools, approvals, artifacts],
      ...[agents, schedules, mcpServers],
    ];
  }

  /**
   * Runs `change` as one transaction and returns its result. An exception rolls the transaction back and is rethrown.
   * Throws if a transaction is open already.
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

  /** Returns how many rows were written since the last call. */
  takeWritten(): number {
    const written = this.#written;
    this.#written = 0;
    return written;
  }

  /** Creates the tables that the object lacks: all at its creation, later ones when it first runs a newer version. */
  addTables(): void {
    const version = this.#storage.kv.get<number>("tables");
    if (version === UPGRADES.length) return;
    const missing = version === undefined ? [SCHEMA] : UPGRADES.slice(version);
    for (const statements of missing) this.#storage.sql.exec(statements);
    this.#storage.kv.put("tables", UPGRADES.length);
  }

  /** Creates the session. Throws outside of a transaction. */
  create(identity: Identity, metadata: Metadata, state: State): void {
    this.addTables();
    this.#storage.kv.put("identity", identity);
    this.metadata = metadata;
    this.state = state;
    this.#identity = identity;
  }

  /**
   * Replaces the environment and the request hash with the same texts, encrypted with another key. Throws outside of a
   * transaction.
   */
  saveEnv(env: StoredEnv, requestHash: StoredText | null): void {
    const { identity } = this;
    const saved = { ...identity, requestHash, config: { ...identity.config, env } };
    this.#requireTransaction();
    this.#storage.kv.put("identity", saved);
    this.#identity = saved;
  }

  /** Returns whether the session was created and its storage was not emptied since. */
  exists(): boolean {
    return this.#readIdentity() !== undefined;
  }

  /** The identity. Throws if the session does not exist. */
  get identity(): Identity {
    const identity = this.#readIdentity();
    if (!identity) throw new Error("the session does not exist");
    return identity;
  }

  get metadata(): Metadata {
    this.#metadata ??= this.#require<Metadata>("metadata");
    return this.#metadata;
  }

  /** Throws outside of a transaction, like all setters of this class except that of the outbox. */
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

  /** May be set outside of a transaction: it describes the state of the index and not of the session. */
  set outbox(outbox: Outbox | null) {
    this.#outbox = outbox;
    if (outbox) this.#storage.kv.put("outbox", outbox);
    else this.#storage.kv.delete("outbox");
  }

  /** What was done to the session by others and has to be recorded; null if that is done. */
  get audits(): PendingAudits | null {
    return this.#storage.kv.get<PendingAudits>("audits") ?? null;
  }

  /** May be set outside of a transaction, when entries were recorded. */
  set audits(audits: PendingAudits | null) {
    this.#hasAudits = audits !== null;
    if (audits) this.#storage.kv.put("audits", audits);
    else this.#storage.kv.delete("audits");
  }

  /** Whether there are any `audits`. Every commit asks for it. */
  get hasAudits(): boolean {
    this.#hasAudits ??= this.audits !== null;
    return this.#hasAudits;
  }

  /** The webhooks that want events of the session; null if it knows of none. Every commit asks for it. */
  get webhooks(): KnownWebhooks | null {
    if (this.#webhooks === undefined) {
      this.#webhooks = this.#storage.kv.get<KnownWebhooks>("webhooks") ?? null;
    }
    return this.#webhooks;
  }

  /** May be set outside of a transaction: it describes what was sent, and not the session. */
  set webhooks(webhooks: KnownWebhooks) {
    this.#webhooks = webhooks;
    this.#storage.kv.put("webhooks", webhooks);
  }

  /** What was exported; null if nothing was. With a collector, every commit asks for it. */
  get traced(): Traced | null {
    if (this.#traced === undefined) this.#traced = this.#storage.kv.get<Traced>("traced") ?? null;
    return this.#traced;
  }

  /** May be set outside of a transaction: it describes what was sent, and not the session. */
  set traced(traced: Traced) {
    this.#traced = traced;
    this.#storage.kv.put("traced", traced);
  }

  /** The restarts of the message that was resumed last; null if none was ever resumed. */
  get recovery(): Recovery | null {
    return this.#storage.kv.get<Recovery>("recovery") ?? null;
  }

  set recovery(recovery: Recovery) {
    this.#requireTransaction();
    this.#storage.kv.put("recovery", recovery);
  }

  /** Clears all caches and pending events. Call it after the storage was emptied. */
  forget(): void {
    this.#dropKept();
    this.log.take();
  }

  #requireTransaction(): void {
    if (!this.#inTransaction) throw new Error("the session is only changed in a transaction");
  }

  #dropKept(): void {
    for (const table of this.#cachingTables) table.forget();
    this.#identity = undefined;
    this.#metadata = undefined;
    this.#state = undefined;
    this.#outbox = undefined;
    this.#hasAudits = undefined;
    this.#webhooks = undefined;
    this.#traced = undefined;
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
