import { RUNNER_HOME } from "../../container/protocol";
import { errorText, log } from "../../shared/log";
import type { Bucket } from "../archive";
import { DEFAULT_HOSTS, type Network } from "../egress";
import {
  createRunnerClient,
  lost,
  mapErrors,
  type RunnerEvent,
  type RunnerLink,
} from "../runner-client";
import { runnerSandbox } from "../runner-sandbox";
import { type Sandbox, SandboxError } from "../sandbox";
import { RUNNER_DIR, runnerArchive, runnerVersion } from "./runner-archive";
import {
  LEASE_MS,
  type Machine,
  type MachineProvider,
  type MachineSpec,
  type Vendor,
} from "./vendor";

/** The constants of a sandbox in a machine. */
interface MachineFacts {
  provider: MachineProvider;
  /** The id of the sandbox, which is that of its session. */
  id: string;
  options: Readonly<Record<string, unknown>>;
  network: Network;
  /** The address of the deployment. */
  publicUrl: string;
  workspace: string;
  bucket: Bucket;
  /** The name of the machine that must answer, as `start` returned it; without it, whichever is started does. */
  machine?: string | undefined;
  /** See `SandboxAddress`. */
  isOpen?: (() => boolean) | undefined;
}

/** A machine is extended again after this time, in ms, if it is used. */
const EXTEND_MS = LEASE_MS / 6;

/**
 * Creates a sandbox in a vendor's machine. The machine's name is the vendor's id and the name that its runner has in its
 * files: a machine that has lost its files has another one.
 */
export function machineSandbox(vendor: Vendor, facts: MachineFacts): Sandbox {
  const { provider, id, options, network, publicUrl, workspace, bucket, isOpen } = facts;
  const labels = { deployment: deploymentOf(publicUrl), sandbox: id };
  const ownHost = new URL(publicUrl).hostname;
  const runnerEnv = { RIGGER_ARCHIVE: `${publicUrl}/machines/${id}/archive` };
  const [machineId, runnerName] = partsOf(facts.machine);
  /** The machine that answers; null if it is to be looked up again. */
  let located: Promise<Machine> | null = null;
  let extendedAt = 0;

  const link: RunnerLink = {
    start: async (_, env, signal) =>
      run(`${RUNNER_DIR}/rigger-run`, { ...runnerEnv, ...env }, signal),
    write: (path, content) => onMachine((machine) => vendor.link(machine).write(path, content)),
  };
  const runner = createRunnerClient(link, runnerName, isOpen);

  return {
    ...runnerSandbox(runner, { workspace, bucket }),

    async start() {
      const machine = await mapErrors(startMachine);
      located = Promise.resolve(machine);
      extendedAt = Date.now();
      if (provider.installs) await mapErrors(install);
      const name = await runner.request<string>({ do: "start", workspace, machine: undefined });
      runner.machine = name;
      return `${machine.id}/${name}`;
    },

    ...(provider.suspends && {
      suspend: () =>
        onEach(async (machine) => {
          if (machine.state === "running") await vendor.suspend?.(machine);
        }),
    }),

    async reach(port, isAgain) {
      if (!(isOpen?.() ?? true)) throw lost();
      if (isAgain) located = null;
      return mapErrors(() => onMachine((machine) => vendor.reach(machine, port)));
    },

    destroy: () => onEach((machine) => vendor.destroy(machine)),
  };

  /** Returns the sandbox's machine, running. Makes one if there is none. */
  async function startMachine(): Promise<Machine> {
    const [machine, ...others] = await vendor.find(labels);
    // A creation that was given up may have been made after all.
    for (const other of others) await vendor.destroy(other);
    if (!machine) return vendor.create({ labels, options, hosts: hostsOf(network, ownHost) });
    return machine.state === "running" ? machine : vendor.resume(machine);
  }

  /** Makes sure that the machine has this version of the runner. A machine that was suspended may have another one. */
  async function install(): Promise<void> {
    const inPlace = `[ "$(cat ${RUNNER_DIR}/version 2>/dev/null)" = ${runnerVersion} ]`;
    if ((await finish(inPlace)) === 0) return;
    const file = `${RUNNER_HOME}/runner-${crypto.randomUUID()}.tgz`;
    await link.write(file, new Blob([runnerArchive]).stream());
    const unpack = `mkdir -p ${RUNNER_DIR} && tar -xzf ${file} -C ${RUNNER_DIR} && rm ${file} && node --version && perl -e 1 && bash -c :`;
    const exitCode = await finish(unpack);
    if (exitCode === 0) return;
    throw new SandboxError(
      "the runner can't be installed: the machine's image needs node, perl, bash and tar",
      { transient: false },
    );
  }

  /** Runs a command of ours to its end. Returns its exit code. */
  async function finish(command: string): Promise<number> {
    const events = await run(command, {}, AbortSignal.timeout(60_000));
    for await (const { type, exitCode = 1 } of events) if (type === "complete") return exitCode;
    throw new SandboxError("the machine did not answer", { transient: true });
  }

  /** Starts a command. A machine that fails to answer is looked up again: it may be gone, or suspended. */
  async function run(
    command: string,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunnerEvent>> {
    const events = await onMachine((machine) => vendor.link(machine).start(command, env, signal));
    return (async function* () {
      let isComplete = false;
      try {
        for await (const event of events) {
          isComplete ||= event.type === "complete";
          yield event;
        }
      } finally {
        if (!isComplete && !signal.aborted) located = null;
      }
    })();
  }

  async function onMachine<T>(act: (machine: Machine) => Promise<T>): Promise<T> {
    located ??= locate();
    const here = located;
    try {
      const machine = await here;
      extendSoon(machine);
      return await act(machine);
    } catch (error) {
      if (located === here) located = null;
      throw error;
    }
  }

  async function locate(): Promise<Machine> {
    const machine =
      machineId === undefined ? (await vendor.find(labels))[0] : await vendor.get(machineId);
    if (!machine) throw lost();
    // The vendor suspends a machine that nobody has extended.
    return machine.state === "running" ? machine : vendor.resume(machine);
  }

  /** Extends the machine's life in the background, from time to time. */
  function extendSoon(machine: Machine): void {
    if (!vendor.extend || Date.now() - extendedAt < EXTEND_MS) return;
    extendedAt = Date.now();
    vendor
      .extend(machine)
      .catch((error) =>
        log("sandbox.not_extended", { machine: machine.id, error: errorText(error) }),
      );
  }

  function onEach(act: (machine: Machine) => Promise<void>): Promise<void> {
    return mapErrors(async () => {
      located = null;
      for (const machine of await vendor.find(labels)) await act(machine);
    });
  }
}

/** Returns the label of a deployment's machines: its host and port. */
export const deploymentOf = (publicUrl: string): string => new URL(publicUrl).host;

/** Returns the hosts that a machine may reach: those of its network, and the deployment's own. */
function hostsOf(network: Network, ownHost: string): MachineSpec["hosts"] {
  if (network === "open") return "open";
  const allowed = network === "none" ? [] : network.allow;
  const named = allowed.flatMap((entry) => (entry === "default" ? DEFAULT_HOSTS : [entry]));
  return [...new Set([...named, ownHost])];
}

/** Returns whether a name is that of the machine with a vendor's id. */
export const isOfMachine = (name: string, machineId: string): boolean =>
  partsOf(name)[0] === machineId;

/** Returns the vendor's id and the runner's name in a machine's name. */
function partsOf(name: string | undefined): [id: string | undefined, runner: string | undefined] {
  if (name === undefined) return [undefined, undefined];
  const at = name.lastIndexOf("/");
  return [name.slice(0, at), name.slice(at + 1)];
}
