// Serves previews: passes requests on to servers in sandboxes. It comes before the API and shares nothing with it.

import { fetchPort } from "../sandbox/ports";
import { SandboxError } from "../sandbox/sandbox";
import type { PreviewTarget } from "../session/rpc";
import type { Settings } from "../settings";
import { errorText, log } from "../shared/log";
import { ApiError } from "./errors";
import { type PreviewAddress, previewIn } from "./preview-address";
import { headersFrom, headersTo } from "./preview-headers";
import { findPreview, LOOK_MS } from "./preview-targets";
import { allowsVisit } from "./rate-limits";

/** Answers a request for a preview. Returns null for any other request. */
export function servePreview(
  request: Request,
  env: Env,
  { PREVIEW_DOMAIN: domain }: Settings,
): Promise<Response> | null {
  const url = new URL(request.url);
  const address = previewIn(url, domain);
  return address && answer(request, env, url, address).catch(failed);
}

async function answer(
  request: Request,
  env: Env,
  url: URL,
  address: PreviewAddress,
): Promise<Response> {
  const { token, base } = address;
  // Before the session is asked, which each visit does while its sandbox does not run.
  if (!(await allowsVisit(env, token))) {
    const text = "There are too many requests for this preview. Slow down.";
    return said(429, text, { "Retry-After": "60" });
  }
  const target = await findPreview(env, token);
  if (!target) return said(404, "This preview does not exist, has expired or was deleted.");
  if (base !== "" && url.pathname === base) return redirect(`${base}/${url.search}`);
  if (base !== "" && isPreflight(request)) return allowed(request);
  const { method, body, signal } = request;
  const path = url.pathname.slice(base.length) + url.search;
  const headers = headersTo(request, address);
  const asked = { method, body, signal, host: url.host, path, headers };
  const answered = await send(asked, env, target, token);
  if (answered instanceof Response) return answered;
  const { port, expiresAt } = target;
  const returned = headersFrom(answered.from, request, { ...address, port });
  return whileOpen(answered.from, returned, (end) => watch(env, token, expiresAt, end));
}

/** Sends a request to the server of a preview. Returns the response from it, or one of ours that says why there is none. */
async function send(
  request: Parameters<typeof fetchPort>[1],
  env: Env,
  target: PreviewTarget,
  token: string,
  isAgain = false,
): Promise<{ from: Response } | Response> {
  const { reached } = target;
  if (typeof reached === "string") return said(503, WHY[reached], { "Retry-After": "5" });
  try {
    const from = await fetchPort(reached, request, env);
    return from ? { from } : said(502, `Nothing answers at port ${target.port}.`);
  } catch (error) {
    // A body that was sent can't be sent again.
    if (isAgain || request.body) {
      if (!(error instanceof SandboxError)) log("preview.failed", { error: errorText(error) });
      return said(502, WHY.unreachable);
    }
    const next = await findPreview(env, token, { isAgain: true });
    return next ? send(request, env, next, token, true) : said(404, "This preview was deleted.");
  }
}

const WHY = {
  asleep: "The session's sandbox does not run. The session starts it with its next message.",
  starting: "The session's sandbox is being started.",
  unreachable: "The session's sandbox can't be reached at the moment.",
};

/**
 * Returns a response with other headers, whose body or WebSocket ends when `watch` says so. `watch` returns what ends the
 * watch.
 */
function whileOpen(
  response: Response,
  headers: Headers,
  watch: (end: () => void) => () => void,
): Response {
  const { status, statusText, body, webSocket } = response;
  if (webSocket) return joined(webSocket, headers, watch);
  const init = { status, statusText, headers, encodeBody: "manual" } as const;
  if (!body) return new Response(null, init);
  const length = headers.get("content-length");
  const { readable, writable } =
    length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const over = new AbortController();
  const stop = watch(() => over.abort(new Error("the preview has ended")));
  body
    .pipeTo(writable, { signal: over.signal })
    // Either side may break off.
    .catch(() => {})
    .finally(stop);
  return new Response(readable, init);
}

/** Returns a response whose WebSocket is joined to that of a server. */
function joined(
  theirs: WebSocket,
  headers: Headers,
  watch: (end: () => void) => () => void,
): Response {
  const { 0: client, 1: ours } = new WebSocketPair();
  const stop = watch(() => {
    close(ours, 1001, "the preview has ended");
    close(theirs, 1001, "the preview has ended");
  });
  for (const [one, other] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    one.binaryType = "arraybuffer";
    one.addEventListener("message", ({ data }) => {
      try {
        other.send(data);
      } catch {
        close(one, 1011, "the other side is gone");
      }
    });
    one.addEventListener("close", ({ code, reason }) => {
      stop();
      close(other, code, reason);
    });
    one.addEventListener("error", () => {
      stop();
      close(other, 1011, "the other side is gone");
    });
    one.accept();
  }
  const protocol = headers.get("sec-websocket-protocol");
  return new Response(null, {
    status: 101,
    webSocket: client,
    headers: protocol === null ? {} : { "Sec-WebSocket-Protocol": protocol },
  });
}

/** Closes a WebSocket. Does nothing if it is closed. Codes that stand for the lack of one can't be sent. */
function close(socket: WebSocket, code: number, reason: string): void {
  try {
    if (code === 1005) socket.close();
    else socket.close(code === 1006 || code === 1015 ? 1011 : code, reason);
  } catch {
    // It is closed.
  }
}

/** Calls `end` once a preview has expired or was removed. Returns what ends the watch. */
function watch(env: Env, token: string, expiresAt: number, end: () => void): () => void {
  let timer: number | null = null;
  let isOver = false;
  const look = async () => {
    // If the session can't be reached, it is asked again.
    const isOpen = await findPreview(env, token).then(Boolean, () => true);
    if (isOver) return;
    if (isOpen) wait();
    else end();
  };
  const wait = () => {
    const ms = Math.min(LOOK_MS, Math.max(0, expiresAt - Date.now()));
    timer = setTimeout(() => void look(), ms);
  };
  wait();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** A page of the deployment's own host has no origin: browsers ask before some of its requests to its server. */
const isPreflight = ({ method, headers }: Request): boolean =>
  method === "OPTIONS" && headers.has("Access-Control-Request-Method");

const allowed = ({ headers }: Request): Response =>
  new Response(null, {
    status: 204,
    headers: {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Methods": headers.get("Access-Control-Request-Method") ?? "*",
      "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers") ?? "*",
      "Access-Control-Max-Age": "600",
    },
  });

const redirect = (location: string): Response =>
  new Response(null, { status: 308, headers: { Location: location } });

/** Returns a response of Rigger's own. */
const said = (status: number, text: string, headers: Record<string, string> = {}): Response =>
  new Response(`Rigger: ${text}\n`, {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'; sandbox",
      "X-Content-Type-Options": "nosniff",
      "X-Robots-Tag": "noindex",
      ...headers,
    },
  });

/** Returns the response to a request whose session can't be reached, or that failed by a defect. */
function failed(error: unknown): Response {
  const isExpected = error instanceof ApiError;
  if (!isExpected) log("preview.failed", { error: errorText(error) });
  return isExpected
    ? said(503, error.message, { "Retry-After": "5" })
    : said(500, "Something went wrong. Try again.");
}
