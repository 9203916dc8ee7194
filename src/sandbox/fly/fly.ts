// Machines of Fly. The runner's archive comes into a machine as a file of its configuration. Its program unpacks the
// archive and starts the runner's HTTP server, which is reached through Fly's proxy: Fly itself runs commands only with all
// of their output at the end, and has no files.

import { z } from "zod";
import { SERVE_PORT } from "../../container/protocol";
import { sha256, toBase64, toHex } from "../../shared/bytes";
import { createApi } from "../machines/api";
import { RUNNER_DIR, runnerArchive } from "../machines/runner-archive";
import { keepAlive, reachServed, servedLink } from "../machines/served-link";
import {
  LEASE_MS,
  type Machine,
  type MachineProvider,
  type MachineSpec,
  type Vendor,
} from "../machines/vendor";
import { SandboxError } from "../sandbox";
import { appsOf } from "./apps";
import { flyNetworkProblem, flyOptions, placeOf } from "./options";

/** What a deployment needs for machines of Fly. */
interface FlySettings {
  token: string;
  /** The apps that the machines are in. An app may be appended; one that has machines must stay. */
  apps: readonly string[];
}

/** A machine of Fly. Its id is the name of its app and its id there. */
interface FlyMachine extends Machine {
  /** Its state in Fly's words. */
  flyState: string;
  memoryMb: number;
  /** Where its server is reached: through Fly's proxy, which passes a request on to the machine that a header names. */
  url: string;
  headers: Record<string, string>;
}

/** The part of Fly's answers that is used. */
const answeredMachine = z.object({
  id: z.string(),
  state: z.string(),
  created_at: z.string(),
  config: z
    .object({
      metadata: z.record(z.string(), z.string()).nullish(),
      env: z.record(z.string(), z.string()).nullish(),
      guest: z.object({ memory_mb: z.number() }).nullish(),
    })
    .nullish(),
  // In place of the configuration, while the host of the machine does not answer.
  incomplete_config: z.object({ metadata: z.record(z.string(), z.string()).nullish() }).nullish(),
});

/** The names of the labels in a machine's metadata. */
const DEPLOYMENT = "rigger_deployment";
const SANDBOX = "rigger_sandbox";
/** The states of a machine that stays as it is until it is started. */
const RESTING = ["stopped", "suspended", "failed"];
/** The states of a machine that is gone, or will be. */
const GONE = ["destroying", "destroyed", "launch_failed", "replaced", "migrated"];
/** A machine with more memory can't be suspended with it: it is stopped, and keeps its files. */
const MAX_SUSPENDED_MB = 2_048;
/** The time in which Fly makes a machine, and in which a machine changes its state, in ms. */
const CREATE_MS = 45_000;
const CHANGE_MS = 70_000;
/** The time for one try to reach a machine that has just been started, and the longest pause between two, in ms. */
const TRY_MS = 10_000;
const MAX_PAUSE_MS = 1_000;
/** Unpacks the runner and becomes its server. It may run again on the same disk. */
const PROGRAM = `tar -xzf ${RUNNER_DIR}/runner.tgz -C ${RUNNER_DIR} && exec node ${RUNNER_DIR}/serve.cjs`;

export const fly: MachineProvider = {
  options: flyOptions,
  networkProblem: flyNetworkProblem,
  defaultNetwork: "open",
  installs: false,
  suspends: true,
  reservedPorts: [SERVE_PORT],
};

/** Returns the client of Fly's API. */
export function openFly({ token, apps }: FlySettings): Vendor<FlyMachine> {
  const api = createApi({
    vendor: "Fly",
    baseUrl: "https://api.machines.dev/v1/apps",
    headers: { authorization: `Bearer ${token}` },
    secrets: [token],
    requestIdHeader: "fly-request-id",
  });
  return {
    async create(spec) {
      const app = appsOf(spec.labels.sandbox, apps).at(-1) ?? "";
      const made = await api.find({
        method: "POST",
        path: `/${app}/machines`,
        body: await requestOf(spec),
        answer: answeredMachine,
        timeoutMs: CREATE_MS,
      });
      if (!made) throw new SandboxError(`Fly has no app "${app}"`, { transient: false });
      return untilReached(machineOf(app, made), { isNew: true });
    },

    async find({ deployment, sandbox }) {
      const found = await Promise.all(
        appsOf(sandbox, apps).map((app) => list(app, { deployment, sandbox })),
      );
      return found.flat().sort((a, b) => a.createdAt - b.createdAt);
    },

    async *list(deployment) {
      for (const app of apps) yield* await list(app, { deployment });
    },

    get: show,

    resume: (machine) => untilReached(machine, { isNew: false }),

    async suspend(machine) {
      const isSuspended = machine.memoryMb <= MAX_SUSPENDED_MB;
      const failure = await order(machine, isSuspended ? "suspend" : "stop");
      await watch(machine, async (now) => {
        if (!now || RESTING.includes(now.flyState)) return true;
        if (now.flyState === "started" && failure) throw failure;
        return false;
      });
    },

    async destroy({ id }) {
      try {
        await api.find({ method: "DELETE", path: `${pathOf(id)}?force=true` });
      } catch (error) {
        // The first of several requests may have been the one that counts.
        if (await show(id)) throw error;
      }
    },

    extend: (machine) => keepAlive(served(machine)),

    link: (machine) => servedLink(served(machine)),

    reach: (machine, port) => reachServed(served(machine), port),
  };

  function served({ url, headers }: FlyMachine) {
    return { url, headers, errorOf: api.errorOf };
  }

  async function list(
    app: string,
    labels: { deployment: string; sandbox?: string },
  ): Promise<FlyMachine[]> {
    const query = new URLSearchParams({ [`metadata.${DEPLOYMENT}`]: labels.deployment });
    if (labels.sandbox !== undefined) query.set(`metadata.${SANDBOX}`, labels.sandbox);
    const answer = z.array(answeredMachine);
    const found = await api.find({ method: "GET", path: `/${app}/machines?${query}`, answer });
    if (!found) throw new SandboxError(`Fly has no app "${app}"`, { transient: false });
    return found.map((one) => machineOf(app, one)).filter(exists);
  }

  async function show(id: string): Promise<FlyMachine | null> {
    const found = await api.find({ method: "GET", path: pathOf(id), answer: answeredMachine });
    const [app = ""] = id.split("/");
    const machine = found && machineOf(app, found);
    return machine && exists(machine) ? machine : null;
  }

  /**
   * Returns a machine that runs and answers, as soon as it does. Starts it if it rests, unless it is new: its program
   * has failed then.
   */
  async function untilReached(
    machine: FlyMachine,
    { isNew }: { isNew: boolean },
  ): Promise<FlyMachine> {
    let reached: FlyMachine | undefined;
    let failure: SandboxError | null = null;
    await watch(machine, async (now) => {
      if (!now) throw isNew ? NOT_MADE : GONE_MEANWHILE;
      if (now.flyState === "started") {
        if (!(await answers(now))) return false;
        reached = now;
        return true;
      }
      if (!RESTING.includes(now.flyState)) return false;
      if (isNew) {
        await api.find({ method: "DELETE", path: `${pathOf(now.id)}?force=true` });
        throw new SandboxError(
          "the machine ended when it was started: its image needs node, perl, bash and tar",
          { transient: false },
        );
      }
      failure = await order(now, "start");
      return false;
    }).catch((error) => {
      throw failure && error === LATE ? failure : error;
    });
    if (!reached) throw LATE;
    return reached;
  }

  /**
   * Asks for a change of a machine's state. Returns the error, which counts only if nothing changes: an earlier request
   * may have had its effect, and Fly refuses what a machine is about to do already.
   */
  async function order(
    { id }: FlyMachine,
    action: "start" | "stop" | "suspend",
  ): Promise<SandboxError | null> {
    try {
      await api.find({ method: "POST", path: `${pathOf(id)}/${action}`, repeatable: true });
      return null;
    } catch (error) {
      return api.asError(error);
    }
  }

  /** Looks at a machine until `isDone` returns true. */
  async function watch(
    { id }: FlyMachine,
    isDone: (machine: FlyMachine | null) => Promise<boolean>,
  ): Promise<void> {
    const until = Date.now() + CHANGE_MS;
    for (let pauseMs = 100; !(await isDone(await show(id))); pauseMs *= 2) {
      if (Date.now() > until) throw LATE;
      await scheduler.wait(Math.min(pauseMs, MAX_PAUSE_MS));
    }
  }

  function machineOf(app: string, answered: z.infer<typeof answeredMachine>): FlyMachine {
    const { id, state, created_at: createdAt, config, incomplete_config: known } = answered;
    return {
      id: `${app}/${id}`,
      sandbox: (config ?? known)?.metadata?.[SANDBOX] ?? "",
      state: state === "started" ? "running" : "suspended",
      createdAt: Date.parse(createdAt),
      flyState: state,
      memoryMb: config?.guest?.memory_mb ?? 0,
      url: `https://${app}.fly.dev`,
      headers: {
        authorization: `Bearer ${config?.env?.RIGGER_TOKEN ?? ""}`,
        "fly-force-instance-id": id,
      },
    };
  }
}

/** Returns the request that makes a machine. */
async function requestOf({ labels, options }: MachineSpec): Promise<object> {
  const { image, region, guest } = placeOf(flyOptions.parse(options));
  return {
    name: await nameOf(labels),
    ...(region !== undefined && { region }),
    config: {
      image,
      guest,
      init: { exec: ["/bin/sh", "-c", PROGRAM] },
      files: [{ guest_path: `${RUNNER_DIR}/runner.tgz`, raw_value: toBase64(runnerArchive) }],
      env: {
        RIGGER_TOKEN: `${crypto.randomUUID()}${crypto.randomUUID()}`,
        RIGGER_PORT: String(SERVE_PORT),
        RIGGER_IDLE_MS: String(LEASE_MS),
      },
      metadata: { [DEPLOYMENT]: labels.deployment, [SANDBOX]: labels.sandbox },
      // It keeps its files when it stops: when nobody has used it for long, when its memory can't be kept, or when its
      // program has failed.
      rootfs: { persist: "always" },
      restart: { policy: "on-failure", max_retries: 3 },
      auto_destroy: false,
      services: [
        {
          protocol: "tcp",
          internal_port: SERVE_PORT,
          ports: [{ port: 443, handlers: ["tls", "http"] }],
          // Only Rigger starts and stops it: a request of a stranger does not.
          autostart: false,
          autostop: "off",
        },
      ],
    },
  };
}

/**
 * Returns the name of a sandbox's machine. A name is unique in an app: of two creations for a sandbox one is refused.
 */
async function nameOf({ deployment, sandbox }: MachineSpec["labels"]): Promise<string> {
  const hash = toHex(await sha256(`${deployment}\n${sandbox}`));
  return `rigger-${hash.slice(0, 32)}`;
}

/** Returns whether the server of a machine answers. */
async function answers({ url, headers }: FlyMachine): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(TRY_MS);
    const response = await fetch(`${url}/health`, { headers, signal });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Returns the path of a machine in the API. */
function pathOf(id: string): string {
  const [app, machine] = id.split("/");
  return `/${app}/machines/${machine}`;
}

const exists = ({ flyState }: FlyMachine): boolean => !GONE.includes(flyState);

const NOT_MADE = new SandboxError("Fly ended the machine before it ran", { transient: true });
const GONE_MEANWHILE = new SandboxError("the machine is gone, and every file in it", {
  transient: true,
  lost: true,
});
const LATE = new SandboxError("Fly did not change the machine's state in time", {
  transient: true,
});
