import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import {
  type Asked,
  checkNetwork,
  detailOf,
  isPublic,
  network,
  newSandbox,
  type Plan,
  Refusal,
  type Sandbox,
  Sandboxes,
  type Schemas,
  sandboxOf,
  seconds,
  type Team,
} from "./e2b-sandboxes.ts";
import { Faults } from "./faults.ts";
import { joinTo, passOnTo } from "./port-proxy.ts";

// A stand-in for E2B: the part of its API (api.e2b.app) that Rigger and E2B's own client use, and the edge before its
// sandboxes (sandbox.e2b.app). Each API key is a team of its own, and sees only its sandboxes.

const ENVD_PORT = "49983";
const INVALID_KEY =
  "Invalid API key, please visit https://e2b.dev/docs/api-key for more information.\nInvalid API key format";
/** A path: what it is about, the id of one of them, and what to do with it. */
const OPERATION = /^((?:\/v2)?\/\w+)(?:\/([^/]+)(\/\w+)?)?$/;

const pauseRequest = z.object({ memory: z.boolean().default(true) });
const timeoutRequest = z.object({ timeout: seconds });
const connectRequest = z.object({ timeout: seconds.default(300) });
const forkRequest = z.object({ timeout: seconds.default(300), count: z.int().default(1) });
const networkRequest = network.extend({ allow_internet_access: z.boolean().exactOptional() });

/** Creates a stand-in. `handle` answers requests to the API and to its sandboxes. */
export function standInE2b(plan: Partial<Plan> = {}) {
  const teams = new Map<string, Team>();
  const sandboxes = new Sandboxes({
    templates: ["base", "rigger"],
    maxConcurrent: 100,
    maxHours: 24,
    ...plan,
  });
  return { handle, upgrade, close: () => sandboxes.close() };

  async function handle(request: Request): Promise<Response> {
    const { pathname, hostname } = new URL(request.url);
    if (hostname.startsWith("sandbox.") || request.headers.has("E2b-Sandbox-Id")) {
      return edge(request);
    }
    const team = teamOf(request);
    if (!team) return answer(401, { code: 401, message: INVALID_KEY });
    if (pathname.startsWith("/__")) return control(request, team);
    const text = await request.text();
    const body: unknown = text === "" ? {} : JSON.parse(text);
    return record(request, team, body, async () => {
      try {
        return api(request, body, team);
      } catch (error) {
        return refuse(error);
      }
    });
  }

  /** Answers a test: `/__faults` injects a fault, `/__requests` lists what was asked, `/__vanish` loses a sandbox. */
  async function control(request: Request, team: Team): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/__requests") return Response.json(team.asked);
    if (request.method === "DELETE") team.faults.clear();
    else if (pathname === "/__faults") team.faults.add(await request.json());
    else sandboxes.remove(sandboxes.found(team, await request.text()));
    return new Response(null, { status: 204 });
  }

  function teamOf(request: Request): Team | undefined {
    const key = request.headers.get("X-API-KEY") ?? "";
    if (!/^e2b_([0-9a-f]{2})+$/.test(key)) return undefined;
    const team = teams.get(key) ?? { faults: new Faults(), asked: [] };
    teams.set(key, team);
    return team;
  }

  /** Answers a request for something in a sandbox. A sandbox that does not run is not found there. */
  async function edge(request: Request): Promise<Response> {
    const id = request.headers.get("E2b-Sandbox-Id");
    const port = request.headers.get("E2b-Sandbox-Port");
    if (!id || !port) return new Response("missing header\n", { status: 400 });
    const one = sandboxes.get(id);
    if (one?.state !== "running") return badGateway(id, "The sandbox was not found");
    if (port !== ENVD_PORT) return server(one, Number(port), request);
    return record(request, one.team, undefined, () => one.envd.handle(request));
  }

  /** Passes a request on to a server in a sandbox, at a port of this computer. */
  async function server(one: Sandbox, port: number, request: Request): Promise<Response> {
    const token = request.headers.get("e2b-traffic-access-token");
    if (!isPublic(one) && token !== one.trafficToken) {
      return Response.json(
        { sandboxId: one.id, message: "Invalid traffic access token", code: 403 },
        { status: 403 },
      );
    }
    const answer = await passOnTo(port, request, new URL(request.url));
    return answer ?? badGateway(one.id, "The sandbox is running but port is not open");
  }

  /** Joins a connection for a WebSocket to that of a server in a sandbox. */
  function upgrade(incoming: IncomingMessage, socket: Duplex): void {
    const { headers } = incoming;
    const one = sandboxes.get(String(headers["e2b-sandbox-id"]));
    const isAllowed = one && headers["e2b-traffic-access-token"] === one.trafficToken;
    if (isAllowed) joinTo(Number(headers["e2b-sandbox-port"]), incoming, socket);
    else socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
  }

  async function record(
    request: Request,
    team: Team,
    body: unknown,
    act: () => Promise<Response>,
  ): Promise<Response> {
    const call = `${request.method} ${new URL(request.url).pathname}`;
    const asked: Asked = { call, body, status: 0 };
    team.asked.push(asked);
    const response = await team.faults.around(request, act);
    asked.status = response.status;
    return response;
  }

  function api(request: Request, body: unknown, team: Team): Response {
    const { pathname, searchParams } = new URL(request.url);
    const [, kind = "", id = "", verb = ""] = pathname.match(OPERATION) ?? [];
    const found = () => sandboxes.found(team, id);
    const running = () => sandboxes.running(team, id);
    switch (`${request.method} ${kind}${id && "/*"}${verb}`) {
      case "POST /v2/sandboxes":
        return answer(201, sandboxOf(sandboxes.create(team, newSandbox.parse(body))));
      case "GET /v2/sandboxes": {
        const { page, headers } = sandboxes.list(team, searchParams);
        return answer(200, page, headers);
      }
      case "GET /sandboxes/*":
        return answer(200, detailOf(found()));
      case "DELETE /sandboxes/*":
        sandboxes.remove(found());
        return done();
      case "POST /sandboxes/*/pause":
        if (found().state === "paused") {
          throw new Refusal(409, `Error pausing sandbox - sandbox '${id}' is already paused`);
        }
        sandboxes.pause(running(), pauseRequest.parse(body).memory);
        return done();
      case "POST /v2/sandboxes/*/connect": {
        const isResumed = sandboxes.connect(found(), connectRequest.parse(body).timeout);
        return answer(isResumed ? 201 : 200, sandboxOf(found()));
      }
      case "POST /sandboxes/*/timeout":
        sandboxes.extend(running(), timeoutRequest.parse(body).timeout, true);
        return done();
      case "PUT /sandboxes/*/network": {
        const { allow_internet_access: access, ...rules } = networkRequest.parse(body);
        checkNetwork(rules);
        Object.assign(running().asked, { network: rules, allow_internet_access: access });
        return done();
      }
      case "POST /sandboxes/*/snapshots":
        return answer(201, sandboxes.snapshot(running()));
      case "POST /sandboxes/*/fork": {
        const { timeout, count } = forkRequest.parse(body);
        return answer(201, sandboxes.fork(found(), timeout, count));
      }
      case "GET /snapshots":
        return answer(200, sandboxes.listSnapshots(team, searchParams.get("sandboxID")));
      case "DELETE /templates/*":
        sandboxes.removeSnapshot(team, decodeURIComponent(id));
        return done();
      default:
        throw new Refusal(400, "validation error: no matching operation was found");
    }
  }
}

function refuse(error: unknown): Response {
  if (error instanceof Refusal) {
    return answer(error.status, { code: error.status, message: error.message });
  }
  if (!(error instanceof z.ZodError)) throw error;
  return answer(400, { code: 400, message: `validation error: ${error.issues[0]?.message}` });
}

type Answer =
  | Schemas["Sandbox"]
  | Schemas["SandboxDetail"]
  | Schemas["ListedSandbox"][]
  | Schemas["SnapshotInfo"]
  | Schemas["SnapshotInfo"][]
  | Schemas["SandboxForkResult"][]
  | Schemas["Error"];

const answer = (status: number, body: Answer, headers: Record<string, string> = {}) =>
  Response.json(body, {
    status,
    headers: { "X-E2B-Trace-ID": randomBytes(16).toString("hex"), ...headers },
  });

const done = () => new Response(null, { status: 204 });

const badGateway = (sandboxId: string, message: string) =>
  Response.json({ sandboxId, message, code: 502 }, { status: 502 });
