import { ARCHIVE_HOST } from "../container/protocol";
import { isPublicHost } from "../shared/public-host";
import { type Egress, hostProblem, injectSecrets } from "./egress";

/** The host at which Claude Code finds the tools of MCP servers: the session answers. No such host exists. */
export const MCP_HOST = "mcp.rigger";

/** The dependencies of the handler of a sandbox's requests. */
export interface OutboundDeps {
  /** Returns the destination that the session allows for a request to a host. */
  egress(host: string): Promise<Egress>;
  /** Answers requests to the model's host, with a key of the deployment. */
  callModel(request: Request): Promise<Response>;
  /** Answers requests to `ARCHIVE_HOST`, for the objects of saved workspaces. */
  archive(request: Request): Promise<Response>;
  /** Answers requests to `MCP_HOST`, for the tools of MCP servers. */
  callMcp(request: Request): Promise<Response>;
  fetch(request: Request): Promise<Response>;
}

/** Headers of one connection, which are not forwarded; and `host`, since the URL alone decides the destination. */
const OWN_HEADERS = [
  "connection",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * Answers a request of a program in a sandbox. Redirects are left to the program, as new requests: followed
 * here, they would carry a secret to another host. Never rejects.
 */
export async function handleOutbound(request: Request, deps: OutboundDeps): Promise<Response> {
  const { protocol, hostname, port } = new URL(request.url);
  try {
    if (hostname === ARCHIVE_HOST) return await deps.archive(request);
    if (hostname === MCP_HOST) return await deps.callMcp(request);
    const egress = await deps.egress(hostname);
    if (egress.to === "nowhere") return refusal(hostname);
    if (egress.to === "model") return await deps.callModel(request);
    const headers = forwarded(request.headers);
    // Without encryption a value could be read in transit; another port may belong to someone else.
    const isSafe = protocol === "https:" && port === "";
    return await deps.fetch(
      new Request(request, {
        headers: isSafe ? injectSecrets(headers, egress.replacements) : headers,
        redirect: "manual",
      }),
    );
  } catch {
    return said(502, `${hostname} could not be reached.`);
  }
}

function forwarded(headers: Headers): Headers {
  const named = headers.get("connection")?.split(",") ?? [];
  const left = new Headers(headers);
  for (const name of [...OWN_HEADERS, ...named.map((name) => name.trim())]) {
    if (/^[\w-]+$/.test(name)) left.delete(name);
  }
  return left;
}

const refusal = (host: string): Response =>
  said(403, `This sandbox may not reach ${host}. ${remedyFor(host)}`);

/** Returns how a sandbox could be allowed to reach a host: lists hold names only. */
function remedyFor(host: string): string {
  if (!isPublicHost(host)) return "It is not on the public internet.";
  const named = `{"allow": ["default", "${host}"]} adds this host to those allowed by default, `;
  return (
    "What it may reach is said by config.sandbox.network when its session is created: " +
    `${hostProblem(host) === null ? named : ""}"open" allows every public host.`
  );
}

/** Returns an answer of ours, which programs show to their users. */
const said = (status: number, text: string): Response =>
  new Response(`Rigger: ${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
