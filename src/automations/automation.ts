import { DurableObject } from "cloudflare:workers";
import { accountOf } from "../account/address";
import { concernSessions } from "../account/limits";
import type { AccountRpc } from "../account/rpc";
import type { MessageRequest, SessionRpc } from "../session/rpc";
import { settings } from "../settings";
import { equalSecrets, randomHex } from "../shared/bytes";
import { Encryption, type StoredText } from "../shared/encryption";
import { errorText, log } from "../shared/log";
import {
  type FailureCode,
  ok,
  type Refusal,
  type Result,
  refuse,
  refuseReusedKey,
} from "../shared/result";
import type {
  Automation,
  AutomationPatch,
  AutomationRpc,
  AutomationRun,
  AutomationSpec,
  RunPage,
  RunSpec,
} from "./rpc";
import {
  checkedPlan,
  isDue,
  lookPauseMs,
  PAUSES,
  type Plan,
  planFrom,
  promptWith,
  RUNS_KEPT_MS,
} from "./rules";
import { RunTable, type StoredRun, shown } from "./runs";

/** If the object is lost while it starts a run, the alarm goes on with it after this time, in ms. */
const START_MS = 30_000;
/** How long a run that can't be started is tried, in ms. */
const MAX_STARTING_MS = 24 * 3_600_000;
/** The shortest time between two alarms, in ms. */
const MIN_ALARM_MS = 1_000;

/** What is stored of an automation besides its runs. */
interface Stored extends Omit<AutomationSpec, "spec">, Plan {
  /** The spec of its sessions as JSON. It may contain secrets. */
  spec: StoredText;
  pausedBecause: string | null;
  createdAt: number;
  lastRunAt: number | null;
}

const encryption = new Encryption(settings.ENCRYPTION_KEYS);

/**
 * The Durable Object of one automation: it starts a session with a message for each run, by its schedule or when it is
 * fired, and follows the runs. Its calls are described in `AutomationRpc`.
 */
export class AutomationObject extends DurableObject<Env> implements AutomationRpc {
  readonly #runs = new RunTable(this.ctx.storage.sql);
  #stored: Stored | undefined;
  /** The runs that are being started, by their ids. */
  readonly #starting = new Map<string, Promise<void>>();

  async create({ spec, ...others }: AutomationSpec): Promise<Result<Automation>> {
    const stored = await this.#sealed(others.id, spec);
    if (this.#read()) return refuseReusedKey({ automationId: others.id });
    this.#change((now) => {
      this.#runs.makeTable();
      const begun = { pausedBecause: null, createdAt: now, lastRunAt: null };
      this.#save({
        ...{ ...others, ...begun, spec: stored },
        ...planFrom(others.when, others.enabled, now),
      });
    });
    await this.#planAlarm();
    return ok(this.#automation());
  }

  async read(): Promise<Result<Automation>> {
    const stored = this.#read();
    if (!stored) return NO_AUTOMATION;
    if (!encryption.isCurrent(stored.spec)) await this.#spec(stored).catch(() => {});
    return this.#read() ? ok(this.#automation()) : NO_AUTOMATION;
  }

  async update({ spec, ...patch }: AutomationPatch): Promise<Result<Automation>> {
    const id = this.#read()?.id;
    if (id === undefined) return NO_AUTOMATION;
    const sealed = spec && (await this.#sealed(id, spec));
    const stored = this.#read();
    if (!stored) return NO_AUTOMATION;
    this.#change((now) => {
      const changed = { ...stored, ...patch, ...(sealed && { spec: sealed }) };
      const isPlanned = patch.enabled !== undefined || patch.when !== undefined;
      this.#save({
        ...changed,
        pausedBecause: patch.enabled === undefined ? stored.pausedBecause : null,
        ...(isPlanned && planFrom(changed.when, changed.enabled, now)),
      });
    });
    await this.#planAlarm();
    return ok(this.#automation());
  }

  async rotateToken(fireHash: string): Promise<Result<Automation>> {
    const stored = this.#read();
    if (!stored) return NO_AUTOMATION;
    this.#change(() => this.#save({ ...stored, fireHash }));
    return ok(this.#automation());
  }

  async remove(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#stored = undefined;
  }

  async ownerOf(fireHash: string): Promise<string | null> {
    const stored = this.#read();
    if (!stored || !(await equalSecrets(stored.fireHash, fireHash))) return null;
    return stored.owner;
  }

  async fire(runId: string, input: string | null): Promise<Result<AutomationRun>> {
    const stored = this.#read();
    if (!stored) return NO_AUTOMATION;
    if (!this.#runs.get(runId)) {
      if (!stored.enabled) {
        const why = stored.pausedBecause === null ? "" : ` (${stored.pausedBecause})`;
        return refuse("automation_paused", `The automation is not enabled${why}.`);
      }
      if (await this.#isFull(stored)) {
        const message = `${stored.maxConcurrentRuns} runs are at work already.`;
        return refuse("too_many_runs", message);
      }
      this.#change((now) => this.#begin(runId, "fire", input, now));
      await this.#planAlarm();
    }
    await this.#start(runId);
    const run = this.#runs.get(runId);
    if (!run) return NO_AUTOMATION;
    if (run.status !== "refused") return ok(shown(run));
    const code = (run.reason ?? "unavailable") as FailureCode;
    return refuse(code, `The run was refused (${code}).`, { runId });
  }

  async runs({
    before,
    limit,
  }: {
    before: number | null;
    limit: number;
  }): Promise<Result<RunPage>> {
    if (!this.#read()) return NO_AUTOMATION;
    await this.#lookAtAll();
    return ok(this.#runs.page(before, limit));
  }

  /** Starts what is due, and asks how the runs are. Never rejects. */
  override async alarm(): Promise<void> {
    const stored = this.#read();
    if (!stored) return;
    try {
      // Runs that have ended since they were last looked at make room.
      if (isDue(stored, Date.now())) await this.#isFull(stored);
      this.#change((now) => this.#beginDue(now));
      const now = Date.now();
      const open = this.#runs.open().filter(({ nextAt }) => nextAt !== null && nextAt <= now);
      await Promise.all(
        open.map((run) =>
          run.status === "starting" ? this.#start(run.id) : this.#look(run, run.looks + 1),
        ),
      );
      this.#change((after) => this.#runs.forget(after - RUNS_KEPT_MS));
    } catch (error) {
      log("automation.failed", { automation: this.#stored?.id, error: errorText(error) });
    }
    await this.#planAlarm();
  }

  /** Returns whether as many runs are at work as may be. What is known of them may be old, so they are asked. */
  async #isFull({ maxConcurrentRuns }: Stored): Promise<boolean> {
    if (this.#runs.open().length < maxConcurrentRuns) return false;
    await this.#lookAtAll();
    return this.#runs.open().length >= maxConcurrentRuns;
  }

  async #lookAtAll(): Promise<void> {
    await Promise.all(this.#runs.open().map((run) => this.#look(run, run.looks)));
  }

  /** Begins the run that is due, if one is: any number of missed runs is one. */
  #beginDue(now: number): void {
    const stored = this.#read();
    if (!stored) return;
    const plan = checkedPlan(stored, stored.when, stored.enabled, now);
    if (!isDue(plan, now)) {
      if (plan !== stored) this.#save({ ...stored, ...plan });
      return;
    }
    this.#save({ ...stored, ...planFrom(stored.when, stored.enabled, now) });
    const id = `run_${randomHex()}`;
    if (this.#runs.open().length < stored.maxConcurrentRuns) {
      this.#begin(id, "schedule", null, now);
      return;
    }
    const skipped = { sessionId: null, messageId: null, input: null, status: "skipped" } as const;
    const times = { startedAt: now, endedAt: now, nextAt: null };
    this.#runs.add({ id, by: "schedule", ...skipped, reason: "too_many_runs", ...times });
  }

  #begin(id: string, by: StoredRun["by"], input: string | null, now: number): void {
    const stored = this.#read();
    if (!stored) return;
    const sessionId = `sess_${randomHex()}`;
    const messageId = `msg_${randomHex()}`;
    const begun = { sessionId, messageId, by, input, status: "starting", reason: null } as const;
    this.#runs.add({ id, ...begun, startedAt: now, endedAt: null, nextAt: now });
    this.#save({ ...stored, lastRunAt: now });
  }

  /** Creates a run's session and sends its message. Both can be repeated. Never rejects: the alarm tries again. */
  #start(runId: string): Promise<void> {
    const starting =
      this.#starting.get(runId) ??
      this.#startOnce(runId)
        .catch((error) => {
          log("automation.failed", { automation: this.#stored?.id, error: errorText(error) });
          this.#postpone(runId);
        })
        .finally(() => this.#starting.delete(runId));
    this.#starting.set(runId, starting);
    return starting;
  }

  async #startOnce(runId: string): Promise<void> {
    const stored = this.#read();
    const run = this.#runs.get(runId);
    if (!stored || run?.status !== "starting" || !run.sessionId || !run.messageId) return;
    this.#change((now) => this.#runs.save({ ...run, nextAt: now + START_MS }));
    await this.#planAlarm();
    const caller = { owner: stored.owner, admin: false };
    const session = this.#session(run.sessionId);
    const spec = await this.#spec(stored);
    const limited = await this.#isLimited(stored.owner);
    const whole = { ...spec, id: run.sessionId, requestHash: runId, limited };
    const created = await session.create(caller, whole);
    if (!created.ok) return this.#refused(run, created);
    const request: MessageRequest = {
      ...{ id: run.messageId, prompt: promptWith(stored.prompt, run.input), requestHash: runId },
      ...{ agent: null, background: true, maxTurns: null, maxBudgetNanos: null, onBusy: "queue" },
    };
    const sent = await session.send(caller, request);
    if (!sent.ok) {
      await session.terminate(caller, "run_refused").catch(() => {});
      return this.#refused(run, sent);
    }
    this.#change((now) => {
      const { status } = sent.value;
      this.#runs.save({ ...run, status, looks: 0, nextAt: now + lookPauseMs(0) });
    });
    await this.#planAlarm();
  }

  /** Returns the spec of the sessions. Encrypts it anew if the deployment has another key by now. */
  async #spec(stored: Stored): Promise<RunSpec> {
    const json = await encryption.decrypt(stored.spec, placeOf(stored.id));
    const spec: RunSpec = JSON.parse(json);
    if (encryption.isCurrent(stored.spec)) return spec;
    const sealed = await this.#sealed(stored.id, spec);
    const current = this.#read();
    // Unless it was changed meanwhile.
    if (current?.spec === stored.spec) this.#change(() => this.#save({ ...current, spec: sealed }));
    return spec;
  }

  async #isLimited(owner: string): Promise<boolean> {
    const account = this.env.ACCOUNTS.getByName(await accountOf(owner)) as unknown as AccountRpc;
    return concernSessions((await account.use()).limits);
  }

  /** Ends a run that was refused, and pauses the automation if it would be refused again. */
  #refused(run: StoredRun, { failure }: Refusal): void {
    if (failure.code === "unavailable") throw new Error(failure.message);
    const { code, message } = failure;
    this.#change((now) => {
      const ended = { endedAt: now, nextAt: null, reason: code };
      this.#runs.save({ ...run, status: "refused", ...ended });
      const stored = this.#read();
      if (!stored || !PAUSES.has(code)) return;
      log("automation.paused", { automation: stored.id, reason: code });
      const plan = planFrom(stored.when, false, now);
      this.#save({ ...stored, enabled: false, pausedBecause: `${code}: ${message}`, ...plan });
    });
  }

  #postpone(runId: string): void {
    const run = this.#runs.get(runId);
    if (!run || !this.#read()) return;
    this.#change((now) => {
      const looks = run.looks + 1;
      if (run.status === "starting" && now - run.startedAt > MAX_STARTING_MS) {
        const ended = { status: "refused", reason: "unavailable", endedAt: now } as const;
        this.#runs.save({ ...run, ...ended, nextAt: null });
      } else this.#runs.save({ ...run, looks, nextAt: now + lookPauseMs(looks) });
    });
  }

  /** Asks a run's session how the message is, which was done `looks` times by then. Never rejects. */
  async #look(run: StoredRun, looks: number): Promise<void> {
    const stored = this.#read();
    if (!stored || run.status === "starting" || !run.sessionId || !run.messageId) return;
    const caller = { owner: stored.owner, admin: false };
    try {
      const asked = await this.#session(run.sessionId).message(caller, run.messageId, {
        leavesUnread: true,
      });
      if (!this.#read()) return;
      this.#change((now) => {
        if (!asked.ok) {
          this.#runs.save({ ...run, status: "gone", endedAt: now, nextAt: null });
          return;
        }
        const { status, endedAt, costNanos } = asked.value;
        const nextAt = endedAt === null ? now + lookPauseMs(looks) : null;
        this.#runs.save({ ...run, status, endedAt, costNanos, looks, nextAt });
      });
    } catch (error) {
      log("automation.failed", { automation: stored.id, error: errorText(error) });
      this.#postpone(run.id);
    }
  }

  #session(id: string): SessionRpc {
    return this.env.SESSIONS.getByName(id) as unknown as SessionRpc;
  }

  async #planAlarm(): Promise<void> {
    const stored = this.#read();
    if (!stored) return;
    const oldest = this.#runs.oldestEnded();
    const times = [
      stored.nextRunAt,
      this.#runs.nextAt(),
      oldest === null ? null : oldest + RUNS_KEPT_MS + MIN_ALARM_MS,
    ].filter((at) => at !== null);
    if (times.length === 0) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Math.max(Math.min(...times), Date.now() + MIN_ALARM_MS));
  }

  #sealed(id: string, spec: RunSpec): Promise<StoredText> {
    return encryption.encrypt(JSON.stringify(spec), placeOf(id));
  }

  #automation(): Automation {
    const stored = this.#read();
    if (!stored) throw new Error("the automation does not exist");
    const { spec: _, fireHash: __, plannedAt: ___, ...automation } = stored;
    return automation;
  }

  #read(): Stored | undefined {
    this.#stored ??= this.ctx.storage.kv.get<Stored>("automation");
    return this.#stored;
  }

  #save(stored: Stored): void {
    this.ctx.storage.kv.put("automation", stored);
    this.#stored = stored;
  }

  /** Runs a change as one transaction. If it fails, what is cached is read again. */
  #change<T>(act: (now: number) => T): T {
    try {
      return this.ctx.storage.transactionSync(() => act(Date.now()));
    } catch (error) {
      this.#stored = undefined;
      throw error;
    }
  }
}

const placeOf = (id: string): string[] => ["automation", id];

const NO_AUTOMATION: Refusal = refuse("not_found", "There is no such automation.");
