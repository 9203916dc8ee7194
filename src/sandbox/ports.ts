// Requests to servers in sandboxes. The sandbox says how a port is reached; whoever has the address sends the requests
// itself, so that their bodies need not pass through a session's object.

import { CARRIED, CLOSED_HEADER, PORT_HEADER } from "../container/protocol";
import type { ContainerSandbox } from "./cloudflare";
import { type PortAddress, SandboxError } from "./sandbox";

interface PortEnv {
  CONTAINER_SANDBOXES: Pick<DurableObjectNamespace<ContainerSandbox>, "getByName">;
}

/** Headers that the way to a container uses itself, or changes: the container's own server puts them back. */
const CHANGED_ON_THE_WAY = /^(authorization|cookie|forwarded|via|x-forwarded-.*|x-real-ip)$/;

/** A request to a server in a sandbox. */
interface PortRequest extends Pick<Request, "method" | "body" | "signal"> {
  /** The host that the client has asked. */
  host: string;
  /** The path and the query. */
  path: string;
  headers: Headers;
}

/**
 * Sends a request to a port of a sandbox and returns the answer, which may be a WebSocket. Its body is as the server has
 * sent it, compressed or not. Returns null if no server answers at the port. Rejects if the address leads nowhere; another
 * one may do then.
 */
export async function fetchPort(
  { url, headers: more, container, closedText }: PortAddress,
  { host, path, headers: own, ...request }: PortRequest,
  env: PortEnv,
): Promise<Response | null> {
  const headers = new Headers(PORT_HEADER in more ? carried(own, host) : own);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const target = url + path;
  const init: RequestInit = {
    ...{ ...request, headers },
    redirect: "manual",
    encodeResponseBody: "manual",
  };
  const answer = await (container === undefined
    ? fetch(target, init)
    : env.CONTAINER_SANDBOXES.getByName(container).fetch(
        target,
        init as RequestInit<CfProperties>,
      ));
  const closed = answer.headers.get(CLOSED_HEADER);
  if (closed !== null) {
    await answer.body?.cancel();
    if (closed === "port") return null;
    throw new SandboxError("the machine is another one, or does not run", { transient: true });
  }
  if (answer.status !== 502 || closedText === undefined) return answer;
  // The vendor's own page, or the server's.
  const bytes = await answer.arrayBuffer();
  const isClosed = new TextDecoder().decode(bytes).includes(closedText);
  return isClosed ? null : new Response(bytes, { ...fieldsOf(answer), encodeBody: "manual" });
}

const fieldsOf = ({ status, statusText, headers }: Response) => ({ status, statusText, headers });

/** Returns the headers of a request to a container's own server, which restores those of the request from them. */
function carried(own: Headers, host: string): Headers {
  const headers = new Headers({ [`${CARRIED}host`]: host });
  for (const [name, value] of own) {
    headers.append(CHANGED_ON_THE_WAY.test(name) ? `${CARRIED}${name}` : name, value);
  }
  return headers;
}
