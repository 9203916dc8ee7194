// Answers requests of programs in vendors' machines. They reach the Worker through the internet, at its public URL:
//
//   /machines/<session>/archive/<token>/<name>   objects of a saved workspace, while it is saved or restored
//   /machines/<session>/model/…                  model calls of Claude Code
//   /machines/<session>/mcp/<server>             tools of MCP servers, for Claude Code
//   /machines/<session>/proxy/<host>/…           a request to a host, with the secrets of the session that are for it
//
// All but the first need the token of the session's machine in a header; model calls have it as their API key. A machine of
// Cloudflare's reaches the same through outbound.ts.

import { TOKEN_HEADER } from "../../container/protocol";
import type { Bucket } from "../archive";
import type { Egress } from "../egress";
import { handleOutbound } from "../outbound";
import { type Grant, serveTransfer } from "../transfers";

/** The session of a machine, for its requests. */
interface MachineSession {
  ownsMachine(token: string): Promise<boolean>;
  egress(host: string): Promise<Egress>;
  transfer(token: string, bytes: number): Promise<Grant | null>;
  fetch(request: Request): Promise<Response>;
}

/** Returns the address of a session for its machine, below the deployment's. */
export const addressOf = (publicUrl: string, session: string): string =>
  `${publicUrl}/machines/${session}`;

/** Returns the headers by which a request is known as one of the machine with a token. */
export const tokenHeaders = (token: string): Record<string, string> => ({ [TOKEN_HEADER]: token });

/** Answers a request of a machine. `path` is the part of its path after the session. */
export async function answerMachine(
  request: Request,
  path: string,
  session: MachineSession,
  bucket: Bucket,
): Promise<Response> {
  const url = new URL(request.url);
  const [, what = "", first = ""] = path.split("/");
  if (what === "archive") {
    url.pathname = path.slice("/archive".length);
    return serveTransfer(new Request(url, request), bucket, (token, bytes) =>
      session.transfer(token, bytes),
    );
  }
  const headers = new Headers(request.headers);
  const isModel = path.startsWith("/model/");
  const token = headers.get(isModel ? "x-api-key" : TOKEN_HEADER) ?? "";
  headers.delete(TOKEN_HEADER);
  const isForSession = isModel || path.startsWith("/mcp/");
  if (!isForSession && !path.startsWith("/proxy/")) return said(404, "there is no such path");
  if (!(await session.ownsMachine(token))) return said(401, "the token is not that of the session");
  if (isForSession) {
    // The session takes another header for the word of the Worker.
    headers.delete("x-rigger-caller");
    const target = `https://session${path}${url.search}`;
    return session.fetch(new Request(target, new Request(request, { headers })));
  }
  const target = URL.parse(`https://${first}${path.slice(`/proxy/${first}`.length)}${url.search}`);
  if (!target) return said(400, "the path must begin with a host");
  return handleOutbound(new Request(target, new Request(request, { headers })), {
    // Other hosts are reached without it: it is no way around what the vendor lets through.
    egress: async (host) => withSecretsOnly(await session.egress(host)),
    // Model calls have a path of their own.
    callModel: async () => said(404, "model calls have another path"),
    callMcp: async () => said(404, "tools have another path"),
    archive: async () => said(404, "there is no such path"),
    fetch: (asked) => fetch(asked),
  });
}

const withSecretsOnly = (egress: Egress): Egress =>
  egress.to === "host" && egress.replacements.length === 0 ? { to: "nowhere" } : egress;

const said = (status: number, text: string): Response =>
  new Response(`Rigger: ${text}\n`, { status });
