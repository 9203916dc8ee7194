// The client of MCP servers. The only file that uses the protocol's SDK. Import it when a server is needed: the SDK is
// large, and most sessions have no server.

import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { McpFailure } from "./failure";
import type { McpResult } from "./results";
import { type ListedTool, MAX_TOOLS } from "./tools";

/** A connection to a server. It is opened when it is first used. */
export interface McpConnection {
  /** Lists the tools of the server. Rejects with an `McpFailure`. */
  list(signal: AbortSignal): Promise<ListedTool[]>;
  /** Calls a tool. Rejects with an `McpFailure`. */
  call(
    tool: { name: string; inputSchema: ListedTool["inputSchema"] },
    input: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<McpResult>;
  /** Ends the session that the server keeps, if it does. Never rejects. */
  close(): Promise<void>;
}

/** Connects a client to its server: the address, and how requests are made and notices heard. */
export interface ConnectionDeps {
  url: string;
  /** Makes the requests, with what authorizes them. */
  fetch: typeof fetch;
  /** Called when the server says that its tools have changed. */
  onToolsChanged(): void;
}

/** The most bytes of a response. */
const MAX_RESPONSE_BYTES = 8 << 20;
/** The most pages of a list of tools. */
const MAX_PAGES = 32;
/** Bounds the tools that a server may list, of which "tools" of its config chooses. */
const MAX_LISTED = 8 * MAX_TOOLS;
/** The SDK's own limit of time, which never comes first: the signal has one. */
const NEVER_MS = 2 ** 31 - 1;
const CLOSE_MS = 3_000;
/** JSON-RPC's codes for a method or a tool that a server does not have. */
const UNKNOWN_CODES = [-32601, -32602];

/** Returns a connection to a server. Nothing is sent before its first use. */
export function connectionTo(deps: ConnectionDeps): McpConnection {
  let current: Promise<Opened> | undefined;
  /** Rejects when a response is too large: the SDK waits for the rest of a stream. */
  let exceeded = newExceeded();
  const fetchLimited: typeof fetch = async (input, init) =>
    limited(await deps.fetch(input, init), (error) => exceeded.reject(error));

  const open = (signal: AbortSignal): Promise<Opened> => {
    if (current) return current;
    const opening = openConnection({ ...deps, fetch: fetchLimited }, signal);
    current = opening;
    opening.catch(() => giveUp(opening));
    return opening;
  };

  /** Makes the next request open another connection, if it is still this one. */
  const giveUp = (opened: Promise<Opened> | undefined) => {
    if (current === opened) current = undefined;
  };

  /** Runs a request. If the server has forgotten its session, which it says before it does anything, begins a new one. */
  async function request<T>(
    signal: AbortSignal,
    send: (client: Client) => Promise<T>,
    isRepeat = false,
  ): Promise<T> {
    const opening = open(signal);
    let hadSession = false;
    try {
      const sent = opening.then(({ client, transport }) => {
        hadSession = transport.sessionId !== undefined;
        return send(client);
      });
      return await Promise.race([sent, exceeded.promise]);
    } catch (error) {
      signal.throwIfAborted();
      // After any error but one of the protocol, nothing is known of the connection.
      if (!(error instanceof ProtocolError)) giveUp(opening);
      if (error instanceof McpFailure) exceeded = newExceeded();
      if (hadSession && !isRepeat && isForgotten(error)) return request(signal, send, true);
      throw failureOf(error);
    }
  }

  return {
    list: (signal) => request(signal, (client) => listAll(client, signal)),
    call: ({ name, inputSchema }, input, signal) =>
      request(signal, async (client) => {
        const toolDefinition = { name, inputSchema: { ...inputSchema, type: "object" as const } };
        const params = { name, arguments: input };
        return client.callTool(params, { signal, timeout: NEVER_MS, toolDefinition });
      }),
    async close() {
      const opened = await current?.catch(() => undefined);
      current = undefined;
      if (!opened) return;
      const { client, transport } = opened;
      const timer = setTimeout(() => void client.close().catch(() => {}), CLOSE_MS);
      await transport.terminateSession().catch(() => {});
      clearTimeout(timer);
      await client.close().catch(() => {});
    },
  };
}

function newExceeded(): PromiseWithResolvers<never> {
  const exceeded = Promise.withResolvers<never>();
  exceeded.promise.catch(() => {});
  return exceeded;
}

/**
 * Returns a response whose body fails after `MAX_RESPONSE_BYTES`. Then `onExceeded` is called with the error. It is passed on
 * while it arrives, since it may be a stream of events.
 */
function limited(response: Response, onExceeded: (error: McpFailure) => void): Response {
  if (!response.body) return response;
  let left = MAX_RESPONSE_BYTES;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      left -= chunk.byteLength;
      if (left >= 0) return controller.enqueue(chunk);
      const error = new McpFailure(`it answered with more than ${MAX_RESPONSE_BYTES >> 10} KiB`);
      controller.error(error);
      onExceeded(error);
    },
  });
  return new Response(response.body.pipeThrough(counting), response);
}

interface Opened {
  client: Client;
  transport: StreamableHTTPClientTransport;
}

async function openConnection(
  { url, fetch, onToolsChanged }: ConnectionDeps,
  signal: AbortSignal,
): Promise<Opened> {
  const client = new Client(
    { name: "rigger", title: "Rigger", version: "1" },
    {
      versionNegotiation: { mode: "auto" },
      // A result is shown to the model as it is. Schemas of servers are not run here.
      jsonSchemaValidator: {
        getValidator: () => (data) => ({
          valid: true,
          data: data as never,
          errorMessage: undefined,
        }),
      },
    },
  );
  client.setNotificationHandler("notifications/tools/list_changed", onToolsChanged);
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: withoutStandaloneStream(fetch),
    requestInit: { redirect: "manual" },
  });
  const stop = () => void transport.close().catch(() => {});
  signal.addEventListener("abort", stop);
  try {
    await client.connect(transport, { signal, timeout: NEVER_MS });
    return { client, transport };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Returns a `fetch` that opens no stream for what the server says by itself: it would be one of the few connections that an
 * object may have. A stream of a response that broke off is resumed.
 */
const withoutStandaloneStream =
  (fetch: ConnectionDeps["fetch"]): typeof fetch =>
  async (input, init) => {
    const isStandalone = init?.method === "GET" && !new Headers(init.headers).has("last-event-id");
    return isStandalone ? new Response(null, { status: 405 }) : fetch(input, init);
  };

async function listAll(client: Client, signal: AbortSignal): Promise<ListedTool[]> {
  if (!client.getServerCapabilities()?.tools) throw new McpFailure("it offers no tools");
  const tools: ListedTool[] = [];
  let cursor: string | undefined;
  for (let page = 1; page <= MAX_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const listed = await client.request(
      { method: "tools/list", params },
      { signal, timeout: NEVER_MS },
    );
    for (const { name, title, description, inputSchema, annotations } of listed.tools) {
      tools.push({
        name,
        description: description ?? title,
        inputSchema,
        reads: annotations?.readOnlyHint === true,
        isIdempotent: annotations?.idempotentHint === true,
      });
    }
    if (tools.length > MAX_LISTED) throw new McpFailure(`it lists more than ${MAX_LISTED} tools`);
    cursor = listed.nextCursor;
    if (cursor === undefined) return tools;
  }
  throw new McpFailure(`its list of tools has more than ${MAX_PAGES} pages`);
}

/** Returns whether a server refused a request because it does not know its session. Some answer 400 in place of 404. */
const isForgotten = (error: unknown): boolean =>
  error instanceof SdkHttpError && (error.status === 404 || error.status === 400);

function failureOf(error: unknown): McpFailure {
  if (error instanceof McpFailure) return error;
  if (error instanceof Error && error.cause instanceof McpFailure) return error.cause;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ProtocolError) {
    const isUnknownTool =
      UNKNOWN_CODES.includes(error.code) && /not found|unknown|no such|disabled/i.test(message);
    return new McpFailure(`it answered with an error: ${shorten(message)}`, { isUnknownTool });
  }
  if (error instanceof SdkHttpError) {
    const { status, text } = error.data;
    const words = typeof text === "string" ? shorten(text) : "";
    return new McpFailure(`it answered ${[status, words].filter(Boolean).join(": ")}`);
  }
  if (error instanceof SdkError && error.code === SdkErrorCode.ConnectionClosed) {
    return new McpFailure("the connection broke off");
  }
  return new McpFailure(shorten(message) || "it failed", { cause: error });
}

const MAX_WORDS = 1_000;

const shorten = (text: string): string => text.trim().slice(0, MAX_WORDS).toWellFormed();
