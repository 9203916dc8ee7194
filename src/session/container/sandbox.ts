import { type CommandResult, type Sandbox, SandboxError } from "../../sandbox/sandbox";

/** What a sandbox has to know of its container. */
export interface ContainerAccess {
  /** The sandbox at the address, whatever container stands there. */
  any: Sandbox;
  /** Returns the sandbox of the container of a name, and of no other. */
  of(name: string): Sandbox;
  /** Returns the name of the container, once it is there. */
  ready(): Promise<string>;
  /** Returns the container that is there; null while there is none. */
  current(): { name: string; used: boolean } | null;
  /** Notes that something is about to change its files. */
  use(): void;
  /** Notes that a call is under way until it has settled. */
  during<T>(call: Promise<T>): Promise<T>;
  /** Returns what an error of that container means to whoever called it. */
  explain(name: string, error: unknown): unknown;
  /** Saves the workspace, wherever it is at the moment. */
  copy(key: string): Promise<{ sizeBytes: number }>;
}

/** Returns the sandbox of a session as its tools see it: calls wait for the container, and are told of its loss. */
export function containerSandbox(container: ContainerAccess): Sandbox {
  const { find, snapshot, programs } = container.any;
  /** What stops the commands that wait for the container, by their ids. */
  const waiting = new Map<string, () => void>();

  /** Returns a call that may change something is made once. */
  async function change<T>(act: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    const name = await container.ready();
    container.use();
    return answerOf(name, act);
  }

  /** Returns a call that changes nothing is made again, where the container is lost and nothing else with it. */
  async function read<T>(act: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    const name = await container.ready();
    const unused = container.current()?.used === false;
    try {
      return await answerOf(name, act);
    } catch (error) {
      if (!unused || !isLoss(error)) throw error;
      return answerOf(await container.ready(), act);
    }
  }

  async function answerOf<T>(name: string, act: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    try {
      return await container.during(act(container.of(name)));
    } catch (error) {
      throw container.explain(name, error);
    }
  }

  const sandbox: Sandbox = {
    start: container.ready,
    async run(command, onOutput) {
      const { id } = command;
      const stopped = Promise.withResolvers<CommandResult>();
      let isStopped = false;
      waiting.set(id, () => {
        isStopped = true;
        stopped.resolve(KILLED);
      });
      const ran = change((ready) => {
        waiting.delete(id);
        return isStopped ? stopped.promise : ready.run(command, onOutput);
      });
      return Promise.race([ran, stopped.promise]).finally(() => waiting.delete(id));
    },
    async kill(id) {
      waiting.get(id)?.();
      const current = container.current();
      if (current) await container.of(current.name).kill(id);
    },
    readFile: (path) => read((ready) => ready.readFile(path)),
    writeFile: (path, bytes) => change((ready) => ready.writeFile(path, bytes)),
    destroy: () => container.any.destroy(),
  };
  if (find) {
    // A command that waits for its container was never begun.
    sandbox.find = async (id) => {
      if (!container.current()) return { state: "unknown" };
      return read(async (ready) => (await ready.find?.(id)) ?? { state: "unknown" });
    };
  }
  if (snapshot) sandbox.snapshot = container.copy;
  if (programs) {
    sandbox.programs = {
      begin: (program) => change((ready) => programsOf(ready).begin(program)),
      tell: (id, n, line) => change((ready) => programsOf(ready).tell(id, n, line)),
      async *listen(id, after, signal) {
        const name = await container.ready();
        try {
          yield* programsOf(container.of(name)).listen(id, after, signal);
        } catch (error) {
          throw container.explain(name, error);
        }
      },
    };
  }
  return sandbox;
}

/** Returns whether an error says that a container is gone with its files. */
export const isLoss = (error: unknown): error is SandboxError =>
  error instanceof SandboxError && error.lost;

function programsOf({ programs }: Sandbox): NonNullable<Sandbox["programs"]> {
  if (!programs) throw new SandboxError("it keeps no programs", { transient: false });
  return programs;
}

/** How a command ended that was stopped before it began. */
const KILLED: CommandResult = {
  exitCode: 137,
  stdout: "",
  stderr: "",
  ended: "killed",
  truncated: false,
};
