import { isServerName, toolNameOf, toolPrefix } from "../../agent/mcp/names";
import { INTERRUPTED } from "../../agent/mcp/results";
import type { McpTool } from "../../agent/mcp/tools";
import type { ToolResult } from "../../agent/tool";
import { failed } from "../../agent/tools/result";

// Serves the tools of a session's MCP servers to Claude Code, which knows neither the servers' addresses nor what
// authorizes requests to them. Of the protocol it gets what tools need. Requests come from its container, and any program
// there could send them: a call is made only if the session's journal has it.

/** What answers depend on. */
export interface AnswerDeps {
  /** Returns the tools that are offered of a server; undefined if there is no such server. */
  tools(server: string): readonly McpTool[] | undefined;
  /** Makes a call that the journal has. Returns an error result for any other. */
  call(name: string, input: unknown, signal: AbortSignal): Promise<ToolResult>;
}

/** The revisions of the protocol that are served; the first one if the client asks for another. */
const REVISIONS = ["2025-06-18", "2025-11-25", "2025-03-26", "2024-11-05"];
const MAX_BODY_CHARACTERS = 4 << 20;
/** Between a comment and the next one while a call is made, in ms: what lies between may end a silent connection. */
const COMMENT_MS = 15_000;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;

interface RpcRequest {
  id: string | number;
  method: string;
  params?: Record<string, unknown> | undefined;
}

/** Answers a request of Claude Code to a server: `POST /mcp/<server>` with one message of JSON-RPC. */
export async function answerProgram(request: Request, deps: AnswerDeps): Promise<Response> {
  const server = new URL(request.url).pathname.replace(/^\/mcp\//, "");
  const tools = isServerName(server) ? deps.tools(server) : undefined;
  if (!tools) return new Response(null, { status: 404 });
  const cutOff = request.method === "GET" ? request.headers.get("last-event-id") : null;
  if (cutOff !== null) return answerCutOff(cutOff);
  // It keeps no session, and says nothing by itself.
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const text = await request.text();
  const message = text.length > MAX_BODY_CHARACTERS ? undefined : messageIn(text);
  if (message === undefined) return new Response(null, { status: 400 });
  if (message === "notification") return new Response(null, { status: 202 });
  const { id, method, params } = message;
  switch (method) {
    case "initialize": {
      const asked = REVISIONS.find((revision) => revision === params?.protocolVersion);
      return answer(id, {
        protocolVersion: asked ?? REVISIONS[0],
        capabilities: { tools: {} },
        serverInfo: { name: server, version: "1" },
      });
    }
    case "ping":
      return answer(id, {});
    case "tools/list":
      return answer(id, { tools: tools.map((tool) => shownTool(server, tool)) });
    case "tools/call": {
      const name = typeof params?.name === "string" ? toolNameOf(server, params.name) : undefined;
      if (!name || !tools.some((tool) => tool.name === name)) {
        return failure(id, INVALID_PARAMS, "There is no such tool.");
      }
      return stream(id, request.signal, (signal) =>
        deps.call(name, params?.arguments ?? {}, signal),
      );
    }
    default:
      return failure(id, METHOD_NOT_FOUND, "There is no such method.");
  }
}

function messageIn(text: string): RpcRequest | "notification" | undefined {
  try {
    const { id, method, params } = JSON.parse(text) as Partial<RpcRequest>;
    if (typeof method !== "string") return undefined;
    if (id === undefined) return "notification";
    const isId = typeof id === "string" || typeof id === "number";
    return isId ? { id, method, params: params ?? {} } : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a tool as Claude Code lists it: it puts the server's name before the tool's itself. */
const shownTool = (server: string, { name, description, inputSchema, reads }: McpTool) => ({
  name: name.slice(toolPrefix(server).length),
  description,
  inputSchema,
  // It runs such calls in parallel.
  ...(reads && { annotations: { readOnlyHint: true } }),
});

const answer = (id: RpcRequest["id"], result: object): Response =>
  Response.json({ jsonrpc: "2.0", id, result });

const failure = (id: RpcRequest["id"], code: number, message: string): Response =>
  Response.json({ jsonrpc: "2.0", id, error: { code, message } });

/** Answers with a stream that begins at once: clients limit the time until a response begins. */
function stream(
  id: RpcRequest["id"],
  requestSignal: AbortSignal,
  call: (signal: AbortSignal) => Promise<ToolResult>,
): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const gone = new AbortController();
  const write = (record: string) =>
    writer.write(new TextEncoder().encode(record)).catch(() => gone.abort());
  const signal = AbortSignal.any([gone.signal, requestSignal]);
  const timer = setInterval(() => void write(": wait\n\n"), COMMENT_MS);
  // Without an id, the client would wait for the answer for ever if the stream breaks off.
  void write(`id: ${encodeURIComponent(JSON.stringify(id))}\ndata: \n\n`);
  void call(signal)
    .then((result) => write(resultEvent(id, result)))
    .finally(() => clearInterval(timer))
    .then(() => writer.close())
    .catch(() => {});
  return new Response(readable, { headers: EVENT_STREAM });
}

/** Answers a client whose stream has broken off, since the session's object was lost. `eventId` names its request. */
function answerCutOff(eventId: string): Response {
  try {
    const id: RpcRequest["id"] = JSON.parse(decodeURIComponent(eventId));
    return new Response(resultEvent(id, failed(INTERRUPTED)), { headers: EVENT_STREAM });
  } catch {
    return new Response(null, { status: 400 });
  }
}

const EVENT_STREAM = { "content-type": "text/event-stream" };

const resultEvent = (id: RpcRequest["id"], result: ToolResult): string =>
  `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id, result: protocolResult(result) })}\n\n`;

function protocolResult({ content, isError }: ToolResult): object {
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  return {
    content: blocks.map((block) =>
      block.type === "text"
        ? block
        : { type: "image", data: block.source.data, mimeType: block.source.media_type },
    ),
    ...(isError && { isError: true }),
  };
}
