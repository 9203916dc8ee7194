import { vi } from "vitest";
import { cloudflare } from "../sandbox/cloudflare";
import type { WorkspaceFiles } from "../sandbox/files";
import { type ProviderEnv, providers, type SandboxAddress } from "../sandbox/providers";
import { type Sandbox, SandboxError } from "../sandbox/sandbox";
import { aContainer, workspaceOf } from "./containers";

/** A session's fake container: tests can inspect it, inject faults and lose it. */
export interface FakeContainer {
  /** The name of the current container; null if there is none. */
  name: string | null;
  /** The names of all containers so far. */
  names: string[];
  /** The calls of the container, in order. */
  steps: string[];
  /** Whether it is saved while it runs. If not, each checkpoint gives way. */
  takesCheckpoints: boolean;
  /** Creates an empty file, without a step. */
  touch: (path: string) => Promise<void>;
  /** Called before each step. If it throws, the step fails with its error. */
  before: (step: string) => void | Promise<void>;
  /** Called after each successful step. If it throws, the step fails with its error. */
  after: (step: string) => void | Promise<void>;
}

const machines = new Map<string, FakeContainer>();
/** The workspaces of sessions in containers, by session id. */
const containers = new Map<string, string>();

/** Creates a fake container for the session with an id. It is not started. Call `installFakeContainers` first. */
export function addFakeContainer(id: string): FakeContainer {
  const machine: FakeContainer = {
    name: null,
    names: [],
    steps: [],
    takesCheckpoints: true,
    touch: async () => {},
    before: () => {},
    after: () => {},
  };
  machines.set(id, machine);
  return machine;
}

/** Gives the session with an id a replaced container with the real runner. Call `installFakeContainers` first. */
export async function useRealContainer(id: string): Promise<void> {
  containers.set(id, await workspaceOf(id));
}

/** Loses a container: running calls fail immediately, and its files are lost. */
export function loseContainer(machine: FakeContainer): void {
  machine.name = null;
}

/** Returns an error of a container. */
export const containerError = (message: string, transient = true): SandboxError =>
  new SandboxError(message, { transient });

/**
 * Makes the embedded sandboxes of sessions with a fake container act as the disks of containers: each container
 * has its own. Sandboxes of other sessions do not change.
 */
export function installFakeContainers(): void {
  const { embedded } = providers;
  vi.spyOn(providers, "embedded").mockImplementation((env, address, options) => {
    const workspace = containers.get(address.id);
    if (workspace !== undefined) return inContainer(env, address, workspace, options.workspace);
    const fake = machines.get(address.id);
    if (!fake) return embedded(env, address, options);
    let disk: { name: string; sandbox: Sandbox } | null = null;

    fake.touch = async (path) => {
      const sandbox = embedded(env, { ...address, id: fake.name ?? "" }, options);
      await sandbox.writeFile(path, new Uint8Array());
    };
    const stands = () => {
      if (fake.name !== null && fake.name === address.machine) return fake.name;
      throw new SandboxError("the machine is gone", { transient: false, lost: true });
    };
    const step = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
      fake.steps.push(what);
      await fake.before(what);
      const done = await act();
      await fake.after(what);
      return done;
    };
    const onDisk = <T>(what: string, act: (sandbox: Sandbox) => Promise<T>): Promise<T> =>
      step(what, async () => {
        const name = stands();
        if (disk?.name !== name)
          disk = { name, sandbox: embedded(env, { ...address, id: name }, options) };
        const acting = act(disk.sandbox);
        let over = false;
        const lost = async () => {
          for (; !over; await scheduler.wait(5)) stands();
        };
        await Promise.race([acting.catch(() => {}), lost()]).finally(() => {
          over = true;
        });
        stands();
        return acting;
      });

    return {
      start: () =>
        step("start", async () => {
          if (fake.name === null) {
            fake.name = `machine-${crypto.randomUUID()}`;
            fake.names.push(fake.name);
          }
          return fake.name;
        }),
      run: (command, onOutput) => onDisk("run", (sandbox) => sandbox.run(command, onOutput)),
      kill: (id) => onDisk("kill", (sandbox) => sandbox.kill(id)),
      find: (id) =>
        onDisk("find", async (sandbox) => (await sandbox.find?.(id)) ?? { state: "unknown" }),
      readFile: (path) => onDisk("readFile", (sandbox) => sandbox.readFile(path)),
      writeFile: (path, bytes) => onDisk("writeFile", (sandbox) => sandbox.writeFile(path, bytes)),
      files: {
        list: (...asked) => onDisk("list", (sandbox) => filesOf(sandbox).list(...asked)),
        read: (...asked) => onDisk("read", (sandbox) => filesOf(sandbox).read(...asked)),
        archive: (...asked) => onDisk("archive", (sandbox) => filesOf(sandbox).archive(...asked)),
        put: (...asked) => onDisk("put", (sandbox) => filesOf(sandbox).put(...asked)),
        remove: (...asked) => onDisk("remove", (sandbox) => filesOf(sandbox).remove(...asked)),
      },
      async snapshot(key, { mode } = {}) {
        const isCheckpoint = mode === "yield";
        if (isCheckpoint && !fake.takesCheckpoints) return null;
        const step = isCheckpoint ? "checkpoint" : "snapshot";
        return onDisk(step, async (sandbox) => (await sandbox.snapshot?.(key)) ?? null);
      },
      restore: (key) => onDisk("restore", async (sandbox) => sandbox.restore?.(key)),
      destroy: () =>
        step("destroy", async () => {
          fake.name = null;
        }),
    };
  });
}

function filesOf({ files }: Sandbox): WorkspaceFiles {
  if (!files) throw new Error("the sandbox has no files");
  return files;
}

/** Returns a sandbox in a container whose workspace has a different path than the session expects. */
function inContainer(
  env: ProviderEnv,
  { id, machine }: SandboxAddress,
  workspace: string,
  known: string,
): Sandbox {
  const sandbox = cloudflare(aContainer(id), { workspace, bucket: env.SNAPSHOTS, machine });
  return {
    ...sandbox,
    run({ cwd = known, ...command }, onOutput) {
      return sandbox.run({ ...command, cwd: cwd === known ? workspace : cwd }, onOutput);
    },
  };
}
