import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionEvent, StopReason } from "../events/event.ts";

/** The fields of an API session that the soak test reads. */
export interface SessionView {
  id: string;
  status: string;
  userId: string | null;
  startedAt: string | null;
  completedAt: string | null;
  terminatedAt: string | null;
  totalCost: number;
  totalTokens: number;
  numMessages: number;
  numTurns: number;
  toolsUsed: string[];
}

/** The fields of an API message that the soak test reads. */
export interface MessageView {
  messageId: string;
  /** The session that the message was sent to. */
  sessionId: string;
  prompt: string;
  status: string;
  joinedMessageId: string | null;
  stopReason: StopReason | null;
  limit: string | null;
  result: string | null;
  error: { type: string; message: string } | null;
  cost: number;
  tokens: number;
  numTurns: number;
  toolsUsed: string[];
  startedAt: string | null;
  endedAt: string | null;
  /** Of the answer to a prompt that joins this message. */
  steerId?: string;
}

/** The fields of a new preview that the soak test reads. */
export interface PreviewView {
  id: string;
  url: string;
}

/** The fields of an API artifact that the soak test reads. */
interface ArtifactView {
  id: string;
  path: string;
  sha256: string;
}

/** A request; a body that is no text is sent as JSON. */
export interface Request {
  method?: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A response with its parsed body. */
export interface Answer<T> {
  status: number;
  body: T;
}

/** The error object of the API. */
export interface ErrorBody {
  error: { type: string; message: string; reason?: string; messageId?: string };
}

/** The server under test, which may be down at times. */
export interface Api {
  url: string;
  /** The key of the client, if there are keys. Each has the rights of an admin. */
  key?: string;
  /** Whether its owners have limits, which may refuse a message. */
  isLimited?: boolean;
  /** Whether calls of some sessions wait for approval or for their caller, and some sessions pause at their limits. */
  asks?: boolean;
  /** Whether its sessions run in machines, which can be set up. */
  hasMachines?: boolean;
  /** The address of the sessions' MCP server, if they have one. */
  notesUrl?: string;
  /** When it was last started, in ms since 1970; Infinity while it is down. */
  startedAt: number;
  count(what: string): void;
  violation(where: string, what: string): void;
}

const RETRY_MS = 250;
/** Timeout of a request, longer than any work that it may wait for. */
const ANSWER_MS = 150_000;
/** Time after a restart during which connections may break and the server may answer that it is unavailable. */
const DISTURBED_MS = 10_000;

/** Repeats a request until it is answered, across restarts of the server. */
export async function ask<T>(api: Api, request: Request): Promise<Answer<T>> {
  for (;;) {
    try {
      const response = await open(api, request);
      if (response) return { status: response.status, body: await bodyOf<T>(response) };
    } catch (error) {
      if (request.signal?.aborted) throw error;
      noteLoss(api, request, error);
    }
    await sleep(RETRY_MS);
  }
}

/** Reads a path that must exist. */
export async function read<T>(api: Api, path: string): Promise<T> {
  const { status, body } = await ask<T>(api, { path });
  if (status !== 200) throw new Error(`${path} was answered with ${status}`);
  return body;
}

/**
 * Sends a request once and checks the status of its response: a server error is never acceptable. Returns
 * undefined if the server asks to try again.
 */
export async function open(api: Api, request: Request): Promise<Response | undefined> {
  const { method = "GET", path, body, headers, signal } = request;
  const timeout = AbortSignal.timeout(ANSWER_MS);
  const response = await fetch(api.url + path, {
    method,
    headers: { ...(api.key !== undefined && { Authorization: `Bearer ${api.key}` }), ...headers },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const { status } = response;
  const type = response.headers.get("content-type") ?? "";
  const retry = status === 503 && response.headers.has("retry-after");
  const isOurs = type.includes("json") || type.includes("event-stream") || status === 204;
  const quiet = Date.now() - api.startedAt > DISTURBED_MS;
  if (status === 500 || (status > 500 && !isOurs) || (retry && quiet)) {
    const text = await response.text();
    api.count(`answers ${status} that are not in order`);
    api.violation(path, `${method} was answered with ${status}: ${text.slice(0, 500)}`);
    return undefined;
  }
  if (!retry) return response;
  await response.body?.cancel();
  api.count("retries after a 503");
  return undefined;
}

/** Records a broken connection as a fault, unless the server was killed at that time. */
export function noteLoss(api: Api, { method = "GET", path }: Request, error: unknown): void {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (Date.now() - api.startedAt > DISTURBED_MS) {
    api.violation(path, `${method} was not answered: ${cause}`);
  }
  api.count(`retries of ${method} after a lost connection`);
}

async function bodyOf<T>(response: Response): Promise<T> {
  const text = await response.text();
  return text === "" ? (undefined as T) : JSON.parse(text);
}

/** Everything that the API returns for a session at rest. */
export interface Story {
  session: SessionView;
  messages: MessageView[];
  events: SessionEvent[];
  /** Its artifacts, newest first, with the SHA-256 of the content that was received. */
  artifacts: (ArtifactView & { received: string })[];
}

/** Reads a session with all its messages and events. */
export async function readStory(api: Api, id: string): Promise<Story> {
  const path = `/api/sessions/${id}`;
  // Once the session has ended, later reads cannot differ.
  const session = await read<SessionView>(api, path);
  const messages: MessageView[] = [];
  for (let cursor: string | null = "0"; cursor !== null; ) {
    type Page = { messages: MessageView[]; nextCursor: string | null };
    const page: Page = await read(api, `${path}/messages?limit=20&cursor=${cursor}`);
    messages.push(...page.messages);
    cursor = page.nextCursor;
  }
  const events: SessionEvent[] = [];
  for (let hasMore = true; hasMore; ) {
    type Page = { events: SessionEvent[]; hasMore: boolean };
    const after = events.at(-1)?.seq ?? 0;
    const page: Page = await read(api, `${path}/events?limit=150&after=${after}`);
    events.push(...page.events);
    hasMore = page.hasMore;
  }
  return { session, messages, events, artifacts: await readArtifacts(api, path) };
}

async function readArtifacts(api: Api, path: string): Promise<Story["artifacts"]> {
  const artifacts: Story["artifacts"] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    type Page = { artifacts: ArtifactView[]; nextCursor: string | null };
    const page: Page = await read(
      api,
      `${path}/artifacts?limit=20${cursor && `&cursor=${cursor}`}`,
    );
    for (const one of page.artifacts) {
      api.count("artifacts");
      artifacts.push({
        ...one,
        received: await hashOf(api, `${path}/artifacts/${one.id}/content`),
      });
    }
    cursor = page.nextCursor;
  }
  return artifacts;
}

/** Returns the SHA-256 of what a path is answered with, as hex. */
async function hashOf(api: Api, path: string): Promise<string> {
  for (;;) {
    try {
      const response = await open(api, { path });
      if (response?.ok)
        return createHash("sha256")
          .update(await response.bytes())
          .digest("hex");
      if (response) return `status ${response.status}`;
    } catch (error) {
      noteLoss(api, { path }, error);
    }
    await sleep(RETRY_MS);
  }
}
