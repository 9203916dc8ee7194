import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { PortPreviewUrl, Sandbox } from "@daytona/api-client";
import { daemonProblem, problem } from "./daytona-problems.ts";
import { type Box, Sandboxes, type SandboxOptions } from "./daytona-sandboxes.ts";
import { overSocket } from "./daytona-socket.ts";
import { Faults } from "./faults.ts";
import { urlOf } from "./local-machine.ts";
import { passOnTo } from "./port-proxy.ts";

// A stand-in for Daytona: the part of its API that Rigger and Daytona's own client use, at /api, and the toolboxes of its
// sandboxes, at /toolbox/<id>. States, errors and limits follow Daytona's published source. Each API key is an
// organization of its own.

/** A request that was recorded. `status` is 0 until it is answered. */
interface Asked {
  call: string;
  body: unknown;
  status: number;
}

interface Organization {
  sandboxes: Sandboxes;
  faults: Faults;
  asked: Asked[];
}

/** Creates a stand-in. `handle` answers requests, and `upgrade` those for WebSockets. */
export function standInDaytona(options: SandboxOptions = {}) {
  const organizations = new Map<string, Organization>();
  return { handle, upgrade, sandboxesOf, close };

  async function handle(request: Request): Promise<Response> {
    if (new URL(request.url).pathname.startsWith("/preview/")) return preview(request);
    const organization = organizationOf(request);
    if (!organization) return unauthorized(request);
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/__")) return control(request, organization);
    return record(request, organization, () => {
      if (pathname.startsWith("/toolbox/")) return toolbox(request, organization);
      return api(request, organization.sandboxes);
    });
  }

  /** Follows a log over a WebSocket, the only thing that there is one for. */
  async function upgrade(incoming: IncomingMessage, socket: Duplex): Promise<void> {
    const entries = Object.entries(incoming.headers).filter(([name]) => name !== "connection");
    const request = new Request(urlOf(incoming), {
      headers: entries.map(([name, value]): [string, string] => [name, String(value)]),
    });
    const organization = organizationOf(request);
    let messages: AsyncIterable<Uint8Array> | undefined;
    const follow = async () => {
      const box = organization?.sandboxes.boxOfToolbox(request) ?? unauthorized(request);
      const found = box instanceof Response ? box : box.toolbox.follow(request);
      if (found instanceof Response) return found;
      messages = found;
      return new Response();
    };
    const answer = await (organization ? record(request, organization, follow) : follow());
    if (messages && answer.ok) return overSocket(incoming, socket, messages);
    const head = [`HTTP/1.1 ${answer.status} Refused`, "Connection: close"].join("\r\n");
    socket.end(`${head}\r\n\r\n${await answer.text()}`);
  }

  /** Returns the sandboxes of an organization that exist. */
  function sandboxesOf(key: string): Sandbox[] {
    return organizations.get(key)?.sandboxes.all() ?? [];
  }

  function close(): void {
    for (const { sandboxes } of organizations.values()) sandboxes.close();
  }

  function organizationOf(request: Request): Organization | undefined {
    const [, key] = /^Bearer (dtn_\w+)$/.exec(request.headers.get("Authorization") ?? "") ?? [];
    if (key === undefined) return undefined;
    const organization = organizations.get(key) ?? {
      sandboxes: new Sandboxes(options),
      faults: new Faults(),
      asked: [],
    };
    organizations.set(key, organization);
    return organization;
  }

  /**
   * Answers a test: `/__faults` injects a fault, `/__requests` and `/__sandboxes` list what was asked and what exists,
   * `/__cut` cuts the followed logs, and `/__vanish` loses a sandbox.
   */
  async function control(request: Request, { faults, asked, sandboxes }: Organization) {
    const { pathname } = new URL(request.url);
    if (pathname === "/__requests") return Response.json(asked);
    if (pathname === "/__sandboxes") return Response.json(sandboxes.all());
    if (request.method === "DELETE") faults.clear();
    else if (pathname === "/__cut") sandboxes.cutLogs();
    else if (pathname === "/__faults") faults.add(await request.json());
    else sandboxes.vanish(await request.text());
    return new Response(null, { status: 204 });
  }

  async function record(
    request: Request,
    { faults, asked }: Organization,
    act: () => Promise<Response>,
  ): Promise<Response> {
    const isJson = request.headers.get("Content-Type")?.startsWith("application/json");
    const one: Asked = {
      call: `${request.method} ${new URL(request.url).pathname}`,
      body: isJson ? await request.clone().json() : undefined,
      status: 0,
    };
    asked.push(one);
    const response = await faults.around(request, act);
    one.status = response.status;
    return response;
  }

  /**
   * Passes a request on to a server in a sandbox, at a port of this computer. The real proxy has a host name for each; its
   * words are not documented.
   */
  async function preview(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, , id = "", port = "", ...path] = url.pathname.split("/");
    const all = [...organizations.values()];
    const box = all.map(({ sandboxes }) => sandboxes.find(id)).find(Boolean);
    const token = request.headers.get("x-daytona-preview-token");
    if (box?.dto.state !== "started" || token !== tokenOf(box, port)) {
      return problem(request, 401, "unauthorized");
    }
    url.pathname = `/${path.join("/")}`;
    const answer = await passOnTo(Number(port), request, url);
    if (answer) return answer;
    const said = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
    return problem(request, 502, said);
  }

  async function toolbox(request: Request, { sandboxes }: Organization): Promise<Response> {
    const box = sandboxes.boxOfToolbox(request);
    if (box instanceof Response) return box;
    return box.toolbox.answer(request);
  }
}

async function api(request: Request, sandboxes: Sandboxes): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, , kind, idOrName = "", act = "", value = ""] = pathname
    .split("/")
    .map(decodeURIComponent);
  if (kind === "snapshots") return sandboxes.snapshot(request, idOrName);
  if (kind !== "sandbox") return problem(request, 404, `Cannot ${request.method} ${pathname}`);
  if (idOrName === "")
    return request.method === "POST" ? sandboxes.create(request) : sandboxes.list(request);
  const box = sandboxes.find(idOrName);
  if (!box) return problem(request, 404, `Sandbox with ID or name ${idOrName} not found`);
  return (
    sandboxes.changeState(request, box, `${request.method} ${act}`.trim()) ??
    setting(request, box, `${request.method} ${act}`, value)
  );
}

/** Answers a request that concerns a setting of a sandbox. */
async function setting(request: Request, box: Box, what: string, value: string): Promise<Response> {
  const { dto } = box;
  const set = (changes: Partial<Sandbox>) => Response.json(Object.assign(dto, changes));
  switch (what) {
    case "POST last-activity":
      box.activeAt = Date.now();
      return new Response(null, { status: 201 });
    case "POST autostop":
      return set({ autoStopInterval: Number(value) });
    case "POST autopause":
      return set({ autoPauseInterval: Number(value) });
    case "POST autoarchive":
      return set({ autoArchiveInterval: Number(value) });
    case "POST autodelete":
      return set({ autoDeleteInterval: Number(value) });
    case "PUT labels": {
      const { labels } = await request.json();
      dto.labels = labels;
      return Response.json({ labels });
    }
    case "GET ports": {
      const url = `${new URL(request.url).origin}/preview/${dto.id}/${value}`;
      return Response.json({
        sandboxId: dto.id,
        url,
        token: tokenOf(box, value),
      } satisfies PortPreviewUrl);
    }
    case "GET toolbox-proxy-url":
      return Response.json({ url: dto.toolboxProxyUrl });
    default:
      return problem(request, 404, `Cannot ${request.method} ${new URL(request.url).pathname}`);
  }
}

/** Returns the token of a port of a sandbox. */
const tokenOf = ({ dto }: Box, port: string): string => `preview-${dto.id}-${port}`;

function unauthorized(request: Request): Response {
  const isToolbox = new URL(request.url).pathname.startsWith("/toolbox/");
  if (!isToolbox) return problem(request, 401, "Invalid credentials");
  return daemonProblem(request, 401, "authentication failed: Bearer token is invalid");
}
