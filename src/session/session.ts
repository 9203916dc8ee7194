import { DurableObject } from "cloudflare:workers";
import type { SessionRow } from "../db/schema";
import { putSession, removeSession } from "../db/sessions";
import { isLastEvent, isMessageEnd } from "../events/event";
import { takeWarmSandbox } from "../pool/client";
import { commandEnv, type Egress } from "../sandbox/egress";
import { openSandbox } from "../sandbox/providers";
import { settings } from "../settings";
import { errorText, log } from "../shared/log";
import { Breaker } from "./breaker";
import { ClaudeCode } from "./claude-code/claude-code";
import { egressOf } from "./container/egress";
import { ContainerLifecycle } from "./container/lifecycle";
import { CrashGuard } from "./crash-guard";
import { model, upstream } from "./deployment";
import { runMessage } from "./loop/run-message";
import { Outbox } from "./outbox";
import {
  type Caller,
  type EventPage,
  type MessagePage,
  type MessageRequest,
  type MessageRow,
  ok,
  type Refusal,
  type Result,
  refuse,
  type ScheduleRequest,
  type ScheduleRow,
  type SessionPatch,
  type SessionRpc,
  type SessionSpec,
  type SnapshotRow,
} from "./rpc";
import { beats, dueDeadline, keepsAlarm, nextAlarm } from "./rules/deadlines";
import { isEnded, markRead } from "./rules/lifecycle";
import { outlive, SURVIVAL_MS } from "./rules/recovery";
import {
  newEnv,
  newRequestHash,
  problemOf,
  refusalOf,
  SessionEnv,
  withoutSecrets,
} from "./session-env";
import { SessionRestore } from "./snapshots/restore-session";
import { Snapshots } from "./snapshots/snapshots";
import { resumeSourceOf } from "./snapshots/source";
import { parseLogged } from "./storage/event-log";
import { SnapshotBucket } from "./storage/snapshot-bucket";
import { newState, SessionStore } from "./storage/store";
import { Subscribers } from "./subscribers";
import { Supervisor } from "./supervisor";
import { reportDispute, reportEnd, reportMessage } from "./telemetry";
import { acceptMessage, endMessage, startNext, stopMessage } from "./transactions/messages";
import { failLostMessage, noteRestart } from "./transactions/restarts";
import {
  addSchedule,
  hasDueSchedule,
  removeSchedule,
  runDueSchedules,
  scheduleRows,
  schedulesWait,
  updateSchedule,
} from "./transactions/schedules";
import {
  applyDeadline,
  createSession,
  failSession,
  markDeleted,
  terminateSession,
  updateSession,
} from "./transactions/session";
import { rowsEqual, timingOf, toSessionRow } from "./transactions/session-row";
import { change } from "./transactions/state";
import type { LiveDraft } from "./transactions/turns";

/** How long a call that others should see in lists waits for the index before it answers without it. */
const INDEX_WAIT_MS = 3_000;

const WORKSPACE = settings.AGENT_WORKSPACE;

/**
 * One session: the truth about it, and whoever works on it. Everything it knows is in its SQLite, so it
 * may vanish between any two lines; what is in memory is only whoever runs and whoever waits. An idle
 * session is rows on disk.
 */
export class Session extends DurableObject<Env> implements SessionRpc {
  readonly #store = new SessionStore(this.ctx.storage);
  readonly #breaker = new Breaker(this.ctx.storage.kv);
  readonly #guard = new CrashGuard(this.ctx.storage, this.ctx.id.name);
  readonly #subscribers = new Subscribers(this.ctx);
  readonly #drafts = new Map<string, LiveDraft>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  readonly #supervisor = new Supervisor({
    running: () => this.#running(),
    work: (messageId, signal) => this.#work(messageId, signal),
    fail: (messageId, error) => this.#fail(messageId, error),
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  readonly #outbox = new Outbox(this.#store, {
    put: (row) => putSession(this.env.DB, row),
    remove: (row) => removeSession(this.env.DB, row, Date.now()),
    forget: () => this.#erase(),
    reschedule: () => this.#planAlarm(),
  });
  readonly #machine = new ContainerLifecycle({
    env: this.env,
    store: this.#store,
    workspace: WORKSPACE,
    commit: (change) => this.#commit(change),
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  readonly #env = new SessionEnv({
    store: this.#store,
    commit: (change) => this.#commit(change),
  });
  readonly #snapshots = new Snapshots({
    store: this.#store,
    sql: this.ctx.storage.sql,
    bucket: new SnapshotBucket(this.env.SNAPSHOTS),
    sandbox: () => this.#machine.sandbox(),
    renewEnv: () => this.#env.renew(),
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  readonly #restore = new SessionRestore({
    env: this.env,
    storage: this.ctx.storage,
    store: this.#store,
    workspace: WORKSPACE,
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  readonly #claudeCode = new ClaudeCode({
    store: this.#store,
    commit: (change) => this.#commit(change),
    publish: (event) => this.#subscribers.showLive(event),
    drafts: this.#drafts,
    upstream,
    sandbox: () => this.#machine.sandbox(),
    workspace: WORKSPACE,
    env: async () => commandEnv(await this.#env.read()),
  });
  /** The message that this object has started, until it is worked on. Any other was begun by one that is lost. */
  #started: string | null = null;
  /** The message that this object has taken up, and since when. */
  #takenUp: { messageId: string; at: number } | null = null;
  /** When the alarm is set to; undefined while that is not known. */
  #alarmAt: number | null | undefined;

  async create(caller: Caller, given: SessionSpec): Promise<Result<SessionRow>> {
    const spec = this.#store.exists() ? given : await this.#withSandbox(given);
    const { id, config } = spec;
    const startsAnew = resumeSourceOf(spec) === null;
    // Before anything is looked at: what is written down must follow what was seen at once.
    const env = startsAnew && config.env ? await newEnv(id, config.env) : {};
    const requestHash = await newRequestHash(id, spec.requestHash, config.env);
    while (this.#restore.busy) await this.#restore.settle();
    if (this.#store.exists()) return this.#repeatCreate(spec);
    const { start } = openSandbox(this.env, newState(spec, 0).sandbox, { workspace: WORKSPACE });
    const starts = start !== undefined;
    const beginning = { caller, spec, requestHash, starts };
    if (startsAnew) {
      this.#commit((now) => createSession(this.#store, { ...beginning, env, source: null }, now));
      return this.#listed();
    }
    const made = await this.#restore.make(caller, spec, (copy, env, done) => {
      this.#commit((now) => {
        const { sessionId, manifest } = copy;
        const source = { sessionId, createdAt: manifest.createdAt };
        createSession(this.#store, { ...beginning, env, source }, now);
        done();
      });
    });
    return made.ok ? this.#listed() : made;
  }

  /** Returns the same spec, with a sandbox of the warm pool if it has one ready. */
  async #withSandbox(spec: SessionSpec): Promise<SessionSpec> {
    const sandboxId = await takeWarmSandbox(this.env, spec.id, spec.provider);
    return sandboxId === null ? spec : { ...spec, sandboxId };
  }

  async read(caller: Caller): Promise<Result<SessionRow>> {
    return this.#refusal(caller) ?? ok(toSessionRow(this.#store));
  }

  async update(caller: Caller, patch: SessionPatch): Promise<Result<SessionRow>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    this.#commit((now) => updateSession(this.#store, patch, this.#drafts, now));
    return this.#listed();
  }

  async send(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    if (!model) return NO_MODEL;
    const accepted = this.#commit((now) => {
      const repeated = this.#store.messages.get(request.id) !== undefined;
      const accepted = acceptMessage(this.#store, request, now);
      if (accepted.ok && !repeated && request.onBusy === "interrupt") {
        stopMessage(this.#store, "interrupted", this.#drafts, now);
        startNext(this.#store, WORKSPACE, now, request.id);
      }
      startNext(this.#store, WORKSPACE, now);
      return accepted;
    });
    this.#supervisor.drive();
    return accepted.ok ? ok(this.#row(request.id)) : accepted;
  }

  async ask(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    const sent = await this.send(caller, request);
    if (!sent.ok) return sent;
    if (this.#store.messages.get(request.id)?.endedAt === null) await this.#ended(request.id);
    return this.message(caller, request.id);
  }

  async messages(
    caller: Caller,
    page: { after: number; limit: number },
  ): Promise<Result<MessagePage>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    const messages = this.#store.messages.rowsAfter(page.after, page.limit);
    if (messages.some((message) => message.endedAt !== null)) this.#markRead();
    const last = messages.at(-1)?.position ?? page.after;
    return ok({ messages, next: last < this.#store.messages.lastPosition() ? last : null });
  }

  async message(caller: Caller, messageId: string): Promise<Result<MessageRow>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    const message = this.#store.messages.row(messageId);
    if (!message) return refuse("not_found", `There is no message ${messageId} in this session.`);
    if (message.endedAt !== null) this.#markRead();
    return ok(message);
  }

  async events(caller: Caller, page: { after: number; limit: number }): Promise<Result<EventPage>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    const events = this.#store.log.after(page.after, page.limit).map(parseLogged);
    const last = events.at(-1)?.seq ?? page.after;
    return ok({ events, hasMore: last < this.#store.log.lastSeq() });
  }

  async interrupt(caller: Caller): Promise<Result<MessageRow | null>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    const messageId = this.#commit((now) => {
      const cut = stopMessage(this.#store, "interrupted", this.#drafts, now);
      startNext(this.#store, WORKSPACE, now);
      return cut;
    });
    const message = messageId === null ? null : this.#row(messageId);
    await this.#supervisor.driveAndWait();
    return ok(message);
  }

  async terminate(caller: Caller, reason: string): Promise<Result<SessionRow>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    this.#commit((now) => terminateSession(this.#store, "terminated", reason, this.#drafts, now));
    const ended = this.#listed();
    await this.#supervisor.driveAndWait();
    return ended;
  }

  async addSchedule(caller: Caller, request: ScheduleRequest): Promise<Result<ScheduleRow>> {
    const refused = this.#refusal(caller);
    return refused ?? this.#commit((now) => addSchedule(this.#store, request, now));
  }

  async schedules(caller: Caller): Promise<Result<ScheduleRow[]>> {
    return this.#refusal(caller) ?? ok(scheduleRows(this.#store));
  }

  async updateSchedule(
    caller: Caller,
    scheduleId: string,
    patch: { paused: boolean },
  ): Promise<Result<ScheduleRow>> {
    const refused = this.#refusal(caller);
    return refused ?? this.#commit((now) => updateSchedule(this.#store, scheduleId, patch, now));
  }

  async removeSchedule(caller: Caller, scheduleId: string): Promise<Result<null>> {
    const refused = this.#refusal(caller);
    return refused ?? this.#commit((now) => removeSchedule(this.#store, scheduleId, now));
  }

  async snapshot(caller: Caller): Promise<Result<SnapshotRow>> {
    return this.#refusal(caller) ?? this.#snapshots.take();
  }

  async snapshots(caller: Caller): Promise<Result<SnapshotRow[]>> {
    return this.#refusal(caller) ?? ok(this.#snapshots.list(Date.now()));
  }

  async copyTo(caller: Caller, key: string): Promise<Result<null>> {
    return this.#refusal(caller) ?? this.#snapshots.copyTo(key);
  }

  async remove(caller: Caller): Promise<Result<null>> {
    const refused = this.#refusal(caller);
    if (refused) return refused;
    this.#commit((now) => markDeleted(this.#store, this.#drafts, now));
    await this.#supervisor.driveAndWait();
    await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(null);
  }

  async needsContainer(sandboxId: string): Promise<boolean> {
    return this.#machine.isWanted() && this.#store.state.sandbox.id === sandboxId;
  }

  async reconcile(row: SessionRow): Promise<"right" | "wrong" | "unknown"> {
    if (!this.#store.exists()) return "unknown";
    await this.#doDue();
    this.#planAlarm();
    await this.#env.renew();
    if (!this.#store.exists()) return "unknown";
    let isRight = true;
    await this.#guard.attempt("reconcile", async () => {
      isRight = rowsEqual(toSessionRow(this.#store), row);
      if (!isRight) await this.#repairRow(row);
    });
    return isRight ? "right" : "wrong";
  }

  async egress(host: string): Promise<Egress> {
    const { env = {} } = this.#store.exists() ? this.#store.identity.config : {};
    const stored = egressOf(this.#store, host, env);
    if (stored.to !== "host") return stored;
    // Where no secret goes, none has to be read.
    if (stored.replacements.length === 0) return { to: "host", replacements: [] };
    try {
      return egressOf(this.#store, host, await this.#env.read());
    } catch (error) {
      log("egress.refused", { session: this.ctx.id.name, error: errorText(error) });
      return { to: "nowhere" };
    }
  }

  /** Opens a WebSocket that carries the session's events, or answers its program; see `SessionRpc`. */
  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname.startsWith("/model/")) return this.#answerProgram(request);
    const caller: Caller = JSON.parse(request.headers.get("x-rigger-caller") ?? "{}");
    const query = new URL(request.url).searchParams;
    const messageId = query.get("message");
    const refused = this.#refusal(caller) ?? this.#refuseUnknown(messageId);
    if (refused) return Response.json(refused.failure, { status: 404 });
    const after = Number(query.get("after") ?? 0);
    return this.#subscribers.join(this.#store, this.#drafts, { after, messageId });
  }

  /** A program may be the first to ask after a loss of the object: the work is taken up for it. */
  async #answerProgram(request: Request): Promise<Response> {
    if (!this.#store.exists()) return new Response(null, { status: 404 });
    this.#supervisor.drive();
    return this.#claudeCode.answer(request);
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
  }

  /** Does what is due. Never throws and is safe to run twice; a message is only started, never awaited. */
  override async alarm(): Promise<void> {
    this.#alarmAt = undefined;
    if (!this.#store.exists()) return this.#sweep();
    try {
      this.#breaker.countAlarm(Date.now());
      this.#stopRunaway(Date.now());
      this.#noteSurvival(Date.now());
    } catch (error) {
      this.#logFailure(error);
    }
    await this.#doDue();
    this.#planAlarm();
  }

  /**
   * Refuses whoever may not see this session, as if it did not exist. For whoever may, the session is
   * brought up to the present first: what the clock says is done, and lost work is taken up.
   */
  #refusal(caller: Caller): Refusal | undefined {
    const owned =
      this.#store.exists() && (this.#store.identity.owner === caller.owner || caller.admin);
    if (owned) this.#enforceDeadline();
    if (!owned || this.#store.state.removed)
      return refuse("not_found", "There is no such session.");
    if (hasDueSchedule(this.#store, Date.now()) && !schedulesWait(this.#store)) {
      this.ctx.waitUntil(this.#doDue());
    }
    this.#drive();
    return undefined;
  }

  #running(): string | null {
    return this.#store.exists() ? this.#store.state.running : null;
  }

  /** Takes up whatever is to be worked on. */
  #drive(): void {
    this.#supervisor.drive();
    this.#machine.drive();
  }

  #refuseUnknown(messageId: string | null): Refusal | undefined {
    if (messageId === null || this.#store.messages.get(messageId)) return undefined;
    return refuse("not_found", "There is no such message.");
  }

  async #repeatCreate(spec: SessionSpec): Promise<Result<SessionRow>> {
    if (this.#store.state.removed) return refuse("unavailable", "The session is being deleted.");
    const compared = await this.#env.requestHash().then((hash) => ok(hash), refusalOf);
    if (!compared.ok) return compared;
    if (!this.#store.exists()) return refuse("unavailable", "The session was deleted.");
    if (compared.value === spec.requestHash) return this.#listed();
    return refuse("idempotency_mismatch", "This Idempotency-Key was used with another body.", {
      sessionId: spec.id,
    });
  }

  /** Returns the session as it is now, answered once lists show it, the index being up. */
  async #listed(): Promise<Result<SessionRow>> {
    const row = toSessionRow(this.#store);
    if (!this.#isResting()) await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(row);
  }

  /** Runs a change as one transaction, shows its events and sets the alarm that the new state needs. */
  #commit<T>(change: (now: number) => T): T {
    const now = Date.now();
    const before = this.#running();
    const result = this.#store.transaction(() => change(now));
    const { running } = this.#store.state;
    if (running !== before) this.#started = running;
    this.#breaker.countRows(this.#store.takeWritten(), now);
    this.#planAlarm();
    this.#show();
    if (!this.#isResting()) this.#outbox.drainSoon();
    this.#machine.drive();
    this.#stopRunaway(now);
    return result;
  }

  /** Ends a session that does more than any has reason to. */
  #stopRunaway(now: number): void {
    const what = this.#breaker.tripped(now);
    if (what === null || isEnded(this.#store.state.lifecycle)) return;
    const error = {
      type: "api_error",
      message: `The session was stopped: ${what} within a minute.`,
    };
    this.#commit((now) => failSession(this.#store, error, this.#drafts, now));
    this.#supervisor.drive();
  }

  /** Sets the one alarm to what the state asks for. */
  #planAlarm(): void {
    if (!this.#store.exists()) return;
    const timing = timingOf(this.#store);
    const now = Date.now();
    const dueFrom = this.#guard.restsUntil("alarm", now);
    const at = nextAlarm(timing, now, this.#breaker.restUntil(now), dueFrom);
    if (keepsAlarm(this.#alarmAt, at, beats(timing))) return;
    this.#alarmAt = at;
    // Not awaited: the write belongs to the same transaction as what was just committed.
    if (at === null) this.ctx.storage.deleteAlarm();
    else this.ctx.storage.setAlarm(at);
  }

  /** Works on a message until it has ended by itself or was ended from outside. */
  async #work(messageId: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (!this.#mayRun(messageId)) {
      await this.#guard.attempt("give up", () => this.#giveUp(messageId));
      return;
    }
    // Whatever the message does to the runtime, the next object has to know that it ran.
    await this.ctx.storage.sync();
    await this.#snapshots.settled();
    if (signal.aborted) return;
    const store = this.#store;
    if (!model) return this.#endRunning(messageId, { ...FAILED, error: NO_MODEL_ERROR });
    await this.#env.renew();
    const env = await this.#env.read();
    if (signal.aborted) return;
    const ending =
      store.identity.config.runtime === "claude-code"
        ? await this.#claudeCode.runMessage(messageId, signal)
        : await runMessage(messageId, {
            store,
            commit: (change) => this.#commit(change),
            publish: (event) => this.#subscribers.showLive(event),
            model,
            sandbox: this.#machine.sandbox(),
            workspace: WORKSPACE,
            env: commandEnv(env),
            drafts: this.#drafts,
            signal,
          });
    if (ending) this.#endRunning(messageId, withoutSecrets(ending, env));
  }

  /** Returns whether a message may be run: one that this object has not started was lost, and is counted as such. */
  #mayRun(messageId: string): boolean {
    const isNew = this.#started === messageId;
    this.#started = null;
    if (isNew) return true;
    this.#takenUp = { messageId, at: Date.now() };
    return this.#commit(() => noteRestart(this.#store, messageId));
  }

  #giveUp(messageId: string): void {
    if (this.#running() !== messageId) return;
    const { restarts } = this.#store.recovery ?? {};
    log("message.given_up", { session: this.ctx.id.name, messageId, restarts });
    this.#commit((now) => {
      failLostMessage(this.#store, messageId, this.#drafts, now);
      startNext(this.#store, WORKSPACE, now);
    });
    this.#supervisor.drive();
  }

  /** A message that is at work long after it was taken up does not end its object at once. */
  #noteSurvival(now: number): void {
    const taken = this.#takenUp;
    if (taken === null || now - taken.at < SURVIVAL_MS) return;
    this.#takenUp = null;
    const { recovery } = this.#store;
    if (taken.messageId !== this.#running() || recovery === null) return;
    this.#commit(() => {
      this.#store.recovery = outlive(recovery);
    });
  }

  #fail(messageId: string, error: unknown): void {
    log("message.crashed", { session: this.ctx.id.name, messageId, error: errorText(error) });
    this.#endRunning(messageId, { ...FAILED, error: problemOf(error) ?? OUR_FAULT });
  }

  #endRunning(messageId: string, ending: Parameters<typeof endMessage>[2]): void {
    this.#commit((now) => {
      endMessage(this.#store, messageId, ending, this.#drafts, now);
      startNext(this.#store, WORKSPACE, now);
    });
    // At once: agents of the message may be about to go on.
    this.#supervisor.drive();
  }

  /**
   * Does what the clock says is due, and tells the index what it was to be told by now; unless that has ended the
   * object too often. Takes up work in any case. Never rejects.
   */
  async #doDue(): Promise<void> {
    try {
      const work = async () => {
        this.#enforceDeadlines();
        this.#drive();
        await this.#outbox.drainDue(Date.now());
      };
      if (this.#isAnythingDue(Date.now())) await this.#guard.attempt("alarm", work);
      if (this.#store.exists()) this.#drive();
    } catch (error) {
      this.#logFailure(error);
    }
  }

  #isAnythingDue(now: number): boolean {
    const timing = timingOf(this.#store);
    const isIndexDue = timing.outboxAt !== null && timing.outboxAt <= now;
    return isIndexDue || dueDeadline(timing, now) !== null || hasDueSchedule(this.#store, now);
  }

  /** Returns whether what the session does by itself has ended its object too often, and waits for now. */
  #isResting(): boolean {
    const now = Date.now();
    return this.#guard.restsUntil("alarm", now) > now;
  }

  #logFailure(error: unknown): void {
    log("alarm.failed", { session: this.ctx.id.name, error: errorText(error) });
  }

  /** Does what the clock says is due; what ends the session comes before what it was to do. */
  #enforceDeadlines(): void {
    this.#enforceDeadline();
    if (!hasDueSchedule(this.#store, Date.now())) return;
    this.#commit((now) => {
      runDueSchedules(this.#store, now);
      startNext(this.#store, WORKSPACE, now);
    });
    this.#supervisor.drive();
  }

  #enforceDeadline(): void {
    const due = dueDeadline(timingOf(this.#store), Date.now());
    if (!due) return;
    this.#commit((now) => applyDeadline(this.#store, due.because, this.#drafts, now));
    this.#supervisor.drive();
  }

  async #repairRow(row: SessionRow): Promise<void> {
    this.#commit((now) => {
      change(this.#store, {}, now);
      const { state } = this.#store;
      // The index takes no version that is not above its own, whatever that is.
      this.#store.state = { ...state, version: Math.max(state.version, row.version + 1) };
    });
    await this.#outbox.drain(INDEX_WAIT_MS);
  }

  /** Clears away what was left of a session that did not come to be. */
  async #sweep(): Promise<void> {
    if (!this.#restore.busy) return;
    if (await this.#guard.attempt("sweep", () => this.#restore.sweep())) return;
    await this.ctx.storage.setAlarm(this.#guard.restsUntil("sweep", Date.now()));
  }

  /** Leaves nothing behind. */
  async #erase(): Promise<void> {
    await this.#machine.erase();
    await this.#snapshots.removeAll();
    await this.ctx.storage.deleteAll();
    this.#store.forget();
    this.#alarmAt = undefined;
  }

  #markRead(): void {
    const before = this.#store.state.lifecycle;
    if (markRead(before, Date.now()) === before) return;
    this.#commit((now) => change(this.#store, { lifecycle: markRead(before, now) }, now));
  }

  /** Tells everybody concerned of events that were just committed. */
  #show(): void {
    for (const event of this.#store.log.take()) {
      this.#subscribers.show(event);
      const { type, messageId } = event;
      if (isMessageEnd(type) && messageId !== null) {
        this.#waiting.get(messageId)?.resolve();
        this.#waiting.delete(messageId);
        for (const [turnId, { scope }] of this.#drafts) {
          if (scope.messageId === messageId) this.#drafts.delete(turnId);
        }
        reportMessage(this.env.ANALYTICS, this.#store, messageId);
      }
      if (type === "usage.disputed") reportDispute(this.#store, event);
      if (isLastEvent(type)) reportEnd(this.env.ANALYTICS, this.#store);
    }
  }

  /** Resolves when a message that has not ended does. */
  #ended(messageId: string): Promise<void> {
    const waiting = this.#waiting.get(messageId) ?? Promise.withResolvers<void>();
    this.#waiting.set(messageId, waiting);
    return waiting.promise;
  }

  #row(messageId: string): MessageRow {
    const row = this.#store.messages.row(messageId);
    if (!row) throw new Error(`there is no message ${messageId}`);
    return row;
  }
}

const FAILED = { stopReason: "error" } as const;

const NO_MODEL_ERROR = {
  type: "unavailable_error",
  message: "No model is configured: set the secret ANTHROPIC_API_KEY.",
};
const NO_MODEL = refuse("unavailable", NO_MODEL_ERROR.message);

const OUR_FAULT = { type: "api_error", message: "The message failed by a fault of ours." };
