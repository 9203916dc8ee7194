import { NO_FILES, type WorkspaceFiles, type WorkspaceReader } from "../../sandbox/files";
import { type CommandResult, type Sandbox, SandboxError } from "../../sandbox/sandbox";

/** Access to the session's container, for its sandbox. */
export interface ContainerAccess {
  /** The sandbox at the session's address, whichever container is there. */
  any: Sandbox;
  /** Returns the sandbox of the container with a name. Its calls fail if another container is at the address. */
  of(name: string): Sandbox;
  /** Waits until the container is ready and returns its name. Starts the container if necessary. */
  ready(): Promise<string>;
  /** Returns the name of the container in which calls may be running; null if there is none. */
  callable(): string | null;
  /** Returns the name of the container whose files are the newest; null if those are in the saved workspace. */
  readable(): string | null;
  /** Returns the files of the saved workspace; null if there is none. */
  saved(): WorkspaceReader | null;
  /** Returns the running container; null if there is none. */
  current(): { name: string; used: boolean } | null;
  /** Records that the container's files are about to change. */
  use(): void;
  /** Tracks a call until it has settled, and returns it. */
  during<T>(call: Promise<T>): Promise<T>;
  /**
   * Returns the error for the caller of the container with a name. Records the loss if the error says that it is lost.
   */
  explain(name: string, error: unknown): unknown;
  /** Saves the workspace at a key: from the container, or from the last save. */
  copy(key: string): Promise<{ sizeBytes: number }>;
}

/**
 * Returns a session's sandbox for its tools. Calls wait for the container. If it is lost, they reject with that error.
 */
export function containerSandbox(container: ContainerAccess): Sandbox {
  const { find, changeFile, files, snapshot, programs } = container.any;
  /** Functions that stop the commands that wait for the container, by command id. */
  const waiting = new Map<string, () => void>();

  /** Makes a call that may change files, once, after marking the container as used. */
  async function change<T>(act: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    const name = await container.ready();
    container.use();
    return answerOf(name, act);
  }

  /** Makes a call that changes nothing. Repeats it once if the container is lost but had no changed files. */
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

  /** Makes a call that only reads files, without a start: from the container, or from the saved workspace. */
  async function look<T>(act: (files: WorkspaceReader) => Promise<T>): Promise<T> {
    const name = container.readable();
    if (name !== null) {
      try {
        return await answerOf(name, (ready) => act(filesOf(ready)));
      } catch (error) {
        // It was released meanwhile, or it is lost: the next one has the files that were saved.
        if (container.readable() === name) throw error;
      }
    }
    return act(container.saved() ?? NO_FILES);
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
      const name = container.callable();
      if (name !== null) await container.during(container.of(name).kill(id));
    },
    readFile: (path) => read((ready) => ready.readFile(path)),
    writeFile: (path, bytes) => change((ready) => ready.writeFile(path, bytes)),
    destroy: () => container.any.destroy(),
  };
  if (find) {
    // If there is no container, the command is still waiting for one and was never started.
    sandbox.find = async (id) => {
      if (!container.current()) return { state: "unknown" };
      return read(async (ready) => (await ready.find?.(id)) ?? { state: "unknown" });
    };
  }
  if (changeFile) {
    sandbox.changeFile = (...asked) =>
      change(async (ready) => (await ready.changeFile?.(...asked)) ?? null);
  }
  if (files) {
    sandbox.files = {
      list: (...asked) => look((from) => from.list(...asked)),
      read: (...asked) => look((from) => from.read(...asked)),
      archive: (...asked) => look((from) => from.archive(...asked)),
      put: (...asked) => change((ready) => filesOf(ready).put(...asked)),
      remove: (...asked) => change((ready) => filesOf(ready).remove(...asked)),
    };
  }
  if (snapshot) sandbox.snapshot = container.copy;
  if (programs) {
    sandbox.programs = {
      begin: (program) => change((ready) => programsOf(ready).begin(program)),
      tell: (id, n, line) => change((ready) => programsOf(ready).tell(id, n, line)),
      async endSince(id, n) {
        const name = container.callable();
        if (name !== null) await answerOf(name, (ready) => programsOf(ready).endSince(id, n));
      },
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

/** Returns whether an error says that a container is lost with its files. */
export const isLoss = (error: unknown): error is SandboxError =>
  error instanceof SandboxError && error.lost;

function programsOf({ programs }: Sandbox): NonNullable<Sandbox["programs"]> {
  if (!programs) throw new SandboxError("it keeps no programs", { transient: false });
  return programs;
}

function filesOf({ files }: Sandbox): WorkspaceFiles {
  if (!files) throw new SandboxError("it has no files to read", { transient: false });
  return files;
}

/** The result of a command that was stopped before it was started. */
const KILLED: CommandResult = {
  exitCode: 137,
  stdout: "",
  stderr: "",
  ended: "killed",
  truncated: false,
};
