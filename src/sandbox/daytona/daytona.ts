// Machines of Daytona: sandboxes, which keep their files when they are stopped.

import { z } from "zod";
import type { Network } from "../egress";
import { createApi } from "../machines/api";
import {
  LEASE_MS,
  type Machine,
  type MachineProvider,
  type MachineSpec,
  type Vendor,
} from "../machines/vendor";
import { type PortAddress, SandboxError } from "../sandbox";
import { toolboxLink } from "./toolbox";

/** What a deployment needs to use Daytona. */
interface DaytonaSettings {
  apiKey: string;
  apiUrl: string;
  /** The time for a call that makes, starts or stops a sandbox, in ms. */
  callMs?: number;
}

export const daytona: MachineProvider = {
  options: z.strictObject({
    /** The name or id of the snapshot, which has the image and the size of the machine. */
    snapshot: z.string().min(1).max(255).optional(),
    /** The name or id of the region. */
    region: z.string().min(1).max(255).optional(),
  }),
  networkProblem,
  // The hosts of Rigger's default network are more than Daytona takes.
  defaultNetwork: "open",
  installs: true,
  suspends: true,
  // Its daemon: the toolbox, SSH, a terminal in the browser, and recordings.
  reservedPorts: [2280, 22_220, 22_222, 33_333],
};

/** The most hosts of a network, and the most that Daytona takes: the deployment's own is one. */
const MAX_HOSTS = 9;
const DOMAIN = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/i;
const IP_V4 = /^(\d{1,3}\.){3}\d{1,3}$/;

function networkProblem(network: Network): string | null {
  if (typeof network === "string") return null;
  const { allow } = network;
  if (allow.includes("default")) {
    return `daytona allows ${MAX_HOSTS} hosts at most, and "default" stands for more`;
  }
  if (allow.length > MAX_HOSTS) return `daytona allows ${MAX_HOSTS} hosts at most`;
  const unknown = allow.find((host) => !DOMAIN.test(host) && !IP_V4.test(host));
  return unknown === undefined ? null : `daytona can't allow the host "${unknown}"`;
}

const MINUTE_MS = 60_000;
const CALL_MS = 60_000;
/** The time for a sandbox to start or stop, in ms. An archived one takes minutes. */
const SETTLE_MS = 5 * MINUTE_MS;
/** Pauses between looks at a sandbox that changes its state, in ms. */
const FIRST_LOOK_MS = 100;
const MAX_LOOK_MS = 2_000;
const PAGE_SIZE = 100;

/** The labels of our sandboxes. */
const DEPLOYMENT = "rigger-deployment";
const SANDBOX = "rigger-sandbox";

const DaytonaSandbox = z.object({
  id: z.string().min(1),
  labels: z.record(z.string(), z.string()),
  state: z.string().nullish(),
  desiredState: z.string().nullish(),
  errorReason: z.string().nullish(),
  createdAt: z.string().nullish(),
  toolboxProxyUrl: z.url(),
});

type DaytonaSandbox = z.infer<typeof DaytonaSandbox>;

const Preview = z.object({ url: z.url(), token: z.string() });

const Page = z.object({ items: z.array(DaytonaSandbox), nextCursor: z.string().nullish() });

/** A sandbox of Daytona, and the address of its toolbox. */
interface DaytonaMachine extends Machine {
  toolbox: string;
}

/** States in which a sandbox stays until it is started, or for good. */
const RESTING = ["stopped", "archived", "paused"];
const FAILED = ["error", "build_failed"];

/** Returns the client of Daytona's API. */
export function openDaytona({
  apiKey,
  apiUrl,
  callMs = CALL_MS,
}: DaytonaSettings): Vendor<DaytonaMachine> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const api = createApi({
    vendor: "Daytona",
    baseUrl: apiUrl,
    headers,
    secrets: [apiKey],
    // Daytona documents no id of requests. Its edge may add this one.
    requestIdHeader: "x-request-id",
  });
  const path = (idOrName: string, act = "") => `/sandbox/${encodeURIComponent(idOrName)}${act}`;

  /** Returns a sandbox by its id or name; null if it is gone or being destroyed. */
  async function look(idOrName: string): Promise<DaytonaSandbox | null> {
    const found = await api.find({ method: "GET", path: path(idOrName), answer: DaytonaSandbox });
    return found && !isGone(found) ? found : null;
  }

  /** Starts a sandbox if it rests, and returns it once it runs. One that can't run is destroyed, and lost unless it is new. */
  async function run(sandbox: DaytonaSandbox | null, isNew = false): Promise<DaytonaMachine> {
    return settle(sandbox, async (seen) => {
      const { id, state, desiredState, errorReason } = seen;
      if (isRunning(seen)) return machineOf(seen);
      if (FAILED.includes(state ?? "")) {
        await destroy(id);
        const reason = errorReason ? `: ${errorReason}` : "";
        const message = `Daytona could not start the sandbox${reason}`;
        throw new SandboxError(message, { transient: state === "error" || !isNew, lost: !isNew });
      }
      if (RESTING.includes(state ?? "") && desiredState !== "started") await act(seen, "start");
      return undefined;
    });
  }

  /** Starts or stops a sandbox. Does nothing if its state is changing. */
  async function act({ id }: { id: string }, what: "start" | "stop"): Promise<void> {
    try {
      await api.find({ method: "POST", path: path(id, `/${what}`), timeoutMs: callMs });
    } catch (error) {
      // Whatever it was, the next look shows what became of it.
      if (!(error instanceof SandboxError) || !error.transient) throw error;
    }
  }

  /** Looks at a sandbox, from what is known of it, until `check` returns a value. Throws if it is gone. */
  async function settle<T>(
    sandbox: DaytonaSandbox | null,
    check: (seen: DaytonaSandbox) => Promise<T | undefined>,
  ): Promise<T> {
    const endsAt = Date.now() + SETTLE_MS;
    let seen = sandbox;
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(MAX_LOOK_MS, pauseMs * 1.5)) {
      if (!seen)
        throw new SandboxError("Daytona has no such sandbox", { transient: true, lost: true });
      const settled = await check(seen);
      if (settled !== undefined) return settled;
      if (Date.now() > endsAt) {
        const message = `Daytona's sandbox has been ${seen.state} for minutes`;
        throw new SandboxError(message, { transient: true });
      }
      await scheduler.wait(pauseMs);
      seen = await look(seen.id);
    }
  }

  async function destroy(id: string): Promise<void> {
    await api.find({ method: "DELETE", path: path(id) });
  }

  return {
    async create({ labels, options, hosts }) {
      const body = {
        // A name is given once, so that no sandbox is made twice.
        name: nameOf(labels),
        labels: { [DEPLOYMENT]: labels.deployment, [SANDBOX]: labels.sandbox },
        snapshot: options.snapshot,
        target: options.region,
        autoStopInterval: LEASE_MS / MINUTE_MS,
        autoPauseInterval: 0,
        ...networkOf(hosts),
      };
      const made = await api
        .call({
          method: "POST",
          path: "/sandbox",
          body,
          answer: DaytonaSandbox,
          timeoutMs: callMs,
        })
        .catch(async (error) => {
          // It may have been made after all, now or before.
          const found = await look(nameOf(labels));
          if (found && isOurs(found, labels)) return found;
          throw error;
        });
      return run(made, true);
    },

    async find(labels) {
      const found = await look(nameOf(labels));
      return found && isOurs(found, labels) ? [machineOf(found)] : [];
    },

    async *list(deployment) {
      const labels = JSON.stringify({ [DEPLOYMENT]: deployment });
      for (let cursor: string | null | undefined = ""; cursor != null; ) {
        const search = new URLSearchParams({ labels, limit: String(PAGE_SIZE) });
        if (cursor) search.set("cursor", cursor);
        const page: z.infer<typeof Page> = await api.call({
          method: "GET",
          path: `/sandbox?${search}`,
          answer: Page,
        });
        for (const one of page.items) if (!isGone(one)) yield machineOf(one);
        cursor = page.nextCursor;
      }
    },

    async get(id) {
      const found = await look(id);
      return found && machineOf(found);
    },

    resume: async ({ id }) => run(await look(id)),

    async suspend(machine) {
      await act(machine, "stop");
      await settle(await look(machine.id), async (seen) => {
        if (isRunning(seen)) await act(seen, "stop");
        return RESTING.includes(seen.state ?? "") || undefined;
      });
    },

    async extend({ id }) {
      await api.find({ method: "POST", path: path(id, "/last-activity"), repeatable: true });
    },

    destroy: ({ id }) => destroy(id),

    link: ({ toolbox }) => toolboxLink({ url: toolbox, headers, ...api }),

    async reach({ id }, port): Promise<PortAddress> {
      const preview = path(id, `/ports/${port}/preview-url`);
      const { url, token } = await api.call({ method: "GET", path: preview, answer: Preview });
      return {
        url: url.replace(/\/+$/, ""),
        // Without the second one, browsers get a page with a warning.
        headers: { "x-daytona-preview-token": token, "x-daytona-skip-preview-warning": "true" },
        closedText: "connection refused",
      };
    },
  };
}

/** Returns the name of a sandbox. It is free again once the sandbox is destroyed. */
const nameOf = ({ sandbox }: MachineSpec["labels"]): string => `rigger-${sandbox}`;

const isOurs = (found: DaytonaSandbox, { deployment, sandbox }: MachineSpec["labels"]): boolean =>
  found.labels[DEPLOYMENT] === deployment && found.labels[SANDBOX] === sandbox;

const isGone = ({ state, desiredState }: DaytonaSandbox): boolean =>
  desiredState === "destroyed" || state === "destroyed" || state === "destroying";

/** Returns whether a sandbox runs, and is not about to be stopped. */
const isRunning = ({ state, desiredState }: DaytonaSandbox): boolean =>
  state === "started" && (desiredState ?? "started") === "started";

/** Returns a sandbox as a machine. One that is neither running nor stopped needs a `resume`, which waits for it. */
const machineOf = (sandbox: DaytonaSandbox): DaytonaMachine => ({
  id: sandbox.id,
  sandbox: sandbox.labels[SANDBOX] ?? "",
  state: isRunning(sandbox) ? "running" : "suspended",
  createdAt: Date.parse(sandbox.createdAt ?? "") || 0,
  toolbox: `${sandbox.toolboxProxyUrl.replace(/\/+$/, "")}/${encodeURIComponent(sandbox.id)}`,
});

/** Returns the settings of a sandbox that may reach these hosts only. */
function networkOf(hosts: MachineSpec["hosts"]): Record<string, string | boolean> {
  if (hosts === "open") return {};
  const addresses = hosts.filter((host) => IP_V4.test(host));
  const domains = hosts.filter((host) => !IP_V4.test(host));
  return {
    ...(domains.length > 0 && { domainAllowList: domains.join(",") }),
    ...(addresses.length > 0 && {
      networkAllowList: addresses.map((address) => `${address}/32`).join(","),
    }),
  };
}
