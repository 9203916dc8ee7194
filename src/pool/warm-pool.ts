import { DurableObject } from "cloudflare:workers";
import { openSandbox } from "../sandbox/providers";
import type { Sandbox } from "../sandbox/sandbox";
import { settings } from "../settings";
import { errorText, log } from "../shared/log";
import { all, type Row } from "../shared/sql";
import {
  afterFailure,
  CHECK_MS,
  CLOSED,
  fits,
  nextLook,
  type PooledSandbox,
  type PoolStanding,
  planPool,
  type StartBreaker,
  standing,
} from "./policy";
import { warmPool } from "./setup";

/** Maximum number of parallel operations. */
const MAX_WORK = 10;
/** Delay and maximum number of attempts to destroy a sandbox. After that it is left to fall asleep. */
const RETRY_MS = 60_000;
const MAX_TRIES = 10;
/**
 * Time for which the pool remembers a handed-out sandbox, so that a session that lost its object and asks again
 * gets the same one.
 */
const REMEMBERED_MS = 3_600_000;

const TABLES = [
  `CREATE TABLE IF NOT EXISTS sandboxes (
     id TEXT PRIMARY KEY, provider TEXT NOT NULL, version TEXT NOT NULL, state TEXT NOT NULL,
     made_at INTEGER NOT NULL, due_at INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0)`,
  "CREATE TABLE IF NOT EXISTS handed_out (session TEXT PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL)",
];

/**
 * The state of the pool. `handedOut` and `missed` count the sessions, since the pool was first used, that found
 * a ready sandbox and that found none.
 */
export interface PoolState extends PoolStanding {
  handedOut: number;
  missed: number;
}

/**
 * Keeps sandboxes started for future sessions. Every operation on a sandbox is stored before it begins, so a
 * loss of the object loses no sandbox: the next alarm continues. A handed-out sandbox no longer belongs to the
 * pool.
 */
export class WarmPool extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #kv = this.ctx.storage.kv;
  readonly #work = new Set<string>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    for (const table of TABLES) this.#sql.exec(table);
  }

  /**
   * Hands out a ready sandbox to a session, permanently; null if none is ready. Never waits for one. Idempotent
   * for an hour.
   */
  async take(session: string): Promise<string | null> {
    const id = this.ctx.storage.transactionSync(() => this.#handOut(session, Date.now()));
    this.#tend();
    return id;
  }

  /** Starts and destroys sandboxes to reach the target. */
  async tend(): Promise<void> {
    this.#tend();
  }

  async state(): Promise<PoolState> {
    return {
      ...standing(this.#held(), warmPool, this.#breaker),
      handedOut: this.#counted("handedOut"),
      missed: this.#counted("missed"),
    };
  }

  override async alarm(): Promise<void> {
    this.#tend();
  }

  #handOut(session: string, now: number): string | null {
    const [before] = all(this.#sql, "SELECT id FROM handed_out WHERE session = ?", session);
    if (before) return String(before.id);
    const ready = this.#held().filter((one) => one.state === "ready" && fits(one, warmPool));
    const [oldest] = warmPool.target === 0 ? [] : ready;
    this.#count(oldest ? "handedOut" : "missed");
    if (!oldest) return null;
    this.#sql.exec("DELETE FROM sandboxes WHERE id = ?", oldest.id);
    this.#sql.exec("INSERT INTO handed_out VALUES (?, ?, ?)", session, oldest.id, now);
    return oldest.id;
  }

  /** Plans, stores and starts the due operations, and sets the alarm. */
  #tend(): void {
    const now = Date.now();
    const plan = planPool(this.#held(), warmPool, this.#breaker, now);
    this.ctx.storage.transactionSync(() => {
      for (const id of plan.leave) this.#leave(id, now);
      for (let n = 0; n < plan.start; n++) {
        const id = `warm_${crypto.randomUUID().replaceAll("-", "")}`;
        this.#sql.exec(
          `INSERT INTO sandboxes (id, provider, version, state, made_at, due_at)
           VALUES (?, ?, ?, 'starting', ?, ?)`,
          id,
          warmPool.provider,
          warmPool.version,
          now,
          now,
        );
      }
      this.#sql.exec("DELETE FROM handed_out WHERE at < ?", now - REMEMBERED_MS);
    });
    const held = this.#held();
    for (const one of held) {
      if (this.#work.size >= MAX_WORK) break;
      if (one.dueAt <= now && !this.#work.has(one.id)) this.ctx.waitUntil(this.#do(one));
    }
    const at = nextLook(held, warmPool, this.#breaker, now);
    if (at === null) this.ctx.storage.deleteAlarm();
    else this.ctx.storage.setAlarm(at);
  }

  /** Runs the due operation of a sandbox. Never rejects. */
  async #do(one: PooledSandbox): Promise<void> {
    this.#work.add(one.id);
    if (one.state === "leaving") await this.#destroy(one);
    else await this.#start(one);
    this.#work.delete(one.id);
    this.#tend();
  }

  /** Starts a sandbox, or checks that it still runs. Does not change one that was handed out meanwhile. */
  async #start({ id, provider, state }: PooledSandbox): Promise<void> {
    try {
      await this.#open(provider, id).start?.();
      this.#sql.exec(
        "UPDATE sandboxes SET state = 'ready', due_at = ? WHERE id = ? AND state <> 'leaving'",
        Date.now() + CHECK_MS,
        id,
      );
      if (state === "starting") this.#breaker = CLOSED;
    } catch (error) {
      this.#breaker = afterFailure(this.#breaker, Date.now());
      this.#leave(id, Date.now());
      log("pool.start_failed", { sandbox: id, ...this.#breaker, error: errorText(error) });
    }
  }

  async #destroy({ id, provider, failures }: PooledSandbox): Promise<void> {
    try {
      await this.#open(provider, id).destroy();
      this.#sql.exec("DELETE FROM sandboxes WHERE id = ?", id);
    } catch (error) {
      log("pool.destroy_failed", { sandbox: id, failures, error: errorText(error) });
      if (failures + 1 >= MAX_TRIES) this.#sql.exec("DELETE FROM sandboxes WHERE id = ?", id);
      this.#sql.exec(
        "UPDATE sandboxes SET failures = failures + 1, due_at = ? WHERE id = ?",
        Date.now() + RETRY_MS,
        id,
      );
    }
  }

  #open(provider: string, id: string): Sandbox {
    return openSandbox(this.env, { provider, id }, { workspace: settings.AGENT_WORKSPACE });
  }

  #leave(id: string, now: number): void {
    this.#sql.exec("UPDATE sandboxes SET state = 'leaving', due_at = ? WHERE id = ?", now, id);
  }

  #held(): PooledSandbox[] {
    return all(this.#sql, "SELECT * FROM sandboxes ORDER BY made_at, id").map(decode);
  }

  get #breaker(): StartBreaker {
    return this.#kv.get<StartBreaker>("breaker") ?? CLOSED;
  }

  set #breaker(breaker: StartBreaker) {
    this.#kv.put("breaker", breaker);
  }

  #counted(what: "handedOut" | "missed"): number {
    return this.#kv.get<number>(what) ?? 0;
  }

  #count(what: "handedOut" | "missed"): void {
    this.#kv.put(what, this.#counted(what) + 1);
  }
}

const decode = (row: Row): PooledSandbox => ({
  id: String(row.id),
  provider: String(row.provider),
  version: String(row.version),
  state: String(row.state) as PooledSandbox["state"],
  madeAt: Number(row.made_at),
  dueAt: Number(row.due_at),
  failures: Number(row.failures),
});
