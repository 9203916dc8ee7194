import { DurableObject } from "cloudflare:workers";
import type { Draft } from "../agent/model";
import type { SessionRow } from "../db/schema";
import { putSession, removeSession } from "../db/sessions";
import { type Env, settings } from "../env";
import { isLastEvent, isMessageEnd, type LiveEvent } from "../events/event";
import { openSandbox } from "../sandbox/providers";
import type { Sandbox } from "../sandbox/sandbox";
import { atMost } from "./bounded";
import { change, endSession, setLifecycle } from "./changes";
import { dueDeadline, keepsAlarm, nextAlarm } from "./deadlines";
import { model, modelOf } from "./deployment";
import { type LoggedEvent, parseLogged } from "./event-log";
import { activate, expireIdle, isEnded, markRead, terminate } from "./lifecycle";
import { usedUp } from "./limits";
import { acceptMessage, cutMessage, endMessage, startNext } from "./messages";
import { Outbox } from "./outbox";
import type {
  Caller,
  EventPage,
  Failure,
  MessagePage,
  MessageRequest,
  MessageRow,
  Result,
  SessionPatch,
  SessionRpc,
  SessionSpec,
} from "./rpc";
import { carryOn } from "./runner";
import { newState, SessionStore } from "./store";
import { errorText, log, reportEnd, reportMessage } from "./telemetry";
import { timingOf, viewOf } from "./view";
import { broadcast, joinFrames, liveFrame, storedFrame, type Watch } from "./watching";

/** How long a call that others should see in lists waits for the index before it answers without it. */
const INDEX_WAIT_MS = 3_000;
/** How long an interrupt waits for what it stopped to be gone. */
const STOP_WAIT_MS = 5_000;
/** Restarts of a run without progress before its message fails. */
const MAX_RESTARTS = 5;

/** Whoever works on a message. */
interface Runner {
  messageId: string;
  controller: AbortController;
  done: Promise<void>;
}

const ok = <T>(value: T): Result<T> => ({ ok: true, value });
const refuse = (code: Failure["code"], message: string): { ok: false; failure: Failure } => ({
  ok: false,
  failure: { code, message },
});

/**
 * One session: the truth about it, and whoever works on it. Everything it knows is in its SQLite, so it
 * may vanish between any two lines; what is in memory is only whoever runs and whoever waits. An idle
 * session is rows on disk.
 */
export class Session extends DurableObject<Env> implements SessionRpc {
  readonly #store = new SessionStore(this.ctx.storage);
  readonly #drafts = new Map<string, Draft>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  #runner: Runner | null = null;
  #opened: Sandbox | null = null;
  readonly #outbox = new Outbox(this.#store, {
    put: (row) => putSession(this.env.DB, row),
    remove: async (row) => {
      await this.#sandbox().destroy();
      await removeSession(this.env.DB, row, Date.now());
    },
    forget: async () => {
      await this.ctx.storage.deleteAll();
      this.#store.forget();
      this.#opened = null;
      this.#alarmAt = undefined;
    },
    reschedule: () => this.#planAlarm(),
  });
  /** When the alarm is set to; undefined while that is not known. */
  #alarmAt: number | null | undefined;

  async create(caller: Caller, spec: SessionSpec): Promise<Result<SessionRow>> {
    if (this.#store.exists()) {
      if (this.#store.state.removed) return refuse("unavailable", "The session is being deleted.");
      if (this.#store.identity.requestHash === spec.requestHash) return ok(viewOf(this.#store));
      return refuse("idempotency_mismatch", "This Idempotency-Key was used with another body.");
    }
    const { limits, tags, description, userId, ...identity } = spec;
    this.#commit((now) => {
      const sessionId = `sdk_sess_${crypto.randomUUID()}`;
      this.#store.create(
        { ...identity, owner: caller.owner, sessionId, createdAt: now },
        { limits, tags, description, userId },
        newState(spec, now),
      );
      this.#store.log.append({ type: "session.created", pattern: spec.pattern }, {}, now);
      // The embedded sandbox needs no start.
      setLifecycle(this.#store, activate(this.#store.state.lifecycle, now), now);
    });
    await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(viewOf(this.#store));
  }

  async read(caller: Caller): Promise<Result<SessionRow>> {
    return this.#access(caller) ?? ok(viewOf(this.#store));
  }

  async update(caller: Caller, patch: SessionPatch): Promise<Result<SessionRow>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    this.#commit((now) => {
      const { tags, description, userId, ...limits } = patch;
      const before = this.#store.metadata;
      this.#store.metadata = {
        limits: { ...before.limits, ...limits },
        tags: tags ?? before.tags,
        description: description === undefined ? before.description : description,
        userId: userId === undefined ? before.userId : userId,
      };
      change(this.#store, {}, now);
      if (isEnded(this.#store.state.lifecycle)) return;
      this.#store.log.append({ type: "session.updated", changed: Object.keys(patch) }, {}, now);
      // A running message finds its limits by itself, in good order.
      const { running, balance, numTurns } = this.#store.state;
      const { spentNanos } = balance;
      const reason = usedUp({ spentNanos, numTurns }, this.#store.metadata.limits);
      if (running === null && reason) this.#end("terminated", reason, now);
    });
    await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(viewOf(this.#store));
  }

  async send(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    if (!model) {
      return refuse("unavailable", "No model is configured: set the secret ANTHROPIC_API_KEY.");
    }
    this.#enforceDeadlines();
    const accepted = this.#commit((now) => {
      const repeated = this.#store.messages.get(request.id) !== undefined;
      const accepted = acceptMessage(this.#store, request, now);
      if (accepted.ok && !repeated && request.onBusy === "interrupt") {
        cutMessage(this.#store, "interrupted", this.#drafts, modelOf, now);
      }
      startNext(this.#store, settings.AGENT_WORKSPACE, now);
      return accepted;
    });
    this.#drive();
    return accepted.ok ? ok(this.#row(request.id)) : accepted;
  }

  async ask(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    const sent = await this.send(caller, request);
    if (!sent.ok) return sent;
    await this.#ended(request.id);
    return this.message(caller, request.id);
  }

  async messages(
    caller: Caller,
    page: { after: number; limit: number },
  ): Promise<Result<MessagePage>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    const messages = this.#store.messages.rowsAfter(page.after, page.limit);
    if (messages.some((message) => message.endedAt !== null)) this.#markRead();
    const last = messages.at(-1)?.position ?? page.after;
    return ok({ messages, next: last < this.#store.messages.lastPosition() ? last : null });
  }

  async message(caller: Caller, messageId: string): Promise<Result<MessageRow>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    const message = this.#store.messages.row(messageId);
    if (!message) return refuse("not_found", `There is no message ${messageId} in this session.`);
    if (message.endedAt !== null) this.#markRead();
    return ok(message);
  }

  async events(caller: Caller, page: { after: number; limit: number }): Promise<Result<EventPage>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    const events = this.#store.log.after(page.after, page.limit).map(parseLogged);
    const last = events.at(-1)?.seq ?? page.after;
    return ok({ events, hasMore: last < this.#store.log.lastSeq() });
  }

  async interrupt(caller: Caller): Promise<Result<MessageRow | null>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    const messageId = this.#commit((now) => {
      const cut = cutMessage(this.#store, "interrupted", this.#drafts, modelOf, now);
      startNext(this.#store, settings.AGENT_WORKSPACE, now);
      return cut;
    });
    await this.#stopped();
    return ok(messageId === null ? null : this.#row(messageId));
  }

  async terminate(caller: Caller, reason: string): Promise<Result<SessionRow>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    this.#commit((now) => this.#end("terminated", reason, now));
    await this.#stopped();
    await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(viewOf(this.#store));
  }

  async remove(caller: Caller): Promise<Result<null>> {
    const denied = this.#access(caller);
    if (denied) return denied;
    this.#commit((now) => this.#forget(now));
    await this.#stopped();
    await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(null);
  }

  /** Opens a WebSocket that carries the session's events; see `SessionRpc`. */
  override async fetch(request: Request): Promise<Response> {
    const caller: Caller = JSON.parse(request.headers.get("x-rigger-caller") ?? "{}");
    const denied = this.#access(caller);
    if (denied) return Response.json(denied.failure, { status: 404 });
    const query = new URL(request.url).searchParams;
    const watch: Watch = { messageId: query.get("message") };
    if (watch.messageId !== null && !this.#store.messages.get(watch.messageId)) {
      const failure: Failure = { code: "not_found", message: "There is no such message." };
      return Response.json(failure, { status: 404 });
    }

    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(watch);
    const after = Number(query.get("after") ?? 0);
    const { frames, close } = joinFrames(this.#store, watch, after, this.#drafts);
    for (const frame of frames) server.send(frame);
    if (close) server.close(close.code, close.reason);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
  }

  /** Does what is due. Never throws and is safe to run twice; a message is only started, never awaited. */
  override async alarm(): Promise<void> {
    this.#alarmAt = undefined;
    if (!this.#store.exists()) return;
    try {
      this.#enforceDeadlines();
      this.#drive();
      await this.#outbox.drain();
    } catch (error) {
      log("alarm.failed", { session: this.#store.identity.id, error: errorText(error) });
    } finally {
      this.#planAlarm();
    }
  }

  /** Refuses whoever may not see this session, as if it did not exist; wakes it for whoever may. */
  #access(caller: Caller): { ok: false; failure: Failure } | undefined {
    const known = this.#store.exists() && !this.#store.state.removed;
    if (!known || (this.#store.identity.owner !== caller.owner && !caller.admin)) {
      return refuse("not_found", "There is no such session.");
    }
    this.#drive();
    return undefined;
  }

  /** Runs a change as one transaction, shows its events and sets the alarm that the new state needs. */
  #commit<T>(change: (now: number) => T): T {
    const now = Date.now();
    const result = this.#store.transaction(() => change(now));
    this.#planAlarm();
    this.#show(this.#store.log.take());
    this.#outbox.drainSoon();
    return result;
  }

  /** Sets the one alarm to what the state asks for. */
  #planAlarm(): void {
    if (!this.#store.exists()) return;
    const timing = timingOf(this.#store);
    const at = nextAlarm(timing, Date.now());
    if (keepsAlarm(this.#alarmAt, at, timing.busy)) return;
    this.#alarmAt = at;
    // Not awaited: the write belongs to the same transaction as what was just committed.
    if (at === null) this.ctx.storage.deleteAlarm();
    else this.ctx.storage.setAlarm(at);
  }

  /**
   * Sees to it that the running message, and no other, has a runner: the one that had it may have been
   * lost, and one whose message was ended from outside is stopped.
   */
  #drive(): void {
    const messageId = this.#store.state.running;
    if (this.#runner?.messageId === messageId) return;
    this.#runner?.controller.abort();
    this.#runner = null;
    this.#drafts.clear();
    if (messageId === null) return;
    const controller = new AbortController();
    const runner = { messageId, controller, done: this.#run(messageId, controller.signal) };
    this.#runner = runner;
    this.ctx.waitUntil(
      runner.done.finally(() => {
        if (this.#runner === runner) this.#runner = null;
        if (this.#store.exists()) this.#drive();
      }),
    );
  }

  /** Runs a message to its end. Never rejects. */
  async #run(messageId: string, signal: AbortSignal): Promise<void> {
    const store = this.#store;
    try {
      const run = store.journal.run(messageId);
      if (!run || !model) return;
      const restarts = this.#commit(() => {
        store.journal.saveRestarts(run.id, run.restarts + 1);
        return run.restarts;
      });
      const ending =
        restarts > MAX_RESTARTS
          ? { stopReason: "error" as const, error: LOST_TOO_OFTEN }
          : await carryOn(run, {
              store,
              commit: (change) => this.#commit(change),
              publish: (event) => this.#publish(event),
              model,
              priced: () => modelOf(store.identity.config.model),
              modelOf,
              sandbox: this.#sandbox(),
              workspace: settings.AGENT_WORKSPACE,
              drafts: this.#drafts,
              signal,
            });
      if (ending) this.#endRunning(messageId, ending);
    } catch (error) {
      log("message.crashed", { session: store.identity.id, messageId, error: errorText(error) });
      const failure = { type: "api_error", message: "The message failed by a fault of ours." };
      this.#endRunning(messageId, { stopReason: "error", error: failure });
    }
  }

  #endRunning(messageId: string, ending: Parameters<typeof endMessage>[2]): void {
    this.#commit((now) => {
      endMessage(this.#store, messageId, ending, now);
      startNext(this.#store, settings.AGENT_WORKSPACE, now);
    });
  }

  /** Waits, within a bound, until what was ended from outside is gone. */
  async #stopped(): Promise<void> {
    const runner = this.#runner;
    this.#drive();
    if (runner && runner !== this.#runner) {
      await atMost(runner.done, STOP_WAIT_MS);
    }
  }

  /** Does what the clock says is due. */
  #enforceDeadlines(): void {
    const due = dueDeadline(timingOf(this.#store), Date.now());
    if (!due) return;
    this.#commit((now) => {
      switch (due.because) {
        case "cleanup":
          return this.#forget(now);
        case "lifetime_limit":
          return this.#end("lifetime_limit", "lifetime_limit", now);
        case "idle_timeout": {
          const { lifecycle } = this.#store.state;
          const context = { pattern: this.#store.identity.pattern, unread: false };
          return setLifecycle(this.#store, expireIdle(lifecycle, context, now), now);
        }
      }
    });
    this.#drive();
  }

  /** Ends the session, its running message first. */
  #end(stopReason: "terminated" | "lifetime_limit", reason: string, now: number): void {
    cutMessage(this.#store, stopReason, this.#drafts, modelOf, now);
    const context = { pattern: this.#store.identity.pattern, unread: false };
    endSession(this.#store, terminate(this.#store.state.lifecycle, reason, context, now), now);
  }

  /** Ends the session if need be and marks it to be forgotten as soon as the index knows. */
  #forget(now: number): void {
    this.#end("terminated", "deleted", now);
    change(this.#store, { removed: true }, now);
  }

  #markRead(): void {
    const before = this.#store.state.lifecycle;
    if (markRead(before, Date.now()) === before) return;
    this.#commit((now) => change(this.#store, { lifecycle: markRead(before, now) }, now));
  }

  /** Tells everybody concerned of events that were just committed. */
  #show(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      broadcast(this.ctx.getWebSockets(), event, storedFrame(event));
      if (isMessageEnd(event.type) && event.messageId !== null) {
        this.#waiting.get(event.messageId)?.resolve();
        this.#waiting.delete(event.messageId);
        reportMessage(this.env.ANALYTICS, this.#store, event.messageId);
      }
      if (isLastEvent(event.type)) reportEnd(this.env.ANALYTICS, this.#store);
    }
  }

  #publish(event: LiveEvent): void {
    const sockets = this.ctx.getWebSockets();
    if (sockets.length === 0) return;
    const { type, messageId = null } = event;
    broadcast(sockets, { type, messageId }, liveFrame(event));
  }

  /** Resolves when a message has ended. */
  async #ended(messageId: string): Promise<void> {
    if (this.#row(messageId).endedAt !== null) return;
    const waiting = this.#waiting.get(messageId) ?? Promise.withResolvers<void>();
    this.#waiting.set(messageId, waiting);
    await waiting.promise;
  }

  #row(messageId: string): MessageRow {
    const row = this.#store.messages.row(messageId);
    if (!row) throw new Error(`there is no message ${messageId}`);
    return row;
  }

  /** The session's sandbox; one stub, since calls keep their order on one only. */
  #sandbox(): Sandbox {
    const options = { workspace: settings.AGENT_WORKSPACE };
    this.#opened ??= openSandbox(this.env, this.#store.state.sandbox, options);
    return this.#opened;
  }
}

const LOST_TOO_OFTEN = {
  type: "unavailable_error",
  message: "The message was interrupted by restarts too often without getting any further.",
};
