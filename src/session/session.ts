import { DurableObject } from "cloudflare:workers";
import type { Actor } from "../account/audit";
import { concernSessions } from "../account/limits";
import { failed } from "../agent/tools/result";
import type { SessionRow } from "../db/schema";
import { indexedForm } from "../db/sessions";
import { isMessageEnd } from "../events/event";
import type { Egress } from "../sandbox/egress";
import type { Condition, FilePage, FileWritten, PageOfFiles } from "../sandbox/files";
import { type Grant, grantOf } from "../sandbox/transfers";
import { defaultLimits } from "../settings";
import { equalSecrets } from "../shared/bytes";
import { type Caller, ok, type Refusal, type Result, refuse } from "../shared/result";
import { settledWithin } from "../shared/timeout";
import { AccountLink } from "./account-link";
import { ArtifactBucket } from "./artifact-bucket";
import { AuditOutbox } from "./audit-outbox";
import { Breaker } from "./breaker";
import { ClaudeCode } from "./claude-code/claude-code";
import { Clock } from "./clock";
import { findEgress } from "./container/egress";
import { ContainerLifecycle } from "./container/lifecycle";
import type { SessionContext } from "./context";
import { CrashGuard } from "./crash-guard";
import { create } from "./creation";
import { indexOf, model } from "./deployment";
import { SessionFiles } from "./files";
import { answerProgram } from "./mcp/answer";
import { McpServers } from "./mcp/servers";
import { MessageWorker, NO_MODEL } from "./message-worker";
import { Outbox } from "./outbox";
import { Publisher } from "./publisher";
import type {
  ApprovalPage,
  ApprovalRow,
  ApprovalStatus,
  ArtifactPage,
  ArtifactPageRequest,
  ArtifactRow,
  Decision,
  EventPage,
  FilePart,
  GivenResult,
  MachineNeed,
  McpOauth,
  McpServerRow,
  MessagePage,
  MessageRequest,
  MessageRow,
  OpenedFile,
  PageRequest,
  PreviewRequest,
  PreviewRow,
  PreviewTarget,
  ScheduleRequest,
  ScheduleRow,
  SessionExtent,
  SessionPatch,
  SessionRpc,
  SessionSpec,
  ShareRequest,
  ShareRow,
  SnapshotRow,
  TakenResults,
  ToolRequestRow,
} from "./rpc";
import { isEnded, markRead } from "./rules/lifecycle";
import { SessionEnv } from "./session-env";
import { SessionRestore } from "./snapshots/restore-session";
import { Snapshots } from "./snapshots/snapshots";
import { parseLogged } from "./storage/event-log";
import { SessionStore } from "./storage/store";
import { Subscribers } from "./subscribers";
import { reportEvent } from "./telemetry";
import { TraceOutbox } from "./trace-outbox";
import { approvalPage, resolveApproval } from "./transactions/approvals";
import { artifactPage, artifactRow, mayPublish } from "./transactions/artifacts";
import { auditEnd } from "./transactions/audit";
import { toolsOfProcess } from "./transactions/claude-code";
import { mcpServerRow } from "./transactions/mcp";
import { acceptMessage, interruptMessage, joinedBy, refusalOf } from "./transactions/messages";
import { addPreview, openPreview, previewRows, removePreview } from "./transactions/previews";
import {
  addSchedule,
  removeSchedule,
  scheduleRows,
  updateSchedule,
} from "./transactions/schedules";
import {
  discardWorkspace,
  failSession,
  markDeleted,
  terminateSession,
  updateSession,
} from "./transactions/session";
import { rowsEqual, toSessionRow } from "./transactions/session-row";
import { addShare, isShareOpen, openShare, removeShare, shareRows } from "./transactions/shares";
import { change } from "./transactions/state";
import { takeResults, toolRequests } from "./transactions/tool-results";
import type { OpenReply } from "./transactions/turns";
import { waitIfBlocked } from "./transactions/waiting";
import { WebhookOutbox } from "./webhook-outbox";

/** Whether the settings limit every owner. */
const IS_LIMITED = concernSessions(defaultLimits);

/** How long a call whose change should appear in lists waits for the index, in ms. After that it returns anyway. */
const INDEX_WAIT_MS = 3_000;

/**
 * The Durable Object of one session, and the source of truth about it. All data is in its SQLite, so the object may be
 * lost at any time. Only running work and calls that wait for it are in memory. An idle session consists of rows on
 * disk.
 *
 * The class answers calls and commits changes. `transactions` defines the changes. The parts that it creates do the
 * work between changes. Its calls are described in `SessionRpc`.
 */
export class Session extends DurableObject<Env> implements SessionRpc {
  readonly #store = new SessionStore(this.ctx.storage);
  readonly #drafts = new Map<string, OpenReply>();
  readonly #context: SessionContext = {
    id: this.ctx.id.name,
    env: this.env,
    storage: this.ctx.storage,
    store: this.#store,
    drafts: this.#drafts,
    commit: (change) => this.#commit(change),
    publish: (event) => this.#subscribers.showLive(event),
    waitUntil: (work) => this.ctx.waitUntil(work),
    sandbox: () => this.#container.sandbox(),
    lend: (needNanos, signal, use) => this.#account.lend(needNanos, signal, use),
  };
  readonly #breaker = new Breaker(this.ctx.storage.kv);
  readonly #guard = new CrashGuard(this.ctx.storage, this.ctx.id.name);
  readonly #subscribers = new Subscribers(this.ctx);
  readonly #account = new AccountLink(this.#context, {
    reschedule: () => this.#clock.planAlarm(),
  });
  readonly #audits = new AuditOutbox(this.#context, {
    reschedule: () => this.#clock.planAlarm(),
  });
  readonly #webhooks = new WebhookOutbox(this.#context, {
    reschedule: () => this.#clock.planAlarm(),
  });
  readonly #traces = new TraceOutbox(this.#context, {
    reschedule: () => this.#clock.planAlarm(),
  });
  readonly #sessionEnv = new SessionEnv(this.#context);
  readonly #container = new ContainerLifecycle(this.#context, this.#sessionEnv);
  readonly #snapshots = new Snapshots(this.#context, this.#sessionEnv);
  readonly #files = new SessionFiles(this.#context);
  readonly #restore = new SessionRestore(this.#context);
  readonly #mcp = new McpServers(this.#context);
  readonly #claudeCode = new ClaudeCode(this.#context, this.#sessionEnv);
  readonly #worker = new MessageWorker(this.#context, {
    sessionEnv: this.#sessionEnv,
    guard: this.#guard,
    snapshots: this.#snapshots,
    publisher: new Publisher(this.#context),
    claudeCode: this.#claudeCode,
    mcp: this.#mcp,
  });
  readonly #outbox = new Outbox(this.#store, {
    put: async (row) => {
      const { isLimited, webhooks } = await indexOf(this.env).put(row);
      if (isLimited || IS_LIMITED) this.#account.enrol();
      await this.#webhooks.learn(webhooks);
    },
    remove: async (row) => {
      const { webhooks } = await indexOf(this.env).remove(row, Date.now());
      await this.#webhooks.learn(webhooks);
    },
    forget: () => this.#erase(),
    reschedule: () => this.#clock.planAlarm(),
  });
  readonly #clock = new Clock(this.#context, {
    breaker: this.#breaker,
    guard: this.#guard,
    outbox: this.#outbox,
    account: this.#account,
    audits: this.#audits,
    webhooks: this.#webhooks,
    traces: this.#traces,
    drive: () => this.#drive(),
  });

  async create(caller: Caller, spec: SessionSpec): Promise<Result<SessionRow>> {
    const deps = {
      ...{ sessionEnv: this.#sessionEnv, restore: this.#restore },
      account: this.#account,
    };
    const created = await create(caller, spec, this.#context, deps);
    return created.ok ? this.#rowOnceIndexed() : created;
  }

  async read(caller: Caller): Promise<Result<SessionRow>> {
    return this.#enter(caller, () => ok(toSessionRow(this.#store)));
  }

  async extent(caller: Caller): Promise<Result<SessionExtent>> {
    return this.#enter(caller, () => {
      const { messages, log } = this.#store;
      const row = toSessionRow(this.#store);
      return ok({ row, lastPosition: messages.lastPosition(), lastSeq: log.lastSeq() });
    });
  }

  async update(caller: Caller, patch: SessionPatch): Promise<Result<SessionRow>> {
    return this.#enter(caller, () => {
      this.#commit((now) => updateSession(this.#store, patch, this.#drafts, now));
      return this.#rowOnceIndexed();
    });
  }

  async send(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    return this.#accept(caller, request, () => ok(this.#answer(request.id)));
  }

  async ask(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>> {
    const accepted = await this.#accept(caller, request, () => ok(this.#answer(request.id)));
    if (!accepted.ok || accepted.value.steerId !== undefined) return accepted;
    // Read again: the breaker may have ended it since.
    const message = this.#store.messages.get(request.id);
    if (message?.endedAt === null && !this.#waits()) {
      await this.#subscribers.messageEnd(request.id);
    }
    return this.message(caller, request.id);
  }

  async stream(
    caller: Caller,
    request: MessageRequest,
    after: number,
  ): Promise<Result<ReadableStream>> {
    return this.#accept(caller, request, () => {
      const wanted = { ...this.#streamed(request.id, after), share: caller.share };
      return ok(this.#subscribers.read(this.#store, this.#drafts, wanted));
    });
  }

  async messages(caller: Caller, page: PageRequest): Promise<Result<MessagePage>> {
    return this.#enter(caller, () => {
      const { after, limit, maxCharacters } = page;
      const messages = this.#store.messages.rowsAfter(after, limit, maxCharacters);
      const isRead = !page.leavesUnread && messages.some(({ endedAt }) => endedAt !== null);
      if (isRead) this.#markRead(caller);
      const last = messages.at(-1)?.position ?? page.after;
      return ok({ messages, next: last < this.#store.messages.lastPosition() ? last : null });
    });
  }

  async message(
    caller: Caller,
    messageId: string,
    { waitMs = 0, leavesUnread = false } = {},
  ): Promise<Result<MessageRow>> {
    return this.#enter(caller, async () => {
      const message = this.#store.messages.row(messageId);
      if (!message) {
        return refuse("not_found", `There is no message ${messageId} in this session.`);
      }
      if (message.endedAt !== null && !leavesUnread) this.#markRead(caller);
      if (message.endedAt !== null || waitMs === 0 || this.#waits()) return ok(message);
      await settledWithin(this.#subscribers.messageEnd(messageId), waitMs);
      return this.message(caller, messageId, { leavesUnread });
    });
  }

  async events(caller: Caller, page: PageRequest): Promise<Result<EventPage>> {
    return this.#enter(caller, () => {
      const { after, limit, maxCharacters } = page;
      const events = this.#store.log.page(after, limit, maxCharacters).map(parseLogged);
      const last = events.at(-1)?.seq ?? page.after;
      return ok({ events, hasMore: last < this.#store.log.lastSeq() });
    });
  }

  async approvals(
    caller: Caller,
    page: PageRequest & { status: ApprovalStatus | null },
  ): Promise<Result<ApprovalPage>> {
    return this.#enter(caller, () => ok(approvalPage(this.#store, page)));
  }

  async resolveApproval(
    caller: Caller,
    approvalId: string,
    decision: Decision,
    by: Actor,
  ): Promise<Result<ApprovalRow>> {
    const { owner, via, keyId } = by;
    return this.#enter(caller, () =>
      this.#commit((now) =>
        resolveApproval(this.#store, approvalId, decision, { owner, via, keyId }, now),
      ),
    );
  }

  async toolRequests(caller: Caller): Promise<Result<ToolRequestRow[]>> {
    return this.#enter(caller, () => ok(toolRequests(this.#store)));
  }

  async answerTools(caller: Caller, results: GivenResult[]): Promise<Result<TakenResults>> {
    return this.#enter(caller, () => this.#commit((now) => takeResults(this.#store, results, now)));
  }

  async interrupt(caller: Caller): Promise<Result<MessageRow | null>> {
    return this.#enter(caller, async () => {
      const messageId = this.#commit((now) => interruptMessage(this.#store, this.#drafts, now));
      const message = messageId === null ? null : this.#row(messageId);
      await this.#worker.stopped();
      return ok(message);
    });
  }

  async terminate(
    caller: Caller,
    reason: string,
    options: { discardWorkspace?: boolean; by?: Actor } = {},
  ): Promise<Result<SessionRow>> {
    return this.#enter(caller, async () => {
      this.#commit((now) => {
        const { lifecycle } = this.#store.state;
        if (!isEnded(lifecycle)) auditEnd(this.#store, "session.terminated", options.by, now);
        terminateSession(this.#store, "terminated", reason, this.#drafts, now);
        if (options.discardWorkspace) discardWorkspace(this.#store, now);
      });
      const ended = this.#rowOnceIndexed();
      await this.#worker.stopped();
      return ended;
    });
  }

  async addSchedule(caller: Caller, request: ScheduleRequest): Promise<Result<ScheduleRow>> {
    return this.#enter(caller, () => this.#commit((now) => addSchedule(this.#store, request, now)));
  }

  async schedules(caller: Caller): Promise<Result<ScheduleRow[]>> {
    return this.#enter(caller, () => ok(scheduleRows(this.#store)));
  }

  async updateSchedule(
    caller: Caller,
    scheduleId: string,
    patch: { paused: boolean },
  ): Promise<Result<ScheduleRow>> {
    return this.#enter(caller, () =>
      this.#commit((now) => updateSchedule(this.#store, scheduleId, patch, now)),
    );
  }

  async removeSchedule(caller: Caller, scheduleId: string): Promise<Result<null>> {
    return this.#enter(caller, () =>
      this.#commit((now) => removeSchedule(this.#store, scheduleId, now)),
    );
  }

  async addShare(caller: Caller, request: ShareRequest, by?: Actor): Promise<Result<ShareRow>> {
    return this.#enter(caller, () =>
      this.#commit((now) => addShare(this.#store, request, by, now)),
    );
  }

  async shares(caller: Caller): Promise<Result<ShareRow[]>> {
    return this.#enter(caller, () => ok(shareRows(this.#store, Date.now())));
  }

  async removeShare(caller: Caller, shareId: string, by?: Actor): Promise<Result<null>> {
    return this.#enter(caller, () => {
      this.#commit((now) => removeShare(this.#store, shareId, by, now));
      this.#subscribers.cutOff(shareId);
      return ok(null);
    });
  }

  async share(hash: string): Promise<{ owner: string; share: ShareRow } | null> {
    if (this.#isRemoved()) return null;
    const share = openShare(this.#store, hash, Date.now());
    return share && { owner: this.#store.identity.owner, share };
  }

  async artifacts(caller: Caller, page: ArtifactPageRequest): Promise<Result<ArtifactPage>> {
    return this.#enter(caller, () => ok(artifactPage(this.#store, page)));
  }

  async artifact(caller: Caller, artifactId: string): Promise<Result<ArtifactRow>> {
    return this.#enter(caller, () => {
      const artifact = this.#store.artifacts.get(artifactId);
      if (!artifact) return refuse("not_found", "There is no such artifact.");
      return ok(artifactRow(this.#store, artifact));
    });
  }

  async mcpServers(caller: Caller): Promise<Result<McpServerRow[]>> {
    return this.#enter(caller, () => ok(this.#store.mcpServers.every().map(mcpServerRow)));
  }

  async authorizeMcpServer(
    caller: Caller,
    name: string,
    oauth: McpOauth,
  ): Promise<Result<McpServerRow>> {
    return this.#enter(caller, () => this.#mcp.authorize(name, oauth));
  }

  async addPreview(caller: Caller, request: PreviewRequest): Promise<Result<PreviewRow>> {
    return this.#enter(caller, () => this.#commit((now) => addPreview(this.#store, request, now)));
  }

  async previews(caller: Caller): Promise<Result<PreviewRow[]>> {
    return this.#enter(caller, () => ok(previewRows(this.#store, Date.now())));
  }

  async removePreview(caller: Caller, previewId: string): Promise<Result<null>> {
    return this.#enter(caller, () => {
      this.#commit((now) => removePreview(this.#store, previewId, now));
      return ok(null);
    });
  }

  async preview(hash: string, isAgain = false): Promise<PreviewTarget | null> {
    if (this.#isRemoved()) return null;
    const preview = openPreview(this.#store, hash, Date.now());
    return preview && { ...preview, reached: await this.#container.reach(preview.port, isAgain) };
  }

  async snapshot(caller: Caller): Promise<Result<SnapshotRow>> {
    return this.#enter(caller, () => this.#snapshots.take());
  }

  async snapshots(caller: Caller): Promise<Result<SnapshotRow[]>> {
    return this.#enter(caller, () => ok(this.#snapshots.list(Date.now())));
  }

  async listFiles(caller: Caller, path: string, page: PageOfFiles): Promise<Result<FilePage>> {
    return this.#enter(caller, () => this.#files.list(path, page));
  }

  async openFile(caller: Caller, path: string, part: FilePart | null): Promise<Result<OpenedFile>> {
    return this.#enter(caller, () => this.#files.open(path, part));
  }

  async archiveFiles(caller: Caller, path: string): Promise<Result<ReadableStream<Uint8Array>>> {
    return this.#enter(caller, () => this.#files.archive(path));
  }

  async putFile(
    caller: Caller,
    path: string,
    content: ReadableStream<Uint8Array>,
    condition: Condition,
  ): Promise<Result<FileWritten>> {
    const upload = this.#files.upload(content);
    const put = await this.#enter(caller, () => this.#files.put(path, upload, condition));
    if (!put.ok) await upload.discardRest();
    return put;
  }

  async removeFile(
    caller: Caller,
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<Result<null>> {
    return this.#enter(caller, () => this.#files.remove(path, options));
  }

  async copyTo(caller: Caller, key: string): Promise<Result<null>> {
    return this.#enter(caller, () => this.#snapshots.copyTo(key));
  }

  async remove(caller: Caller, by?: Actor): Promise<Result<null>> {
    return this.#enter(caller, async () => {
      this.#commit((now) => {
        auditEnd(this.#store, "session.deleted", by, now);
        markDeleted(this.#store, this.#drafts, now);
      });
      await this.#worker.stopped();
      await this.#outbox.drain(INDEX_WAIT_MS);
      return ok(null);
    });
  }

  async needsContainer(sandboxId: string): Promise<boolean> {
    return this.#container.isWanted() && this.#store.state.sandbox.id === sandboxId;
  }

  async needsMachine(machineId: string): Promise<MachineNeed> {
    return this.#container.needOf(machineId);
  }

  async reportToAccount(): Promise<boolean> {
    if (!this.#store.exists()) return false;
    return this.#account.reportNow();
  }

  async ownsMachine(token: string): Promise<boolean> {
    if (!this.#store.exists() || this.#isRemoved()) return false;
    const { machineToken } = this.#store.identity;
    return machineToken !== undefined && (await equalSecrets(token, machineToken));
  }

  async reconcile(row: SessionRow): Promise<"right" | "wrong" | "removed" | "unknown"> {
    if (!this.#store.exists()) return "unknown";
    // An alarm may have been lost.
    await this.#clock.doDue();
    this.#clock.planAlarm();
    if (this.#isRemoved()) {
      await this.#guard.attempt("reconcile", () => this.#outbox.drain(INDEX_WAIT_MS));
      return "removed";
    }
    await this.#sessionEnv.reencrypt();
    if (this.#store.exists() && this.#store.identity.hasMcpServers) await this.#mcp.reencrypt();
    if (this.#isRemoved()) return "removed";
    let isRight = true;
    await this.#guard.attempt("reconcile", async () => {
      isRight = rowsEqual(indexedForm(toSessionRow(this.#store)), row);
      if (!isRight) await this.#repairRow(row);
    });
    return isRight ? "right" : "wrong";
  }

  async egress(host: string): Promise<Egress> {
    return findEgress(this.#store, host, () => this.#sessionEnv.read());
  }

  async prepareStop(container: string, isFinal: boolean): Promise<boolean> {
    return this.#container.prepareStop(container, isFinal);
  }

  async transfer(token: string, bytes: number): Promise<Grant | null> {
    return grantOf(token, bytes);
  }

  /** Opens a WebSocket that carries the session's events, or answers Claude Code. See `SessionRpc`. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (/^\/(model|mcp)\//.test(pathname)) return this.#answerProcess(request);
    const caller: Caller = JSON.parse(request.headers.get("x-rigger-caller") ?? "{}");
    const query = new URL(request.url).searchParams;
    const messageId = query.get("message");
    const after = Number(query.get("after") ?? 0);
    const joined = await this.#enter(caller, () => {
      if (messageId !== null && !this.#store.messages.get(messageId)) {
        return refuse("not_found", "There is no such message.");
      }
      const what = messageId === null ? { after, messageId } : this.#streamed(messageId, after);
      const wanted = { ...what, share: caller.share };
      return ok(this.#subscribers.join(this.#store, this.#drafts, wanted));
    });
    return joined.ok ? joined.value : Response.json(joined.failure, { status: 404 });
  }

  /**
   * Answers a request of Claude Code. It may be the first call after a loss of the object, so its message is resumed
   * first.
   */
  async #answerProcess(request: Request): Promise<Response> {
    if (!this.#store.exists()) return new Response(null, { status: 404 });
    this.#worker.drive();
    if (new URL(request.url).pathname.startsWith("/model/"))
      return this.#claudeCode.answer(request);
    return answerProgram(request, {
      tools: (server) => toolsOfProcess(this.#store, server),
      call: async (name, input, signal) => {
        const admitted = await this.#claudeCode.admit(name, input);
        if ("refused" in admitted) return failed(admitted.refused);
        const both = AbortSignal.any([signal, admitted.signal]);
        return this.#mcp.call({ name, input, interrupted: false }, both);
      },
    });
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
  }

  /** Runs what is due. Never throws. Idempotent. Messages are started but not awaited. */
  override async alarm(): Promise<void> {
    this.#clock.forgetAlarm();
    if (!this.#store.exists()) return this.#sweep();
    try {
      this.#breaker.countAlarm(Date.now());
      this.#stopRunaway(Date.now());
      this.#worker.noteSurvival(Date.now());
    } catch (error) {
      this.#clock.logFailure(error);
    }
    await this.#clock.doDue();
    this.#clock.planAlarm();
  }

  /**
   * Brings the session up to date and runs `act` for a caller. Returns `not_found` if the session does not exist or the
   * caller may not access it.
   */
  async #enter<T>(caller: Caller, act: () => Result<T> | Promise<Result<T>>): Promise<Result<T>> {
    if (!this.#isVisibleTo(caller)) return NO_SESSION;
    this.#clock.catchUp();
    return this.#store.state.removed ? NO_SESSION : act();
  }

  #isVisibleTo({ owner, admin, share }: Caller): boolean {
    if (!this.#store.exists()) return false;
    if (share !== undefined && !isShareOpen(this.#store, share, Date.now())) return false;
    return this.#store.identity.owner === owner || admin;
  }

  #isRemoved(): boolean {
    return !this.#store.exists() || this.#store.state.removed;
  }

  /** Accepts a message and returns what `then` returns. Asks the owner's account first, if the session has to. */
  #accept<T>(
    caller: Caller,
    request: MessageRequest,
    then: () => Result<T>,
    isAdmitted = false,
  ): Promise<Result<T>> {
    return this.#enter(caller, async () => {
      if (!model) return refuse("unavailable", NO_MODEL.message);
      const isNew = !isAdmitted && !refusalOf(this.#store, request);
      const asked = isNew ? this.#account.admit(request.id) : undefined;
      // Meanwhile the session may have changed, so it is entered again.
      if (asked) return (await asked) ?? this.#accept(caller, request, then, true);
      const accepted = this.#commit((now) =>
        acceptMessage(this.#store, request, this.#drafts, now),
      );
      return accepted.ok ? then() : accepted;
    });
  }

  /** Returns whether the session waits for somebody: then no message ends by itself. */
  #waits(): boolean {
    const { waiting, pausedBecause } = this.#store.state;
    return waiting !== undefined || pausedBecause !== undefined;
  }

  /** Starts and stops work on the message and the container, as the session's state requires. */
  #drive(): void {
    this.#worker.drive();
    this.#container.drive();
    this.#account.drive();
    this.#audits.drive();
    this.#webhooks.drive();
    this.#traces.drive();
  }

  /** Returns the session's current row after the index has it, or after `INDEX_WAIT_MS`. */
  async #rowOnceIndexed(): Promise<Result<SessionRow>> {
    const row = toSessionRow(this.#store);
    if (!this.#clock.isPaused()) await this.#outbox.drain(INDEX_WAIT_MS);
    return ok(row);
  }

  /** Commits a change; see `SessionContext`. All writes of the session's state go through it. */
  #commit<T>(change: (now: number) => T): T {
    const now = Date.now();
    const before = this.#worker.running();
    const result = this.#store.transaction(() => {
      const changed = change(now);
      if (this.#store.exists()) waitIfBlocked(this.#store, now);
      return changed;
    });
    const { running } = this.#store.state;
    // Before any work begins: a message that the worker does not know of counts as restarted.
    if (running !== before) this.#worker.noteRunning(running);
    this.#breaker.countRows(this.#store.takeWritten(), now);
    // Without a pause after the transaction: the alarm is written together with it.
    this.#clock.planAlarm();
    this.#publish();
    if (!this.#clock.isPaused()) this.#outbox.drainSoon();
    this.#drive();
    this.#stopRunaway(now);
    return result;
  }

  /**
   * Fails the session if it writes or wakes too often (see `Breaker`). Commits, and so calls itself once more; an ended
   * session is left alone.
   */
  #stopRunaway(now: number): void {
    const what = this.#breaker.tripped(now);
    if (what === null || isEnded(this.#store.state.lifecycle)) return;
    const message = `The session was stopped: ${what} within a minute.`;
    this.#commit((now) =>
      failSession(this.#store, { type: "api_error", message }, this.#drafts, now),
    );
  }

  /** Publishes the events that were just committed. */
  #publish(): void {
    for (const event of this.#store.log.take()) {
      this.#subscribers.show(event);
      const { type, messageId } = event;
      if (this.#mayDecide(type)) this.#worker.noteDecision();
      if (type === "message.received" && messageId !== null && joinedBy(this.#store, messageId)) {
        this.#worker.noteDecision();
      }
      if ((isMessageEnd(type) || type === "message.waiting") && messageId !== null) {
        // What arrived of its replies is stored by now.
        for (const [turnId, { scope }] of this.#drafts) {
          if (scope.messageId === messageId) this.#drafts.delete(turnId);
        }
      }
      reportEvent(this.env.ANALYTICS, this.#store, event);
    }
  }

  /** Returns whether an event of a type may let a call or a run go on that waits for somebody. */
  #mayDecide(type: string): boolean {
    if (type === "approval.resolved" || type === "session.updated") return true;
    return type === "tool.completed" && this.#store.identity.config.clientTools !== undefined;
  }

  async #repairRow(row: SessionRow): Promise<void> {
    this.#commit((now) => {
      // Queues the row for the index, with a new version.
      change(this.#store, {}, now);
      const { state } = this.#store;
      // The index only accepts a version greater than its own.
      this.#store.state = { ...state, version: Math.max(state.version, row.version + 1) };
    });
    await this.#outbox.drain(INDEX_WAIT_MS);
  }

  /** Removes what a creation that did not complete left behind. If that fails too often, sets an alarm for later. */
  async #sweep(): Promise<void> {
    if (!this.#restore.busy) return;
    if (await this.#guard.attempt("sweep", () => this.#restore.sweep())) return;
    await this.ctx.storage.setAlarm(this.#guard.pausedUntil("sweep", Date.now()));
  }

  /** Deletes everything of the session, including its container, snapshots and artifacts. */
  async #erase(): Promise<void> {
    await this.#audits.finish();
    await this.#webhooks.finish();
    await this.#traces.finish();
    await this.#account.finish();
    await this.#container.erase();
    await this.#snapshots.removeAll();
    if (mayPublish(this.#store.identity.config)) {
      await new ArtifactBucket(this.env.SNAPSHOTS).removeAll(this.#store.identity.id);
    }
    await this.ctx.storage.deleteAll();
    this.#store.forget();
    this.#clock.forgetAlarm();
  }

  /**
   * Records that a caller has read the end of a message, unless by a share link. An ended ephemeral session is then
   * deleted soon.
   */
  #markRead({ share }: Caller): void {
    if (share !== undefined) return;
    const before = this.#store.state.lifecycle;
    if (markRead(before, Date.now()) === before) return;
    this.#commit((now) => change(this.#store, { lifecycle: markRead(before, now) }, now));
  }

  /** Returns the message that answers a request: the one that its prompt joins, or else its own. */
  #answer(id: string): MessageRow {
    const joined = joinedBy(this.#store, id);
    return joined === null ? this.#row(id) : { ...this.#row(joined), steerId: id };
  }

  /** Returns what a stream of a message carries. If its prompt joins another message, that one's events from then on. */
  #streamed(messageId: string, after: number): { messageId: string; after: number } {
    const joined = joinedBy(this.#store, messageId);
    if (joined === null) return { messageId, after };
    const { firstSeq = 0 } = this.#store.messages.get(messageId) ?? {};
    return { messageId: joined, after: Math.max(after, firstSeq) };
  }

  #row(messageId: string): MessageRow {
    const row = this.#store.messages.row(messageId);
    if (!row) throw new Error(`there is no message ${messageId}`);
    return row;
  }
}

const NO_SESSION: Refusal = refuse("not_found", "There is no such session.");
