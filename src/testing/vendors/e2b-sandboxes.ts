import { randomBytes } from "node:crypto";
import { cpSync } from "node:fs";
import type { components } from "e2b";
import { z } from "zod";
import { Envd } from "./e2b-envd.ts";
import type { Faults } from "./faults.ts";
import { LocalMachine } from "./local-machine.ts";

// The sandboxes of E2B: how they come and go, with the statuses and texts of github.com/e2b-dev/infra and the types of
// E2B's client.

export type Schemas = components["schemas"];

/** What differs by plan. */
export interface Plan {
  /** The templates that exist, besides snapshots. */
  templates: readonly string[];
  maxConcurrent: number;
  maxHours: number;
}

/** A request that the stand-in has got. */
export interface Asked {
  call: string;
  body: unknown;
  status: number;
}

/** An account: its sandboxes are found by its key only. */
export interface Team {
  faults: Faults;
  asked: Asked[];
}

export interface Sandbox {
  team: Team;
  id: string;
  templateId: string;
  token: string;
  /** The token that the edge wants for all ports but that of envd, if they are not public. */
  trafficToken: string;
  state: Schemas["SandboxState"];
  startedAt: number;
  endAt: number;
  asked: z.infer<typeof newSandbox>;
  machine: LocalMachine;
  envd: Envd;
  timer?: NodeJS.Timeout | undefined;
}

const ENVD_VERSION = "0.6.4";
const ALL_TRAFFIC = "0.0.0.0/0";
const PAGE = 100;
const COPY = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
/** A type whose fields may be undefined, which is the same as absent in JSON. */
type Loose<T> = { [Name in keyof T]: T[Name] | undefined };

export const seconds = z.int();
export const network = z.object({
  allowOut: z.array(z.string()).exactOptional(),
  denyOut: z.array(z.string()).exactOptional(),
  allowPublicTraffic: z.boolean().exactOptional(),
});
export const newSandbox = z.object({
  templateID: z.string(),
  timeout: seconds.default(300),
  autoPause: z.boolean().default(false),
  autoPauseMemory: z.boolean().default(true),
  envVars: z.record(z.string(), z.string()).default({}),
  metadata: z.record(z.string(), z.string()).exactOptional(),
  allow_internet_access: z.boolean().exactOptional(),
  network: network.exactOptional(),
}) satisfies z.ZodType<unknown, Loose<Schemas["NewSandboxV2"]>>;

/** A refusal: an answer that is not a success. */
export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const notFound = (id: string) =>
  new Refusal(404, `Sandbox "${id}" doesn't exist or you don't have access to it`);

/** The sandboxes of all accounts. */
export class Sandboxes {
  readonly #plan: Plan;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** The machines of snapshots, by the ids that are templates for new sandboxes. */
  readonly #snapshots = new Map<string, { team: Team; machine: LocalMachine; of: string }>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Ends everything. */
  close(): void {
    for (const one of this.#sandboxes.values()) this.remove(one);
    for (const { machine } of this.#snapshots.values()) machine.destroy();
  }

  get(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id);
  }

  create(team: Team, asked: z.infer<typeof newSandbox>): Sandbox {
    const { templateID } = asked;
    const name = templateID.replace(/:default$/, "");
    const source = this.#snapshots.get(`${name}:default`);
    if (!this.#plan.templates.includes(name) && source?.team !== team) {
      throw new Refusal(404, `template '${name}' not found`);
    }
    if (asked.timeout <= 0) throw new Refusal(400, "Timeout must be greater than 0");
    this.checkHours(asked.timeout);
    if (!asked.autoPauseMemory && !asked.autoPause) {
      throw new Refusal(400, "autoPauseMemory=false only applies when autoPause is true.");
    }
    checkNetwork(asked.network ?? {});
    this.checkConcurrency(team);
    const machine = new LocalMachine();
    if (source) cpSync(source.machine.root, machine.root, COPY);
    const token = `ea_${randomBytes(24).toString("hex")}`;
    const one: Sandbox = {
      team,
      id: `i${randomBytes(10).toString("hex")}`,
      templateId: name,
      token,
      trafficToken: randomBytes(24).toString("hex"),
      state: "running",
      startedAt: Date.now(),
      endAt: 0,
      asked,
      machine,
      envd: new Envd(machine, token, asked.envVars),
    };
    this.#sandboxes.set(one.id, one);
    this.extend(one, asked.timeout, true);
    return one;
  }

  checkConcurrency(team: Team): void {
    const all = [...this.#sandboxes.values()].filter((one) => one.team === team);
    if (all.filter((one) => one.state === "running").length < this.#plan.maxConcurrent) return;
    throw new Refusal(
      429,
      `you have reached the maximum number of concurrent E2B sandboxes (${this.#plan.maxConcurrent}). If you need more, please visit 'https://e2b.dev/docs/billing'`,
    );
  }

  checkHours(timeout: number): void {
    if (timeout <= this.#plan.maxHours * 3600) return;
    throw new Refusal(400, `Timeout cannot be greater than ${this.#plan.maxHours} hours`);
  }

  /** Returns a sandbox of a team, whatever its state. */
  found(team: Team, id: string): Sandbox {
    const one = this.#sandboxes.get(id);
    if (one?.team === team) return one;
    throw notFound(id);
  }

  /** Returns a running sandbox. Most calls do not see a paused one. */
  running(team: Team, id: string): Sandbox {
    const one = this.found(team, id);
    if (one.state === "running") return one;
    throw notFound(id);
  }

  /** Sets when a sandbox ends, within the longest time that it may run. Never earlier unless `mayShorten`. */
  extend(one: Sandbox, timeout: number, mayShorten: boolean): void {
    const last = one.startedAt + this.#plan.maxHours * 3_600_000;
    const endAt = Math.min(last, Date.now() + Math.max(0, timeout) * 1000);
    if (!mayShorten && endAt < one.endAt) return;
    one.endAt = endAt;
    clearTimeout(one.timer);
    one.timer = setTimeout(() => {
      if (one.asked.autoPause) this.pause(one, one.asked.autoPauseMemory);
      else this.remove(one);
    }, endAt - Date.now()).unref();
  }

  /** Pauses a sandbox. Without its memory, only its files are kept. All connections break. */
  pause(one: Sandbox, keepsMemory: boolean): void {
    clearTimeout(one.timer);
    one.state = "paused";
    one.endAt = Date.now();
    if (keepsMemory) one.machine.freeze();
    else one.machine.stop();
    one.envd.disconnect();
    if (!keepsMemory) one.envd = new Envd(one.machine, one.token, one.asked.envVars);
  }

  /** Resumes a paused sandbox. One that runs is extended only. Returns whether it was resumed. */
  connect(one: Sandbox, timeout: number): boolean {
    this.checkHours(timeout);
    if (one.state === "running") {
      this.extend(one, timeout, false);
      return false;
    }
    this.checkConcurrency(one.team);
    one.state = "running";
    one.startedAt = Date.now();
    this.extend(one, timeout, true);
    one.machine.thaw();
    return true;
  }

  remove(one: Sandbox): void {
    clearTimeout(one.timer);
    this.#sandboxes.delete(one.id);
    one.envd.disconnect();
    one.machine.destroy();
  }

  /** Keeps the files of a sandbox as a template. A real one keeps the memory too. */
  snapshot(one: Sandbox): Schemas["SnapshotInfo"] {
    const machine = new LocalMachine();
    cpSync(one.machine.root, machine.root, COPY);
    one.envd.disconnect();
    const snapshotID = `${randomBytes(10).toString("hex")}:default`;
    this.#snapshots.set(snapshotID, { team: one.team, machine, of: one.id });
    return { snapshotID, names: [] };
  }

  listSnapshots(team: Team, of: string | null): Schemas["SnapshotInfo"][] {
    return [...this.#snapshots]
      .filter(([, one]) => one.team === team && (of === null || one.of === of))
      .map(([snapshotID]) => ({ snapshotID, names: [] }));
  }

  removeSnapshot(team: Team, id: string): void {
    const one = this.#snapshots.get(id);
    if (one?.team !== team) throw new Refusal(404, `template '${id}' not found`);
    one.machine.destroy();
    this.#snapshots.delete(id);
  }

  /** Makes copies of a sandbox. Each may fail for itself. A real one is copied with its memory. */
  fork(one: Sandbox, timeout: number, count: number): Schemas["SandboxForkResult"][] {
    if (one.state === "paused") {
      throw new Refusal(409, `Sandbox '${one.id}' is paused and cannot be forked; resume it first`);
    }
    one.envd.disconnect();
    return Array.from({ length: count }, (): Schemas["SandboxForkResult"] => {
      try {
        const made = this.create(one.team, { ...one.asked, timeout });
        cpSync(one.machine.root, made.machine.root, COPY);
        return { sandbox: sandboxOf(made) };
      } catch (thrown) {
        if (!(thrown instanceof Refusal)) throw thrown;
        return { error: { code: thrown.status, message: thrown.message } };
      }
    });
  }

  /** Lists sandboxes, the newest first, in pages. Returns a page with its headers. */
  list(
    team: Team,
    parameters: URLSearchParams,
  ): { page: Schemas["ListedSandbox"][]; headers: Record<string, string> } {
    const states = parameters.get("state")?.split(",") ?? ["running", "paused"];
    const limit = Math.min(PAGE, Number(parameters.get("limit") ?? PAGE));
    const wanted = filtersOf(parameters.get("metadata"));
    const matching = [...this.#sandboxes.values()]
      .filter((one) => one.team === team)
      .filter(({ asked }) => wanted.every(([name, value]) => asked.metadata?.[name] === value))
      .sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? -1 : 1));
    const token = parameters.get("nextToken");
    const [time = "", after = ""] = token
      ? Buffer.from(token, "base64url").toString().split("__")
      : [];
    const rest = matching.filter(
      (one) =>
        states.includes(one.state) &&
        (!token ||
          one.startedAt < Date.parse(time) ||
          (one.startedAt === Date.parse(time) && one.id > after)),
    );
    const page = rest.slice(0, limit);
    const headers: Record<string, string> = {};
    const last = page.at(-1);
    if (last && rest.length > limit) {
      const cursor = `${new Date(last.startedAt).toISOString()}__${last.id}`;
      headers["X-Next-Token"] = Buffer.from(cursor).toString("base64url");
    }
    if (states.includes("running")) {
      const total = matching.filter((one) => one.state === "running").length;
      headers["X-Total-Running"] = String(total);
    }
    return { page: page.map(listedOf), headers };
  }
}

/** Checks what a sandbox may reach, as E2B does. */
export function checkNetwork({ allowOut = [], denyOut = [] }: z.infer<typeof network>): void {
  const isAddress = (text: string) => /^[\d.]+(\/\d+)?$/.test(text) || text.includes(":");
  const wrong = denyOut.find((entry) => !isAddress(entry));
  if (wrong !== undefined) throw new Refusal(400, `invalid denied CIDR ${wrong}`);
  if (allowOut.every(isAddress) || denyOut.includes(ALL_TRAFFIC)) return;
  throw new Refusal(
    400,
    "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out to block all other traffic.",
  );
}

/** Returns the pairs of a filter by metadata. They are encoded twice: each by itself, and the query of all of them. */
function filtersOf(query: string | null): [string, string][] {
  if (query === null) return [];
  return decode(query)
    .split("&")
    .map((pair) => {
      const [name, value, ...more] = pair.split("=");
      if (name === undefined || value === undefined || more.length > 0) {
        throw new Refusal(400, "Error parsing metadata");
      }
      return [decode(name), decode(value)];
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Refusal(400, "Error parsing metadata");
  }
}

export const sandboxOf = (one: Sandbox): Schemas["Sandbox"] => ({
  sandboxID: one.id,
  templateID: one.templateId,
  clientID: "6532622b",
  envdVersion: ENVD_VERSION,
  envdAccessToken: one.token,
  domain: null,
  trafficAccessToken: isPublic(one) ? null : one.trafficToken,
});

/** Returns whether everybody reaches the ports of a sandbox. */
export const isPublic = ({ asked }: Sandbox): boolean =>
  asked.network?.allowPublicTraffic !== false;

const listedOf = (one: Sandbox): Schemas["ListedSandbox"] => ({
  sandboxID: one.id,
  templateID: one.templateId,
  clientID: "6532622b",
  envdVersion: ENVD_VERSION,
  startedAt: new Date(one.startedAt).toISOString(),
  endAt: new Date(one.endAt).toISOString(),
  state: one.state,
  cpuCount: 2,
  memoryMB: 512,
  diskSizeMB: 10_240,
  volumeMounts: [],
  ...(one.asked.metadata && { metadata: one.asked.metadata }),
});

export const detailOf = (one: Sandbox): Schemas["SandboxDetail"] => ({
  ...listedOf(one),
  envdAccessToken: one.token,
  allowInternetAccess: one.asked.allow_internet_access ?? null,
  domain: null,
  lifecycle: { autoResume: false, onTimeout: one.asked.autoPause ? "pause" : "kill" },
  ...(one.asked.network && { network: one.asked.network as Schemas["SandboxNetworkConfig"] }),
});
