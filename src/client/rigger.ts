import type {
  Approval,
  CreateSchedule,
  CreateSession,
  Event,
  GivenResult,
  McpOauth,
  Message,
  NewPreview,
  PatchSession,
  Preview,
  Prompt,
  Schedule,
  SendMessage,
  Session,
  SessionMcpServer,
  Snapshot,
  StreamedEvent,
  TakenResults,
  ToolRequest,
} from "./api.ts";
import { SessionArtifacts } from "./artifacts.ts";
import { SessionFiles } from "./files.ts";
import {
  type AnswerOf,
  asError,
  isFinal,
  type OptionsOf,
  type PathOf,
  type RequestSettings,
  type Rest,
  RiggerError,
  type RiggerOptions,
  Transport,
} from "./request.ts";
import { Continuation, endsMessage, endsSession, eventsOf, hasEnded } from "./stream.ts";

export type * from "./api.ts";
export type { SessionFiles } from "./files.ts";
export { type FileContent, RiggerError, type RiggerOptions } from "./request.ts";
export { endsMessage, endsSession, hasEnded, type MessageEndEvent } from "./stream.ts";

/**
 * A client of a Rigger deployment. Requests whose connection breaks are repeated, with an `Idempotency-Key` where a repeat
 * could do something twice. Every method throws a `RiggerError` for an error of the API.
 */
export class Rigger {
  readonly #transport: Transport;

  constructor(options: RiggerOptions = {}) {
    this.#transport = new Transport(options);
  }

  /** Sends a `GET` to an endpoint and returns its JSON. */
  get<P extends PathOf<"get">>(
    path: P,
    ...[options]: Rest<OptionsOf<"get", P>>
  ): Promise<AnswerOf<"get", P>> {
    return this.#transport.json("get", path, options ?? ({} as never));
  }

  /** Sends a `POST` to an endpoint and returns its JSON. */
  post<P extends PathOf<"post">>(
    path: P,
    ...[options]: Rest<OptionsOf<"post", P>>
  ): Promise<AnswerOf<"post", P>> {
    return this.#transport.json("post", path, options ?? ({} as never));
  }

  /** Sends a `PUT` to an endpoint and returns its JSON. */
  put<P extends PathOf<"put">>(
    path: P,
    ...[options]: Rest<OptionsOf<"put", P>>
  ): Promise<AnswerOf<"put", P>> {
    return this.#transport.json("put", path, options ?? ({} as never));
  }

  /** Sends a `PATCH` to an endpoint and returns its JSON. */
  patch<P extends PathOf<"patch">>(
    path: P,
    ...[options]: Rest<OptionsOf<"patch", P>>
  ): Promise<AnswerOf<"patch", P>> {
    return this.#transport.json("patch", path, options ?? ({} as never));
  }

  /** Sends a `DELETE` to an endpoint. */
  delete<P extends PathOf<"delete">>(
    path: P,
    ...[options]: Rest<OptionsOf<"delete", P>>
  ): Promise<AnswerOf<"delete", P>> {
    return this.#transport.json("delete", path, options ?? ({} as never));
  }

  /** Sends a request to any path and returns the response, for answers that are not JSON. */
  fetch(
    method: "get" | "post" | "put" | "patch" | "delete",
    path: string,
    options: RequestSettings & { query?: Record<string, unknown>; body?: unknown } = {},
  ): Promise<Response> {
    return this.#transport.send(method, path, options);
  }

  /** Creates a session. */
  async create(session: CreateSession, settings: RequestSettings = {}): Promise<SessionHandle> {
    const { id } = await this.post("/api/sessions", { ...settings, body: session });
    return this.session(id);
  }

  /** Yields the sessions that a query selects, in its order; `pageSize` at a time. */
  async *sessions(query: SessionQuery = {}): AsyncGenerator<Session> {
    const load = (cursor?: string) =>
      this.get("/api/sessions", { query: { ...query, ...(cursor !== undefined && { cursor }) } });
    for await (const page of pagesOf(load)) yield* page.sessions;
  }

  /** Yields the calls of all sessions that wait for a decision. */
  async *approvals(): AsyncGenerator<Approval> {
    const load = (cursor?: string) =>
      this.get("/api/approvals", { query: { ...(cursor !== undefined && { cursor }) } });
    for await (const page of pagesOf(load)) yield* page.approvals;
  }

  /** Yields the calls of client tools of all sessions that wait for their results. */
  async *toolRequests(): AsyncGenerator<ToolRequest> {
    const load = (cursor?: string) =>
      this.get("/api/tool-requests", { query: { ...(cursor !== undefined && { cursor }) } });
    for await (const page of pagesOf(load)) yield* page.toolRequests;
  }

  /** Returns a session by its id, without a request. */
  session(id: string): SessionHandle {
    return new SessionHandle(this, this.#transport, id);
  }
}

/** Yields the pages of a list until the last one. `load` returns the page at a cursor; the first one without. */
export async function* pagesOf<P extends { nextCursor: string | null }>(
  load: (cursor?: string) => Promise<P>,
): AsyncGenerator<P> {
  for (let cursor: string | undefined; ; ) {
    const page = await load(cursor);
    yield page;
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

/** How a stream is read. */
export interface StreamOptions {
  signal?: AbortSignal | undefined;
  /** Is called when a connection is made, when it is open, and when it is lost and made again. */
  onConnection?: ((state: "connecting" | "open") => void) | undefined;
}

/** What selects sessions, as in `GET /api/sessions`. */
export type SessionQuery = Omit<
  NonNullable<OptionsOf<"get", "/api/sessions">["query"]>,
  "cursor" | "page"
>;

/** How a message is sent. `tools` answer the calls of `config.clientTools` with these names while the reply is read. */
export type SendOptions = Omit<SendMessage, "prompt" | "streaming" | "background"> &
  Pick<RequestSettings, "idempotencyKey"> &
  StreamOptions & { tools?: Readonly<Record<string, ToolHandler>> | undefined };

/**
 * Makes a call of a client tool. Text and content blocks are the result as they are, any other value is as JSON; the model
 * reads what is thrown as an error. It runs again if the program is restarted before its result has arrived.
 */
export type ToolHandler = (
  // biome-ignore lint/suspicious/noExplicitAny: it matches the tool's schema, of which the type is not known here.
  input: any,
  call: Extract<StreamedEvent, { type: "tool.requested" }>,
) => unknown;

/** How a prompt is sent that joins a message. The limits apply if it runs as a message of its own. */
export type SteerOptions = Omit<SendOptions, "onBusy" | "onConnection" | "tools">;

/** A session of a deployment. */
export class SessionHandle {
  readonly id: string;
  /** The files of its workspace. */
  readonly files: SessionFiles;
  /** What the agent has published. */
  readonly artifacts: SessionArtifacts;
  readonly #rigger: Rigger;
  readonly #transport: Transport;

  constructor(rigger: Rigger, transport: Transport, id: string) {
    this.id = id;
    this.files = new SessionFiles(transport, id);
    this.artifacts = new SessionArtifacts(transport, id);
    this.#rigger = rigger;
    this.#transport = transport;
  }

  get #path() {
    return { path: { id: this.id } };
  }

  /** Returns the session as it is now. */
  read(): Promise<Session> {
    return this.#rigger.get("/api/sessions/{id}", this.#path);
  }

  /**
   * Sends a message. Iterate over the reply to send it and to receive its events; or wait for `reply.message()`. The message
   * goes on if nobody reads the reply any more.
   */
  send(
    prompt: Prompt,
    { idempotencyKey: given, signal: outer, onConnection, tools, ...options }: SendOptions = {},
  ): Reply {
    const idempotencyKey = given ?? crypto.randomUUID();
    const over = new AbortController();
    const signal = outer ? AbortSignal.any([outer, over.signal]) : over.signal;
    const body = { ...options, prompt, streaming: true };
    const connect = (last: number, signal: AbortSignal) =>
      this.#transport.send("post", "/api/sessions/{id}/message", {
        ...this.#path,
        body,
        idempotencyKey,
        headers: { "Last-Event-ID": String(last) },
        signal,
      });
    const stream = follow(this.#transport, connect, { until: endsMessage, signal, onConnection });
    const onEvent = (event: StreamedEvent) => {
      if (event.type !== "tool.requested" || !tools || !Object.hasOwn(tools, event.name)) return;
      const run = tools[event.name] as ToolHandler;
      // Nothing would come of a reply whose calls can't be answered.
      this.#answer(event, run, given !== undefined).catch((error) => over.abort(error));
    };
    return new Reply(stream, (messageId) => this.message(messageId), onEvent);
  }

  /** Makes a call and gives its result. With a key of the program's own, the call may have been answered before. */
  async #answer(
    call: Extract<StreamedEvent, { type: "tool.requested" }>,
    run: ToolHandler,
    mayBeOld: boolean,
  ): Promise<void> {
    const { toolUseId } = call;
    if (mayBeOld) {
      const open = await this.toolRequests();
      if (!open.some((one) => one.toolUseId === toolUseId)) return;
    }
    const result = await resultOf(() => run(call.input, call));
    try {
      await this.answerTools([{ toolUseId, ...result }]);
    } catch (error) {
      // Somebody else has answered it, or its message has ended meanwhile.
      if (!(error instanceof RiggerError) || error.status !== 409) throw error;
    }
  }

  /**
   * Sends a prompt that joins the running message at its next turn. Returns that message, with the id of this one as
   * `steerId`. If nothing runs, this one runs in the background and is returned.
   */
  steer(
    prompt: Prompt,
    { idempotencyKey = crypto.randomUUID(), signal, ...options }: SteerOptions = {},
  ): Promise<Message> {
    const body = { ...options, prompt, background: true, onBusy: "steer" as const };
    return this.#rigger.post("/api/sessions/{id}/message", {
      ...this.#path,
      ...{ body, idempotencyKey, signal },
    });
  }

  /** Yields the events of the session after a seq, live ones too, until the session has ended. */
  events({
    after = 0,
    ...options
  }: StreamOptions & { after?: number } = {}): AsyncGenerator<StreamedEvent> {
    const connect = (last: number, signal: AbortSignal) =>
      this.#transport.send("get", "/api/sessions/{id}/events", {
        ...this.#path,
        headers: { Accept: "text/event-stream", "Last-Event-ID": String(last) },
        signal,
      });
    // The server closes the stream of a session that has ended.
    const isOver = async () => hasEnded(await this.read());
    return follow(this.#transport, connect, { ...options, after, until: endsSession, isOver });
  }

  /** Yields the stored events after a seq, up to the newest one. */
  async *log(after = 0): AsyncGenerator<Event> {
    for (let last = after, hasMore = true; hasMore; ) {
      const page = await this.#rigger.get("/api/sessions/{id}/events", {
        ...this.#path,
        query: { after: last },
      });
      yield* page.events;
      last = page.events.at(-1)?.seq ?? last;
      hasMore = page.hasMore;
    }
  }

  /** Returns a message. */
  message(messageId: string): Promise<Message> {
    return this.#rigger.get("/api/sessions/{id}/messages/{messageId}", {
      path: { id: this.id, messageId },
    });
  }

  /** Yields the messages of the session, oldest first. */
  async *messages(): AsyncGenerator<Message> {
    const load = (cursor?: string) =>
      this.#rigger.get("/api/sessions/{id}/messages", {
        ...this.#path,
        query: { ...(cursor !== undefined && { cursor: Number(cursor) }) },
      });
    for await (const page of pagesOf(load)) yield* page.messages;
  }

  /** Stops the message that runs or waits and returns it; null if there is none. */
  async interrupt(): Promise<Message | null> {
    return (await this.#rigger.post("/api/sessions/{id}/interrupt", this.#path)).message;
  }

  /** Changes limits and metadata. */
  update(patch: PatchSession): Promise<Session> {
    return this.#rigger.patch("/api/sessions/{id}", { ...this.#path, body: patch });
  }

  /** Ends the session. */
  terminate(reason?: string): Promise<Session> {
    return this.#rigger.post("/api/sessions/{id}/terminate", {
      ...this.#path,
      body: { ...(reason !== undefined && { reason }) },
    });
  }

  /** Deletes the session with everything that it has. */
  async delete(): Promise<void> {
    await this.#rigger.delete("/api/sessions/{id}", this.#path);
  }

  /** Allows a call that waits for a decision. */
  allow(
    approvalId: string,
    options: { note?: string; input?: Record<string, unknown>; remember?: "session" } = {},
  ): Promise<Approval> {
    return this.#decide(approvalId, { decision: "allow", ...options });
  }

  /** Denies a call that waits for a decision. */
  deny(
    approvalId: string,
    options: { note?: string; remember?: "session" } = {},
  ): Promise<Approval> {
    return this.#decide(approvalId, { decision: "deny", ...options });
  }

  /** Returns the calls that wait for a decision. */
  async approvals(): Promise<Approval[]> {
    const query = { status: "pending", limit: 100 } as const;
    const page = await this.#rigger.get("/api/sessions/{id}/approvals", { ...this.#path, query });
    return page.approvals;
  }

  /** Returns the calls of client tools that wait for their results. */
  async toolRequests(): Promise<ToolRequest[]> {
    const page = await this.#rigger.get("/api/sessions/{id}/tool-requests", this.#path);
    return page.toolRequests;
  }

  /** Gives results of calls of client tools. The same results again change nothing. */
  answerTools(results: GivenResult[]): Promise<TakenResults> {
    const body = { results };
    return this.#rigger.post("/api/sessions/{id}/tool-results", { ...this.#path, body });
  }

  /** Creates a schedule. */
  schedule(schedule: CreateSchedule): Promise<Schedule> {
    return this.#rigger.post("/api/sessions/{id}/schedules", { ...this.#path, body: schedule });
  }

  /** Returns the MCP servers of the session, with the tools that they offer. */
  async mcpServers(): Promise<SessionMcpServer[]> {
    return (await this.#rigger.get("/api/sessions/{id}/mcp-servers", this.#path)).mcpServers;
  }

  /** Gives an MCP server of the session new access, in place of what it had. */
  authorizeMcpServer(name: string, oauth: McpOauth): Promise<SessionMcpServer> {
    const path = { id: this.id, name };
    return this.#rigger.put("/api/sessions/{id}/mcp-servers/{name}/oauth", { path, body: oauth });
  }

  /** The addresses at which servers in the session's sandbox are reached. */
  get previews() {
    const [rigger, { path }] = [this.#rigger, this.#path];
    return {
      /** Makes a port of the sandbox reachable. The `url` is shown here only. */
      create: (port: number, options: { expiresInMs?: number } = {}): Promise<NewPreview> =>
        rigger.post("/api/sessions/{id}/previews", { path, body: { ...options, port } }),
      /** Returns the previews that can be used. */
      list: async (): Promise<Preview[]> =>
        (await rigger.get("/api/sessions/{id}/previews", { path })).previews,
      /** Makes an address lead nowhere. */
      delete: async (previewId: string): Promise<void> => {
        const own = { path: { ...path, previewId } };
        await rigger.delete("/api/sessions/{id}/previews/{previewId}", own);
      },
    };
  }

  /** Returns the workspace, or a directory of it, as a tar archive, in a response. */
  archive(path = "", options: Pick<RequestSettings, "signal"> = {}): Promise<Response> {
    return this.files.archive(path, options);
  }

  /** Stores the transcript and the workspace. */
  snapshot(): Promise<Snapshot> {
    return this.#rigger.post("/api/sessions/{id}/snapshots", this.#path);
  }

  #decide(
    approvalId: string,
    body: {
      decision: "allow" | "deny";
      note?: string;
      input?: Record<string, unknown>;
      remember?: "session";
    },
  ): Promise<Approval> {
    const path = { id: this.id, approvalId };
    return this.#rigger.post("/api/sessions/{id}/approvals/{approvalId}", { path, body });
  }
}

/** Returns the result of a call that is made by `run`. */
async function resultOf(run: () => unknown): Promise<Omit<GivenResult, "toolUseId">> {
  try {
    const value = await run();
    if (typeof value === "string" || isBlocks(value)) return { content: value };
    return { content: value === undefined ? "" : JSON.stringify(value) };
  } catch (error) {
    return { content: error instanceof Error ? error.message : String(error), isError: true };
  }
}

/** Returns whether a value is a list of content blocks, as far as that can be told. */
const isBlocks = (value: unknown): value is Exclude<GivenResult["content"], string> =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((one) => one?.type === "text" || (one?.type === "image" && "source" in one));

/**
 * The reply to a message: its events, each once and in order, whatever happens to connections. The last one says why the
 * message has ended: `message.completed`, `message.interrupted` or `message.failed`. The deltas of a block join to its text.
 */
export class Reply implements AsyncIterable<StreamedEvent> {
  readonly #events: AsyncGenerator<StreamedEvent>;
  readonly #read: (messageId: string) => Promise<Message>;
  readonly #onEvent: (event: StreamedEvent) => void;
  #messageId: string | undefined;

  constructor(
    events: AsyncGenerator<StreamedEvent>,
    read: (messageId: string) => Promise<Message>,
    onEvent: (event: StreamedEvent) => void = () => {},
  ) {
    this.#events = events;
    this.#read = read;
    this.#onEvent = onEvent;
  }

  /** The id of the message; undefined before its first event. */
  get messageId(): string | undefined {
    return this.#messageId;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamedEvent> {
    for await (const event of this.#events) {
      this.#messageId ??= event.messageId;
      this.#onEvent(event);
      yield event;
    }
  }

  /** Waits for the end of the message and returns it, with its result and its cost. */
  async message(): Promise<Message> {
    for await (const _ of this);
    if (this.#messageId === undefined) throw new RiggerError("The reply was not read to its end.");
    return this.#read(this.#messageId);
  }
}

/** A connection that has lasted so long, in ms, was no failure. */
const LASTING_MS = 10_000;

/**
 * Yields the events of a stream, which may need several connections: each goes on after the last stored event of the one
 * before, until an event ends the stream. Throws a `RiggerError` if the API refuses, or can't be reached for too long.
 */
async function* follow(
  transport: Transport,
  connect: (last: number, signal: AbortSignal) => Promise<Response>,
  {
    after = 0,
    until,
    isOver = async () => false,
    signal: outer,
    onConnection,
  }: StreamOptions & {
    after?: number;
    until(event: StreamedEvent): boolean;
    /** Asks whether no event follows, when a connection was closed that brought none. */
    isOver?(): Promise<boolean>;
  },
): AsyncGenerator<StreamedEvent> {
  const stream = new Continuation(after);
  const own = new AbortController();
  const signal = outer ? AbortSignal.any([outer, own.signal]) : own.signal;
  let failures = 0;
  try {
    for (;;) {
      onConnection?.("connecting");
      // A request that fails was repeated already.
      const response = await connect(stream.last, signal);
      onConnection?.("open");
      const openedAt = Date.now();
      const before = stream.last;
      let isCut = false;
      try {
        for await (const event of eventsOf(response)) {
          for (const one of stream.next(event)) {
            failures = 0;
            yield one;
            if (until(one)) return;
          }
        }
      } catch (error) {
        if (isFinal(asError(error, signal))) throw error;
        isCut = true;
      }
      if (!isCut && stream.last === before && (await isOver())) return;
      // A quiet stream is closed now and then, by a deploy or a proxy.
      if (Date.now() - openedAt >= LASTING_MS) failures = 0;
      if (++failures > transport.maxRetries)
        throw new RiggerError("The stream breaks off again and again.");
      await transport.pause(failures - 1, undefined, signal);
    }
  } finally {
    // Whoever stops to read needs no connection.
    own.abort();
  }
}
