// Machines of E2B: its API at api.e2b.app (github.com/e2b-dev/infra, spec/openapi.yml). A machine that is not extended is
// paused, with its memory, and costs nothing then; also at the end of the longest time that it may run at once.

import { z } from "zod";
import { DEFAULT_NETWORK } from "../egress";
import { createApi } from "../machines/api";
import {
  LEASE_MS,
  type Machine,
  type MachineProvider,
  type MachineSpec,
  type Vendor,
} from "../machines/vendor";
import { type PortAddress, SandboxError } from "../sandbox";
import { ENVD_PORT, envdLink } from "./envd";

/** What a deployment needs to use E2B. */
interface E2bSettings {
  apiKey: string;
  /** The addresses of the API, and of the edge before the machines. */
  apiUrl: string;
  sandboxUrl: string;
}

const Options = z.strictObject({
  /** The name or id of a template: its image, its CPUs and its memory. */
  template: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._:/-]{0,199}$/, "must be the name of a template")
    .default("base"),
});

const LEASE_S = LEASE_MS / 1_000;
/** E2B gives up a request after 75 s. It takes some seconds to save the memory of a machine. */
const SLOW_MS = 80_000;
const PAGE = 100;

/** The labels of a machine, in its metadata at E2B. */
const metadata = z.object({
  "rigger-deployment": z.string(),
  "rigger-sandbox": z.string(),
  /** When it was made: E2B says only when it was last resumed. */
  "rigger-created": z.coerce.number(),
});
const made = z.object({
  sandboxID: z.string(),
  envdAccessToken: z.string(),
  trafficAccessToken: z.string().nullish(),
});
const found = z.object({
  sandboxID: z.string(),
  state: z.enum(["running", "paused"]),
  metadata: z.record(z.string(), z.string()).default({}),
  envdAccessToken: z.string().optional(),
});

/** A machine, with the token of the server in it if it is known. */
interface E2bMachine extends Machine {
  token?: string | undefined;
  /** The token that E2B's edge wants for other servers in it, if it is known. */
  trafficToken?: string | null | undefined;
}

/** The provider of E2B's machines. */
export const e2b: MachineProvider = {
  options: Options,
  // E2B lets a list of hosts through, or all, or none.
  networkProblem: () => null,
  defaultNetwork: DEFAULT_NETWORK,
  installs: true,
  suspends: true,
  reservedPorts: [ENVD_PORT],
};

/** Returns the client of E2B's API. */
export function openE2b({ apiKey, apiUrl, sandboxUrl }: E2bSettings): Vendor<E2bMachine> {
  const api = createApi({
    vendor: "E2B",
    baseUrl: apiUrl,
    headers: { "X-API-KEY": apiKey },
    secrets: [apiKey],
    requestIdHeader: "X-E2B-Trace-ID",
  });

  return { create, find, list, get, resume, suspend, extend, destroy, link, reach };

  async function create({ labels, options, hosts }: MachineSpec): Promise<E2bMachine> {
    const createdAt = Date.now();
    const { template } = Options.parse(options);
    const { sandboxID, envdAccessToken } = await api.call({
      method: "POST",
      path: "/v2/sandboxes",
      body: {
        templateID: template,
        timeout: LEASE_S,
        autoPause: true,
        metadata: { ...labelsOf(labels), "rigger-created": String(createdAt) },
        network: networkOf(hosts),
      },
      answer: made,
      timeoutMs: SLOW_MS,
    });
    return machine(sandboxID, labels.sandbox, createdAt, envdAccessToken);
  }

  async function find(labels: MachineSpec["labels"]): Promise<E2bMachine[]> {
    const machines: E2bMachine[] = [];
    for await (const one of withMetadata(labelsOf(labels))) machines.push(one);
    return machines.sort((a, b) => a.createdAt - b.createdAt);
  }

  function list(deployment: string): AsyncIterable<E2bMachine> {
    return withMetadata({ "rigger-deployment": deployment });
  }

  /** Yields the machines with this metadata, running and paused, page by page. */
  async function* withMetadata(wanted: Record<string, string>): AsyncGenerator<E2bMachine> {
    // E2B decodes a filter as a whole, and then each name and value.
    const encoded = Object.entries(wanted).map(([name, value]) => [
      name,
      encodeURIComponent(value),
    ]);
    const query = new URLSearchParams({
      metadata: new URLSearchParams(encoded).toString(),
      state: "running,paused",
      limit: String(PAGE),
    });
    for (;;) {
      let next: string | null = null;
      const page = await api.call({
        method: "GET",
        path: `/v2/sandboxes?${query}`,
        answer: z.array(found),
        onHeaders: (headers) => {
          next = headers.get("X-Next-Token");
        },
      });
      for (const one of page) {
        const known = machineOf(one);
        if (known) yield known;
      }
      if (!next) return;
      query.set("nextToken", next);
    }
  }

  async function get(id: string): Promise<E2bMachine | null> {
    const one = await api.find({ method: "GET", path: `/sandboxes/${id}`, answer: found });
    return one && machineOf(one);
  }

  async function resume({ id, sandbox, createdAt }: E2bMachine): Promise<E2bMachine> {
    const one = await connect(id);
    const { envdAccessToken, trafficAccessToken: trafficToken } = one;
    return { ...machine(id, sandbox, createdAt, envdAccessToken), trafficToken };
  }

  /** Lets a machine run for its lease, also if it is not suspended. Returns its tokens. */
  async function connect(id: string): Promise<z.infer<typeof made>> {
    const one = await api.find({
      method: "POST",
      path: `/v2/sandboxes/${id}/connect`,
      body: { timeout: LEASE_S },
      answer: made,
      repeatable: true,
      timeoutMs: SLOW_MS,
    });
    if (!one) throw new SandboxError("the machine is gone", { transient: true, lost: true });
    return one;
  }

  async function suspend({ id }: E2bMachine): Promise<void> {
    try {
      await api.call({ method: "POST", path: `/sandboxes/${id}/pause`, timeoutMs: SLOW_MS });
    } catch (error) {
      // It may be paused already, or by this request.
      const now = await get(id);
      if (now?.state === "running") throw error;
    }
  }

  function extend({ id }: E2bMachine): Promise<void> {
    const body = { timeout: LEASE_S };
    return api.call({
      method: "POST",
      path: `/sandboxes/${id}/timeout`,
      body,
      repeatable: true,
    });
  }

  async function destroy({ id }: E2bMachine): Promise<void> {
    await api.find({ method: "DELETE", path: `/sandboxes/${id}` });
  }

  function link(one: E2bMachine) {
    const token = async () => {
      one.token ??= (await get(one.id))?.token;
      if (one.token !== undefined) return one.token;
      throw new SandboxError("the machine is gone", { transient: true });
    };
    return envdLink({ api, url: sandboxUrl, id: one.id, token });
  }

  async function reach(one: E2bMachine, port: number): Promise<PortAddress> {
    // E2B tells this token only to who makes or connects to a machine.
    one.trafficToken ??= (await connect(one.id)).trafficAccessToken ?? "";
    const headers = {
      "e2b-sandbox-id": one.id,
      "e2b-sandbox-port": String(port),
      "e2b-traffic-access-token": one.trafficToken,
    };
    return { url: sandboxUrl, headers, closedText: one.id };
  }
}

const machine = (
  id: string,
  sandbox: string,
  createdAt: number,
  token: string | undefined,
): E2bMachine => ({ id, sandbox, createdAt, state: "running", token });

/** Returns a machine as E2B knows it; null if it is none of Rigger's. */
function machineOf(one: z.infer<typeof found>): E2bMachine | null {
  const labels = metadata.safeParse(one.metadata);
  if (!labels.success) return null;
  const { "rigger-sandbox": sandbox, "rigger-created": createdAt } = labels.data;
  const known = machine(one.sandboxID, sandbox, createdAt, one.envdAccessToken);
  return one.state === "running" ? known : { ...known, state: "suspended" };
}

const labelsOf = ({ deployment, sandbox }: MachineSpec["labels"]) => ({
  "rigger-deployment": deployment,
  "rigger-sandbox": sandbox,
});

/** Returns what a machine may reach. Nobody reaches its ports, but for the server in it, which wants a token. */
function networkOf(hosts: MachineSpec["hosts"]) {
  const egress = hosts === "open" ? {} : { allowOut: hosts, denyOut: ["0.0.0.0/0"] };
  return { allowPublicTraffic: false, ...egress };
}
