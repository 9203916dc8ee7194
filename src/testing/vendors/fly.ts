import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { Faults } from "./faults.ts";
import { FlyError, FlyMachine } from "./fly-machine.ts";
import { proxyTo, requestId } from "./fly-proxy.ts";
import {
  createMachineRequest,
  type errorResponse,
  type execResponse,
  type MachineAnswer,
  machineExecRequest,
  stopRequest,
  WAIT_STATES,
  type waitMachineResponse,
} from "./fly-schemas.ts";

// A stand-in of Fly Machines: the Machines API (api.machines.dev) and the Fly Proxy (<app>.fly.dev), with machines that
// run real programs in local folders. It follows Fly's OpenAPI description and the documentation of superfly/docs; where
// these are silent (the words of most errors, the answers of the proxy when no machine can be reached) it follows what
// others have published of the real service, or says nothing that a client could rely on.

interface FlyOptions {
  /** The apps of every account. */
  apps: readonly string[];
  /** How often each action may be requested, as a multiple of Fly's limits. */
  allowance?: number;
  /** The time that a change of a machine's state takes. */
  delayMs?: number;
}

/** What belongs to one token: a test with a token of its own meets no other test. */
interface Account {
  faults: Faults;
  requests: { call: string; status: number | null }[];
  machines: Map<string, FlyMachine>;
  /** How much of each action is still allowed. */
  buckets: Map<string, { left: number; at: number }>;
}

/** Fly's limits of a second for each action on a machine or an app, and of a moment. */
const LIMITS = { show: { rate: 5, burst: 10 }, others: { rate: 1, burst: 3 } };

/** Creates a stand-in. `handle` answers requests to the API and to its machines. */
export function standInFly({ apps, allowance = 1, delayMs = 20 }: FlyOptions) {
  const accounts = new Map<string, Account>();
  const close = () => {
    for (const account of accounts.values()) {
      for (const machine of living(account)) machine.vanish();
    }
  };
  return { handle, close };

  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, first = "", ...rest] = url.pathname.split("/");
    if (url.hostname.endsWith(".fly.dev")) return edge(request, url.hostname, url);
    // Without names of hosts, the first segment of the path says which.
    if (first.endsWith(".fly.dev")) {
      return edge(request, first, new URL(`/${rest.join("/")}${url.search}`, url));
    }
    const account = accountOf(request);
    if (!account) return failure(401, "Authenticate: token validation error");
    if (first.startsWith("__")) return control(account, request, first, rest);
    return record(account, `${request.method} ${url.pathname}`, request, async () => {
      try {
        return await api(account, request, url, rest);
      } catch (error) {
        if (error instanceof FlyError) return failure(error.status, error.message);
        if (!(error instanceof z.ZodError) && !(error instanceof SyntaxError)) throw error;
        return failure(400, `invalid_argument: ${error.message}`);
      }
    });
  }

  /** Returns the account of a request's token. */
  function accountOf(request: Request): Account | undefined {
    const header = request.headers.get("authorization") ?? "";
    if (!/^Bearer FlyV1 fm2_\w+$/.test(header)) return undefined;
    const account = accounts.get(header) ?? {
      faults: new Faults(),
      requests: [],
      machines: new Map(),
      buckets: new Map(),
    };
    accounts.set(header, account);
    return account;
  }

  async function record(
    account: Account,
    call: string,
    request: Request,
    act: () => Promise<Response>,
  ): Promise<Response> {
    const asked: Account["requests"][number] = { call, status: null };
    account.requests.push(asked);
    const response = await account.faults.around(request, act);
    asked.status = response.status;
    return response;
  }

  /** Answers a request to `<app>.fly.dev`. */
  function edge(request: Request, host: string, url: URL): Promise<Response> {
    const id = request.headers.get("fly-force-instance-id");
    const all = [...accounts.values()];
    const account = all.find(({ machines }) => machines.has(id ?? ""));
    const act = () => proxyTo(account ? living(account) : all.flatMap(living), request, host, url);
    return account ? record(account, `${request.method} ${url.pathname}`, request, act) : act();
  }

  /**
   * Answers a test: `/__faults` injects a fault, `/__requests` lists what was asked, `/__machines` what lives, and
   * `/__machines/<id>/vanish` or `/lose-snapshot` does that to a machine.
   */
  async function control(
    account: Account,
    request: Request,
    what: string,
    [id = "", harm]: string[],
  ): Promise<Response> {
    const { faults, requests, machines } = account;
    if (what === "__requests") return Response.json(requests);
    if (what === "__faults") {
      if (request.method === "DELETE") faults.clear();
      else faults.add(await request.json());
      return new Response(null, { status: 204 });
    }
    if (harm === "vanish") {
      machines.get(id)?.vanish();
      machines.delete(id);
    }
    if (harm === "lose-snapshot") machines.get(id)?.loseSnapshot();
    return Response.json(
      living(account).map(({ id, app, name, state, logs }) => ({ id, app, name, state, logs })),
    );
  }

  async function api(
    account: Account,
    request: Request,
    url: URL,
    path: string[],
  ): Promise<Response> {
    const [kind, app = "", machinesOrNone, id, action = "", key = ""] = path;
    if (kind !== "apps" || !apps.includes(app)) throw new FlyError(404, "app not found");
    if (machinesOrNone === undefined) return answer({ id: app, name: app, status: "deployed" });
    if (machinesOrNone !== "machines") throw new FlyError(404, "not found");
    const { method } = request;
    if (id === undefined) {
      limit(account, `${method} ${app}`, LIMITS.others);
      return method === "POST"
        ? create(account, app, await request.json())
        : answer(list(account, app, url));
    }
    limit(
      account,
      `${method} ${action} ${id}`,
      method + action === "GET" ? LIMITS.show : LIMITS.others,
    );
    const machine = account.machines.get(id);
    if (machine?.app !== app) throw new FlyError(404, "machine not found");
    if (machine.isDestroyed && !["GET", "GETwait", "DELETE"].includes(method + action)) {
      throw new FlyError(404, "machine not found");
    }
    switch (`${method} ${action}`) {
      case "GET ":
        return answer(machine.show());
      case "DELETE ":
        machine.destroy(
          [url.searchParams.get("force"), url.searchParams.get("kill")].includes("true"),
        );
        return answer({ ok: true });
      case "GET wait":
        return wait(machine, url);
      case "POST start":
        return answer({ previous_state: machine.start(), migrated: false, new_host: "" });
      case "POST stop": {
        const { signal, timeout } = stopRequest.parse(JSON.parse((await request.text()) || "{}"));
        machine.stop(signal, timeout === undefined ? undefined : Number.parseFloat(timeout) * 1000);
        return answer({ ok: true });
      }
      case "POST suspend":
        machine.suspend();
        return answer({ ok: true });
      case "POST exec":
        return answer(await exec(machine, machineExecRequest.parse(await request.json())));
      case "GET events":
        return answer(machine.show().events);
      case "GET metadata":
        return answer(machine.config.metadata ?? {});
      case "POST metadata":
        machine.setMetadata(
          key,
          z.strictObject({ value: z.string() }).parse(await request.json()).value,
        );
        return new Response(null, { status: 204, headers: requestId() });
      case "DELETE metadata":
        machine.setMetadata(key, null);
        return new Response(null, { status: 204, headers: requestId() });
      default:
        throw new FlyError(404, "not found");
    }
  }

  async function create(account: Account, app: string, body: unknown): Promise<Response> {
    const {
      config,
      name = `name-${randomBytes(4).toString("hex")}`,
      ...asked
    } = createMachineRequest.parse(body);
    if (!config?.image) throw new FlyError(400, "invalid_argument: config.image is required");
    const other = living(account).find((one) => one.app === app && one.name === name);
    if (other) {
      throw new FlyError(
        409,
        `already_exists: unique machine name violation, machine ID ${other.id} already exists with name "${name}"`,
      );
    }
    const machine = new FlyMachine({
      app,
      name,
      region: asked.region ?? "iad",
      config: {
        ...config,
        guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256, ...config.guest },
      },
      skipLaunch: asked.skip_launch ?? false,
      delayMs,
    });
    account.machines.set(machine.id, machine);
    return answer(machine.show());
  }

  function list(account: Account, app: string, { searchParams }: URL): MachineAnswer[] {
    const region = searchParams.get("region");
    const wanted = [...searchParams].filter(([name]) => name.startsWith("metadata."));
    const all = searchParams.get("include_deleted")
      ? [...account.machines.values()]
      : living(account);
    return all
      .filter(
        (one) =>
          one.app === app &&
          (region === null || one.region === region) &&
          wanted.every(([name, value]) => one.config.metadata?.[name.slice(9)] === value),
      )
      .map((one) => one.show());
  }

  async function wait(machine: FlyMachine, { searchParams }: URL): Promise<Response> {
    const states = searchParams.getAll("state").flatMap((state) => state.split(","));
    if (states.length === 0) states.push("started");
    const unknown = states.find((state) => !WAIT_STATES.includes(state));
    if (unknown !== undefined) throw new FlyError(400, `invalid_argument: state ${unknown}`);
    const version = searchParams.get("version") ?? searchParams.get("instance_id");
    if (states.includes("stopped") && version === null) {
      throw new FlyError(400, "invalid_argument: instance_id is required to wait for stopped");
    }
    const seconds = Number(searchParams.get("timeout") ?? 60);
    if (!(seconds > 0 && seconds <= 60)) throw new FlyError(400, "invalid_argument: timeout");
    if (!(await machine.waitFor(states, seconds * 1000))) {
      throw new FlyError(408, `deadline_exceeded: machine is ${machine.state}`);
    }
    const { state, instance_id } = machine.show();
    return answer({ ok: true, state, version: instance_id } satisfies z.infer<
      typeof waitMachineResponse
    >);
  }

  function limit(
    { buckets }: Account,
    what: string,
    { rate, burst }: { rate: number; burst: number },
  ): void {
    const now = Date.now();
    const most = burst * allowance;
    const bucket = buckets.get(what) ?? { left: most, at: now };
    bucket.left = Math.min(most, bucket.left + ((now - bucket.at) / 1000) * rate * allowance);
    bucket.at = now;
    buckets.set(what, bucket);
    if (bucket.left < 1) throw new FlyError(429, "rate limit exceeded");
    bucket.left -= 1;
  }
}

const living = ({ machines }: Account): FlyMachine[] =>
  [...machines.values()].filter(({ isDestroyed }) => !isDestroyed);

/** Runs a command to its end, and returns all of its output at once. */
async function exec(
  machine: FlyMachine,
  { command = [], timeout = 60 }: z.infer<typeof machineExecRequest>,
): Promise<z.infer<typeof execResponse>> {
  const [program = "", ...args] = command;
  if (machine.state !== "started") {
    throw new FlyError(412, "failed_precondition: machine not running");
  }
  const ran = machine.disk.spawn(program, args);
  const kill = setTimeout(() => ran.kill("SIGKILL"), timeout * 1000);
  const [stdout, stderr, { code }] = await Promise.all([
    text(ran.stdout),
    text(ran.stderr),
    ran.exit,
  ]);
  clearTimeout(kill);
  return { exit_code: code ?? 137, stdout, stderr };
}

const answer = (body: unknown): Response => Response.json(body, { headers: requestId() });

const failure = (status: number, error: string): Response =>
  Response.json({ error } satisfies z.infer<typeof errorResponse>, {
    status,
    headers: requestId(),
  });
