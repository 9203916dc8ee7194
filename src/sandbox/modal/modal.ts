// Machines of Modal. Its API speaks gRPC only, so that a Worker can't call it: a small web endpoint of the deployment's
// owner, rigger_modal.py, makes, suspends and ends machines. The runner's HTTP server is reached over a connect token.

import { z } from "zod";
import { SERVE_PORT } from "../../container/protocol";
import { toBase64 } from "../../shared/bytes";
import { DEFAULT_NETWORK } from "../egress";
import { type Api, createApi } from "../machines/api";
import { runnerArchive } from "../machines/runner-archive";
import { keepAlive, reachServed, servedLink } from "../machines/served-link";
import { LEASE_MS, type Machine, type MachineProvider, type Vendor } from "../machines/vendor";
import { SandboxError } from "../sandbox";

/** What a deployment needs to use Modal. */
interface ModalSettings {
  /** The address of the web endpoint. */
  endpointUrl: string;
  /** A proxy auth token of the workspace, which the endpoint requires. */
  key: string;
  secret: string;
}

export const modal: MachineProvider = {
  options: z.strictObject({
    image: z.string().min(1).max(255).optional(),
    region: z.string().min(1).max(63).optional(),
    cpus: z.number().min(0.125).max(64).optional(),
    memoryMb: z.int().min(128).max(344_064).optional(),
  }),
  networkProblem: () => null,
  defaultNetwork: DEFAULT_NETWORK,
  installs: false,
  suspends: true,
  reservedPorts: [SERVE_PORT],
};

const ModalMachine = z.object({
  id: z.string().min(1),
  sandbox: z.string(),
  state: z.enum(["running", "suspended"]),
  createdAt: z.number(),
  /** How a running machine is reached: Modal's proxy needs the connect token, and the server behind it the other. */
  url: z.url().nullish(),
  connectToken: z.string().nullish(),
  token: z.string().nullish(),
});

type ModalMachine = Machine & Omit<z.infer<typeof ModalMachine>, keyof Machine>;

const Page = z.object({ machines: z.array(ModalMachine), next: z.string().nullish() });

/** The time to make or restore a machine, whose image may have to be built, in ms. The endpoint takes up to 100 seconds. */
const START_MS = 110_000;

/** Returns the client of a deployment's web endpoint. */
export function openModal({ endpointUrl, key, secret }: ModalSettings): Vendor<ModalMachine> {
  const api: Api = createApi({
    vendor: "Modal",
    baseUrl: endpointUrl.replace(/\/+$/, ""),
    headers: { "modal-key": key, "modal-secret": secret },
    secrets: [key, secret],
    requestIdHeader: "modal-function-call-id",
  });
  const path = ({ id }: Pick<Machine, "id">, action = "") =>
    `/machines/${encodeURIComponent(id)}${action}`;

  /** Returns the server of a machine. Its tokens are no secrets to the machine, and are sent nowhere else. */
  const served = ({ url, connectToken, token }: ModalMachine) => ({
    url: (url ?? "").replace(/\/+$/, ""),
    headers: {
      authorization: `Bearer ${connectToken ?? ""}`,
      "x-rigger-token": token ?? "",
    },
    errorOf: api.errorOf,
  });

  /** What the endpoint puts into a machine that it starts, be it a new one or not. */
  const runner = () => ({ runner: toBase64(runnerArchive), idleMs: LEASE_MS });

  async function* list(query: Record<string, string>): AsyncGenerator<ModalMachine> {
    for (let next: string | null | undefined = ""; next != null; ) {
      const search = new URLSearchParams({ ...query, ...(next && { after: next }) });
      const page: z.infer<typeof Page> = await api.call({
        method: "GET",
        path: `/machines?${search}`,
        answer: Page,
      });
      yield* page.machines;
      ({ next } = page);
    }
  }

  return {
    create: ({ labels, options, hosts }) =>
      api.call({
        method: "POST",
        path: "/machines",
        body: { ...labels, options, hosts, ...runner() },
        answer: ModalMachine,
        // A sandbox has one machine: a repeat finds what was made.
        repeatable: true,
        timeoutMs: START_MS,
      }),

    async find({ deployment, sandbox }) {
      const machines: ModalMachine[] = [];
      for await (const machine of list({ deployment, sandbox })) machines.push(machine);
      return machines.sort((a, b) => a.createdAt - b.createdAt);
    },

    list: (deployment) => list({ deployment }),

    get: (id) => api.find({ method: "GET", path: path({ id }), answer: ModalMachine }),

    async resume(machine) {
      const resumed = await api.find({
        method: "POST",
        path: path(machine, "/resume"),
        body: runner(),
        answer: ModalMachine,
        repeatable: true,
        timeoutMs: START_MS,
      });
      if (resumed) return resumed;
      throw new SandboxError("the machine is gone", { transient: true, lost: true });
    },

    async suspend(machine) {
      await api.find({
        method: "POST",
        path: path(machine, "/suspend"),
        repeatable: true,
        timeoutMs: START_MS,
      });
    },

    extend: (machine) => keepAlive(served(machine)),

    async destroy(machine) {
      await api.find({ method: "DELETE", path: path(machine) });
    },

    link: (machine) => servedLink(served(machine)),

    reach: (machine, port) => reachServed(served(machine), port),
  };
}
