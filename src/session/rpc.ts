import type { Actor } from "../account/audit";
import type { SpendLimit } from "../account/limits";
import type { AccountMember } from "../account/rpc";
import type { LeftOut } from "../agent/mcp/tools";
import type { ClientTool, ToolContent } from "../agent/tool";
import type { ON_LIMIT, PAUSE_LIMITS, Pattern, SessionRow } from "../db/schema";
import type { Prompt, PublicError, SessionEvent, StopReason, Usage } from "../events/event";
import type { Egress, EnvValue } from "../sandbox/egress";
import type { Condition, FilePage, FileStat, FileWritten, PageOfFiles } from "../sandbox/files";
import type { SandboxConfig } from "../sandbox/providers";
import type { PortAddress } from "../sandbox/sandbox";
import type { Grant } from "../sandbox/transfers";
import type { Caller, Result } from "../shared/result";
import type { Limits } from "./rules/ledger";
import type { When } from "./rules/schedule-times";

/** A share link: it gives whoever has its token access to the session. Times are in ms since 1970. */
export interface ShareRow {
  id: string;
  access: "read" | "write";
  description: string | null;
  createdAt: number;
  expiresAt: number;
}

/** A share link to make. `hash` is the SHA-256 of its token, as hex. */
export interface ShareRequest extends Omit<ShareRow, "createdAt" | "expiresAt"> {
  hash: string;
  expiresInMs: number;
}

/** A preview: an address at which a server in the session's sandbox is reached. Times are in ms since 1970. */
export interface PreviewRow {
  id: string;
  port: number;
  createdAt: number;
  expiresAt: number;
}

/** A preview to make. `hash` is the SHA-256 of its token, as hex. */
export interface PreviewRequest extends Pick<PreviewRow, "id" | "port"> {
  hash: string;
  expiresInMs: number;
}

/** What a request at a preview's address is for. */
export interface PreviewTarget extends PreviewRow {
  /** How its port is reached; why it is not, if it is not. */
  reached: PortAddress | "asleep" | "starting" | "unreachable";
}

/** The configuration of a type of agents. Absent fields have the session's values. */
export interface CustomAgent {
  description?: string | undefined;
  systemPrompt?: string | undefined;
  model?: string | undefined;
  maxTurns?: number | undefined;
  allowedTools?: string[] | undefined;
  askTools?: string[] | undefined;
  disallowedTools?: string[] | undefined;
  thinking?: Record<string, unknown> | undefined;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
}

/** A repository that is cloned into the workspace before the first command. */
export interface Repository {
  url: string;
  /** A branch, a tag, a full name of a ref, or a commit; the repository's `HEAD` if it is absent. */
  ref?: string | undefined;
  /** Its directory, relative to the workspace; the repository's name if it is absent. */
  path?: string | undefined;
  /** How many commits of the history are cloned; all if it is absent. */
  depth?: number | undefined;
  /** Is stored with the secrets of `env`, and absent in the stored config. */
  token?: string | undefined;
}

/**
 * A file that the workspace begins with: a text, bytes, or an artifact of the owner. Its path is relative to the workspace.
 */
export type InitialFile = { path: string } & (
  | { text: string }
  | { base64: string }
  | { artifactId: string }
);

/** How Rigger renews the access to an MCP server. Times are in ms since 1970. */
export interface McpOauth {
  tokenUrl: string;
  clientId: string;
  clientSecret?: string | undefined;
  /** How the client's secret is sent to the token endpoint; `basic` if it is absent. */
  clientAuth?: "basic" | "post" | undefined;
  refreshToken: string;
  accessToken?: string | undefined;
  /** When the access token expires. */
  expiresAt?: number | undefined;
  scope?: string | undefined;
  /** Why the refresh token is of no more use; absent if it may be. Never given. */
  ended?: string | undefined;
}

/** An MCP server that the agents of a session use. */
export interface McpServerConfig {
  url: string;
  headers?: Record<string, string | { secret: string }> | undefined;
  oauth?: McpOauth | undefined;
  /** The server's names of the tools that are offered; all of them if it is absent. */
  tools?: string[] | undefined;
  /** How long a call may take, in ms. */
  timeoutMs?: number | undefined;
}

/** An MCP server as the session returns it, without secrets. */
export interface McpServerRow {
  name: string;
  /** The origin of its URL; the rest may be secret. */
  origin: string;
  authorization: "none" | "headers" | "oauth";
  /** The tools that are offered, by the names with which agents call them. */
  tools: { name: string; description: string }[];
  leftOut: LeftOut[];
  /** When the tools were listed, in ms since 1970; null if they never were. */
  listedAt: number | null;
  /** Why they could not be listed the last time, or that its access has ended; otherwise null. */
  error: string | null;
}

/** A session's configuration: the `config` of the API, as given. */
export interface SessionConfig {
  model?: string | undefined;
  systemPrompt?: string | undefined;
  maxTurns?: number | undefined;
  allowedTools?: string[] | undefined;
  askTools?: string[] | undefined;
  disallowedTools?: string[] | undefined;
  /** How long a call waits for its approval, in ms; without limit if it is absent. */
  approvalTimeoutMs?: number | undefined;
  onApprovalTimeout?: "deny" | "terminate" | undefined;
  /** Tools whose calls the caller answers. */
  clientTools?: ClientTool[] | undefined;
  /** How long a call waits for its caller's answer, in ms; without limit if it is absent. */
  clientToolTimeoutMs?: number | undefined;
  /** The parts of the limits of money and turns at which the session warns, each over 0 and at most 1. */
  warnAt?: number[] | undefined;
  runtime?: "loop" | "claude-code" | undefined;
  sandbox?: SandboxConfig | undefined;
  env?: Record<string, EnvValue> | undefined;
  repositories?: Repository[] | undefined;
  /** Commands that run once, before the first command of the agent. */
  setup?: string[] | undefined;
  files?: InitialFile[] | undefined;
  mcpServers?: Record<string, McpServerConfig> | undefined;
  thinking?: Record<string, unknown> | undefined;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
  outputSchema?: Record<string, unknown> | undefined;
  customAgents?: Record<string, CustomAgent> | undefined;
  resumeSessionId?: string | undefined;
  continueSession?: boolean | undefined;
  forkSession?: boolean | undefined;
  snapshotId?: string | undefined;
  /** Globs of the files that are published when a message ends. If present, even if empty, agents have the tool Publish. */
  artifacts?: string[] | undefined;
  /** The days that the session is kept after its end. If absent, the deployment's setting applies. */
  retentionDays?: number | undefined;
}

/** How a session needs a machine of a vendor: running, suspended, or no longer. */
export type MachineNeed = "running" | "suspended" | "gone";

/** The specification of a new session: a parsed request, with the deployment's defaults filled in. */
export interface SessionSpec {
  id: string;
  pattern: Pattern;
  config: SessionConfig;
  conversationId: number | null;
  /** The provider of its sandbox. */
  provider: string;
  limits: Limits;
  /** What happens when a limit is used up; by default, the session ends. */
  onLimit?: OnLimit | undefined;
  tags: string[];
  description: string | null;
  userId: string | null;
  /** Identifies the request, to recognize a repeat with the same `Idempotency-Key`; null if it has no such key. */
  requestHash: string | null;
  /** Whether its owner has limits over many sessions, so that it has to ask the owner's account. */
  limited?: boolean;
  /** The id of a sandbox from the warm pool. If absent, the sandbox has the session's id. */
  sandboxId?: string;
}

/** A change of metadata or limits. Absent fields do not change. */
export type SessionPatch = Partial<
  Pick<SessionSpec, "tags" | "description" | "userId" | "onLimit"> & Limits
>;

/**
 * A client's request to an agent. The caller chooses `id`, so that a call whose response was lost can be repeated: a
 * request with the same id and hash returns the first message.
 */
export interface MessageRequest {
  id: string;
  prompt: Prompt;
  agent: string | null;
  background: boolean;
  maxTurns: number | null;
  maxBudgetNanos: number | null;
  onBusy: "queue" | "reject" | "interrupt" | "steer";
  requestHash: string;
  /** The span of the caller that it belongs to, as a valid W3C `traceparent`, if the caller named one. */
  traceparent?: string | undefined;
}

export const MESSAGE_STATUSES = [
  "queued",
  "running",
  "waiting",
  "completed",
  "failed",
  "interrupted",
  "joined",
] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/**
 * What a message waits for: decisions about calls, results of calls, or a limit to be raised. `toolUseIds` beside approvals
 * are calls that wait for their results meanwhile.
 */
export type WaitingFor =
  | { type: "approval"; approvalIds: string[]; toolUseIds?: string[] }
  | { type: "toolResult"; toolUseIds: string[] }
  | { type: "limit"; limit: PauseLimit | "owner_running_messages" };

/** A limit of a session at which it can pause. */
export type PauseLimit = (typeof PAUSE_LIMITS)[number];

/** What happens when a limit of a session is used up. */
export type OnLimit = (typeof ON_LIMIT)[number];

export const APPROVAL_STATUSES = ["pending", "allowed", "denied", "expired", "cancelled"] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** Who has decided. */
export type Decider = Pick<Actor, "owner" | "via" | "keyId">;

/** An approval as the session returns it. Times are in ms since 1970. */
export interface ApprovalRow {
  /** Its position among the session's approvals. */
  position: number;
  id: string;
  sessionId: string;
  messageId: string;
  toolUseId: string;
  agent: string;
  /** The tool, and the input that the model gave. */
  name: string;
  input: unknown;
  /** The input that the call was made with instead; null if it was not changed. */
  changedInput: unknown;
  status: ApprovalStatus;
  requestedAt: number;
  /** Null if it does not expire. */
  expiresAt: number | null;
  resolvedAt: number | null;
  resolvedBy: Decider | null;
  note: string | null;
  /** Whether the same call is decided in the same way from now on. */
  remember: boolean;
}

/** A decision about a call. An absent `input` leaves the call's. */
export interface Decision {
  decision: "allow" | "deny";
  note: string | null;
  input?: unknown;
  remember: boolean;
}

/** A page of approvals, oldest first. `next` is the position after which the next page starts; null on the last page. */
export interface ApprovalPage {
  approvals: ApprovalRow[];
  next: number | null;
}

/** A call of a client tool that waits for its result. Times are in ms since 1970. */
export interface ToolRequestRow {
  toolUseId: string;
  sessionId: string;
  messageId: string;
  agent: string;
  name: string;
  input: unknown;
  requestedAt: number;
  /** Null if it does not expire. */
  expiresAt: number | null;
}

/** The caller's answer to a call of a client tool. */
export interface GivenResult {
  toolUseId: string;
  content: ToolContent;
  isError: boolean;
}

/** The calls whose results were taken, now or before, and those that still wait for theirs, by their ids. */
export interface TakenResults {
  taken: string[];
  awaited: string[];
}

/** A message as the session returns it. Times are in ms since 1970, money in nano-dollars. */
export interface MessageRow {
  id: string;
  /** The session to which it was sent. */
  sessionId: string;
  /** Its position among the session's messages, starting at 1. */
  position: number;
  prompt: Prompt;
  agent: string | null;
  status: MessageStatus;
  /** What it waits for, with the status `waiting`. */
  waitingFor: WaitingFor | null;
  /** The message that its prompt has joined, with the status `joined`. */
  joinedMessageId: string | null;
  stopReason: StopReason | null;
  /** The limit over many sessions that ended it, with the stop reason `budget_limit`; null for any other end. */
  limit: SpendLimit | null;
  result: string | null;
  output: unknown;
  error: PublicError | null;
  costNanos: number;
  usage: Usage;
  numTurns: number;
  toolsUsed: string[];
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  /** In the answer to a request whose prompt joins this message: the id of that request. */
  steerId?: string;
}

/** When a schedule runs, as requested. Times are in ms since 1970. */
export type WhenRequest =
  | { cron: string; timeZone: string }
  | { everyMs: number }
  | { at: number }
  | { delayMs: number };

/** A request to create a schedule. `id` and `requestHash` have the same meaning as for a message. */
export interface ScheduleRequest {
  id: string;
  when: WhenRequest;
  prompt: Prompt;
  requestHash: string;
}

/** A schedule as the session returns it. Times are in ms since 1970. */
export interface ScheduleRow {
  id: string;
  when: When;
  prompt: Prompt;
  paused: boolean;
  /** Null while it is paused, and after the session has ended. */
  nextRunAt: number | null;
  lastRunAt: number | null;
  /** The message of its last run. */
  lastMessageId: string | null;
  createdAt: number;
}

/** A page to read: what follows a position or seq, up to `limit`, and fewer if it has more than `maxCharacters`. */
export interface PageRequest {
  after: number;
  limit: number;
  /** 8 Mi by default and at most. A page has at least one entry, however large. */
  maxCharacters?: number;
  /** Whether messages that have ended stay unread, which keeps an ephemeral session for longer. */
  leavesUnread?: boolean;
}

/** A session at one moment: its row, the position of its newest message, and the seq of its newest event. */
export interface SessionExtent {
  row: SessionRow;
  lastPosition: number;
  lastSeq: number;
}

/** A page of messages, oldest first. `next` is the position after which the next page starts; null on the last page. */
export interface MessagePage {
  messages: MessageRow[];
  next: number | null;
}

/** A snapshot as the session returns it. Times are in ms since 1970. */
export interface SnapshotRow {
  id: string;
  /** The session from which it was taken. */
  sessionId: string;
  createdAt: number;
  /** When it expires. It may be removed earlier, since a session keeps a limited number. */
  expiresAt: number;
  sizeBytes: number;
  /** Number of messages in its transcript. */
  numMessages: number;
}

/** A part of a file, in bytes: up to `end`, or to the file's end for null. */
export interface FilePart {
  from: number;
  end: number | null;
}

/** A file, and the part of its content that was asked for; null if none was. */
export interface OpenedFile {
  stat: FileStat;
  body: ReadableStream<Uint8Array> | null;
}

/** A published file as the session returns it. `createdAt` is in ms since 1970. */
export interface ArtifactRow {
  /** Its position among the session's artifacts. */
  position: number;
  id: string;
  sessionId: string;
  messageId: string;
  /** The call of Publish; null if `config.artifacts` names the file. */
  toolUseId: string | null;
  agent: string;
  /** The path in the workspace, without a slash at its beginning. */
  path: string;
  description: string | null;
  contentType: string;
  sizeBytes: number;
  /** The SHA-256 of its bytes, as hex. */
  sha256: string;
  createdAt: number;
}

/** A page of artifacts to read: up to `limit` before a position, all or those of a path or a message. */
export interface ArtifactPageRequest {
  before: number | null;
  limit: number;
  path: string | null;
  messageId: string | null;
}

/** A page of artifacts, newest first. `next` is the position before which the next page starts; null on the last page. */
export interface ArtifactPage {
  artifacts: ArtifactRow[];
  next: number | null;
}

/** A page of the event log. */
export interface EventPage {
  events: SessionEvent[];
  hasMore: boolean;
}

/**
 * The RPC interface of a session object. Calls on behalf of a client have a `caller`. `by` is the caller as the audit log
 * has it: without it, nothing is recorded. If the caller may not access the
 * session, the result is `not_found`, as for an id that does not exist.
 *
 * `fetch` subscribes to events: `GET https://session/events?after=<seq>&message=<id>`, with the caller as JSON in the
 * header `x-rigger-caller`, upgrades to a WebSocket. Its text frames are whole records of an SSE stream (`sseRecord`):
 * first the stored events after `after`, then live ones. With `message`, the socket carries only that message's events,
 * and the object closes it with 1000 after the one that ends the message. Without, the object closes it with 1000 after
 * the session's last event. After any other close, connect again with the last seq received. A refusal is a 4xx
 * response with a `Failure` as JSON.
 *
 * `fetch` also receives the model calls of the session's Claude Code process, at `https://session/model/v1/messages`.
 * Other paths below `/model/` are not found. At `https://session/mcp/<server>`, it serves the process the tools of an MCP
 * server. Only requests from the session's own container may be forwarded to these.
 */
export interface SessionRpc extends AccountMember {
  /** Creates the session. A repeat with the same `requestHash` returns the session. */
  create(caller: Caller, spec: SessionSpec): Promise<Result<SessionRow>>;
  /** Returns the session's row. */
  read(caller: Caller): Promise<Result<SessionRow>>;
  /** Returns the session's row and how far its messages and events go. */
  extent(caller: Caller): Promise<Result<SessionExtent>>;
  /** Changes metadata or limits. Ends the session if a new limit is used up already and no message runs. */
  update(caller: Caller, patch: SessionPatch): Promise<Result<SessionRow>>;
  /** Accepts a message and returns immediately. A repeat returns the message in its current state. */
  send(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>>;
  /** Accepts a message and returns after it has ended, or waits for somebody. */
  ask(caller: Caller, request: MessageRequest): Promise<Result<MessageRow>>;
  /**
   * Accepts a message and returns a stream of its events after seq `after`, each as an SSE record. It ends after the
   * event that ends the message. If it breaks off before, subscribe with `fetch`.
   */
  stream(caller: Caller, request: MessageRequest, after: number): Promise<Result<ReadableStream>>;
  /** Returns up to `limit` messages after position `after`, oldest first. */
  messages(caller: Caller, page: PageRequest): Promise<Result<MessagePage>>;
  /**
   * Returns one message. With `waitMs`, returns it when it has ended, when the session waits for somebody, or after so many
   * milliseconds. With `leavesUnread`, it stays unread if it has ended.
   */
  message(
    caller: Caller,
    messageId: string,
    options?: { waitMs?: number; leavesUnread?: boolean },
  ): Promise<Result<MessageRow>>;
  /** Returns up to `limit` events after seq `after`, oldest first. */
  events(caller: Caller, page: PageRequest): Promise<Result<EventPage>>;
  /** Returns up to `limit` approvals after a position, all or those with a status. */
  approvals(
    caller: Caller,
    page: PageRequest & { status: ApprovalStatus | null },
  ): Promise<Result<ApprovalPage>>;
  /** Decides about a call. The same decision again changes nothing, another one is refused. */
  resolveApproval(
    caller: Caller,
    approvalId: string,
    decision: Decision,
    by: Actor,
  ): Promise<Result<ApprovalRow>>;
  /** Returns the calls of client tools that wait for their results, oldest first. */
  toolRequests(caller: Caller): Promise<Result<ToolRequestRow[]>>;
  /**
   * Takes the results of calls of client tools, all or none. The same result again changes nothing, another one is refused.
   */
  answerTools(caller: Caller, results: GivenResult[]): Promise<Result<TakenResults>>;
  /** Interrupts the running or waiting message and returns it; null if there is none. */
  interrupt(caller: Caller): Promise<Result<MessageRow | null>>;
  /** Ends the session. Idempotent: an ended session does not change. */
  terminate(
    caller: Caller,
    reason: string,
    options?: { discardWorkspace?: boolean; by?: Actor },
  ): Promise<Result<SessionRow>>;
  /** Creates a schedule. A repeat with the same `id` and `requestHash` returns the first one. */
  addSchedule(caller: Caller, request: ScheduleRequest): Promise<Result<ScheduleRow>>;
  /** Returns the schedules, in the order in which they were created. */
  schedules(caller: Caller): Promise<Result<ScheduleRow[]>>;
  /** Pauses or resumes a schedule. */
  updateSchedule(
    caller: Caller,
    scheduleId: string,
    patch: { paused: boolean },
  ): Promise<Result<ScheduleRow>>;
  /** Removes a schedule. Messages that it has sent are kept. */
  removeSchedule(caller: Caller, scheduleId: string): Promise<Result<null>>;
  /** Makes a share link. A repeat with the same `id` and `hash` returns it. */
  addShare(caller: Caller, request: ShareRequest, by?: Actor): Promise<Result<ShareRow>>;
  /** Returns the share links that can be used, in the order in which they were made. */
  shares(caller: Caller): Promise<Result<ShareRow[]>>;
  /** Revokes a share link: streams of it break off. Idempotent. */
  removeShare(caller: Caller, shareId: string, by?: Actor): Promise<Result<null>>;
  /** Returns the owner and the share link with the hash of a token; null if there is none that can be used. */
  share(hash: string): Promise<{ owner: string; share: ShareRow } | null>;
  /** Returns artifacts, newest first. */
  artifacts(caller: Caller, page: ArtifactPageRequest): Promise<Result<ArtifactPage>>;
  /** Returns an artifact. Its bytes are in the bucket. */
  artifact(caller: Caller, artifactId: string): Promise<Result<ArtifactRow>>;
  /** Returns the MCP servers of the session, by their names. */
  mcpServers(caller: Caller): Promise<Result<McpServerRow[]>>;
  /** Replaces how the access to an MCP server is renewed, or, if it has expired for good, gives a new one. */
  authorizeMcpServer(caller: Caller, name: string, oauth: McpOauth): Promise<Result<McpServerRow>>;
  /** Makes a preview. A repeat with the same `id` and `hash` returns it. */
  addPreview(caller: Caller, request: PreviewRequest): Promise<Result<PreviewRow>>;
  /** Returns the previews that can be used, in the order in which they were made. */
  previews(caller: Caller): Promise<Result<PreviewRow[]>>;
  /** Removes a preview. Idempotent. */
  removePreview(caller: Caller, previewId: string): Promise<Result<null>>;
  /**
   * Returns the preview with the hash of a token, and how its port is reached; null if there is none that can be used.
   * With `isAgain`, what was returned before led nowhere. Starts no container.
   */
  preview(hash: string, isAgain?: boolean): Promise<PreviewTarget | null>;
  /** Takes a snapshot of transcript and workspace. Refused while a message runs. */
  snapshot(caller: Caller): Promise<Result<SnapshotRow>>;
  /** Returns the snapshots from which a session can be created, newest first. */
  snapshots(caller: Caller): Promise<Result<SnapshotRow[]>>;
  /** Returns a page of what is in a directory of the workspace. Starts nothing. */
  listFiles(caller: Caller, path: string, page: PageOfFiles): Promise<Result<FilePage>>;
  /** Returns a file of the workspace, with its content from `from` to `end` if they are given. Starts nothing. */
  openFile(caller: Caller, path: string, part: FilePart | null): Promise<Result<OpenedFile>>;
  /** Returns a directory of the workspace as a tar archive. Starts nothing. */
  archiveFiles(caller: Caller, path: string): Promise<Result<ReadableStream<Uint8Array>>>;
  /** Writes a file of the workspace, if a condition holds. Wakes the session. */
  putFile(
    caller: Caller,
    path: string,
    content: ReadableStream<Uint8Array>,
    condition: Condition,
  ): Promise<Result<FileWritten>>;
  /** Removes a file of the workspace, or with `recursive` a directory, if a condition holds. Wakes the session. */
  removeFile(
    caller: Caller,
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<Result<null>>;
  /** Stores a copy at a key of the snapshot bucket, for another session that starts from this one. */
  copyTo(caller: Caller, key: string): Promise<Result<null>>;
  /** Ends the session if it has not ended, then deletes it. */
  remove(caller: Caller, by?: Actor): Promise<Result<null>>;
  /**
   * For maintenance, which has no caller: runs what is due, compares the index's row with the session, and updates the
   * index if the row is `wrong`. Returns `removed` if the session is deleted, and `unknown` if it does not exist.
   */
  reconcile(row: SessionRow): Promise<"right" | "wrong" | "removed" | "unknown">;
  /** For the sandbox: returns where an outgoing request to a host goes. Nowhere if the session does not exist. */
  egress(host: string): Promise<Egress>;
  /**
   * For the container that is about to be stopped: moves the session to another one as soon as no message runs. Returns
   * true if it may be stopped; false if the container should call again. With `isFinal`, only saves the workspace.
   */
  prepareStop(container: string, isFinal: boolean): Promise<boolean>;
  /**
   * For the container: returns what the token of a save or restore gives access to, after counting bytes that are stored.
   * Null if it is not valid, or used up.
   */
  transfer(token: string, bytes: number): Promise<Grant | null>;
  /** For the container: returns whether the session still needs it. False if the session does not exist. */
  needsContainer(sandboxId: string): Promise<boolean>;
  /** For maintenance: returns how the session needs the machine with a vendor's id. `gone` if the session does not exist. */
  needsMachine(machineId: string): Promise<MachineNeed>;
  /** For a request from a machine: returns whether it has the token of the session's machine. */
  ownsMachine(token: string): Promise<boolean>;
}
