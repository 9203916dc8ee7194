// A sandbox without a container: a bash and a disk inside a Durable Object. Files and results survive a restart
// of the object, a running command does not.

import { DurableObject } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { refusals } from "../container/file-facts";
import { fromBase64, toHex } from "../shared/bytes";
import { Serial } from "../shared/serial";
import { restoreTree, saveTree } from "./archive-tree";
import { CommandLog } from "./command-log";
import { DiskFiles } from "./disk/disk-files";
import { FsError } from "./disk/fs-error";
import { MAX_DISK_BYTES, MAX_FILE_BYTES } from "./disk/quota";
import { SqliteFs } from "./disk/sqlite-fs";
import { embeddedFiles, type FilesRpc } from "./embedded-files";
import {
  type ArchivePiece,
  type ArchivePosition,
  type Condition,
  type FilePage,
  type FilePiece,
  type FileRefusal,
  type FileWritten,
  NO_FILES,
  type PageOfFiles,
  type WorkspaceReader,
} from "./files";
import { harmless, truncateMiddle } from "./output";
import { parentOf } from "./paths";
import {
  type Command,
  type CommandResult,
  type FoundCommand,
  messageOf,
  type OutputListener,
  type Sandbox,
  SandboxError,
} from "./sandbox";
import { runScript, systemFiles } from "./shell";

/** The most bytes of output of each stream: both streams of a result share one row of 2 MB. */
const MAX_OUTPUT_BYTES = 900_000;

/** The bound while a disk is restored: a full one must fit, although its pages may be less dense. */
const RESTORED_DISK_BYTES = MAX_DISK_BYTES * 1.1;

/** The longest timer of the platform. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The object's answer: a value or a refusal. Error classes do not survive RPC, so refusals travel as values. */
type Answer<T> = { ok: true; value: T } | { ok: false; message: string };

interface Running {
  /** Stops the command. The first reason is the one that is reported. */
  stop(why: "killed" | "timed_out"): void;
  /** Resolves when the command has ended and its result is stored. */
  result: Promise<CommandResult>;
}

interface Disk {
  files: SqliteFs;
  commands: CommandLog;
}

/** The Durable Object of one embedded sandbox. */
export class EmbeddedSandbox extends DurableObject<{ SNAPSHOTS: R2Bucket }> implements FilesRpc {
  readonly #running = new Map<string, Running>();
  #disk: Disk | undefined;
  /** While the workspace is saved or restored, all other calls wait. */
  readonly #copies = new Serial((work) => this.ctx.waitUntil(work));

  /** Runs a command to its end, or returns the result of the same id. Refuses the id of an interrupted command. */
  async run(
    command: Command,
    workspace: string,
    onOutput?: OutputListener,
  ): Promise<Answer<CommandResult>> {
    const { id } = command;
    await this.#copies.idle();
    const running = this.#running.get(id);
    if (running) return done(await running.result);

    const disk = this.#openDisk();
    const known = disk.commands.find(id);
    if (known === "started") return refused(`command ${id} was interrupted, its effect is unknown`);
    if (known) return done(known);

    disk.commands.start(id);
    const started = this.#start(command, workspace, disk);
    this.#running.set(id, started);
    // The command continues, and its result is stored, if the caller disappears.
    this.ctx.waitUntil(started.result);
    const result = await started.result;
    await tell(onOutput, result);
    return done(result);
  }

  /** Stops a command and waits for its end. Does nothing if it is not running. */
  async kill(id: string): Promise<void> {
    await this.#copies.idle();
    const running = this.#running.get(id);
    running?.stop("killed");
    await running?.result;
  }

  /** Returns the state of a command. Creates no storage. */
  async find(id: string): Promise<FoundCommand> {
    if (this.#running.has(id)) return { state: "running" };
    const known = this.#existingDisk()?.commands.find(id);
    // A command that was started and does not run was interrupted by a restart of the object.
    if (!known || known === "started") return { state: "unknown" };
    return { state: "finished", result: known };
  }

  /** Returns the bytes of a file, or null if there is none. Creates no storage. */
  async readFile(path: string): Promise<Answer<Uint8Array | null>> {
    const files = this.#existingDisk()?.files;
    if (!files || !(await files.exists(path))) return done(null);
    return answer(() => files.readFileBuffer(path));
  }

  /** Writes a whole file and creates the directories above it. */
  async writeFile(path: string, bytes: Uint8Array): Promise<Answer<null>> {
    await this.#copies.idle();
    const { files } = this.#openDisk();
    return answer(async () => {
      await files.mkdir(parentOf(path), { recursive: true });
      await files.writeFile(path, bytes);
      return null;
    });
  }

  /** Writes a file if its content still has a SHA-256, in hex; null for none. */
  async replaceFile(
    path: string,
    bytes: Uint8Array,
    before: string | null,
  ): Promise<Answer<boolean>> {
    await this.#copies.idle();
    const { files } = this.#openDisk();
    const hashOf = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");
    const allows = (content: Uint8Array | null) => (content && hashOf(content)) === before;
    return answer(() => files.replaceFile(path, bytes, { within: "/", allows }));
  }

  /** Returns entries below a directory of the workspace. Creates no storage. */
  async list(workspace: string, path: string, page: PageOfFiles): Promise<FilePage | FileRefusal> {
    return this.#filesOf(workspace).list(path, page);
  }

  /** Returns a file of the workspace. Creates no storage. */
  async read(
    workspace: string,
    path: string,
    piece: { from: number; length: number },
  ): Promise<FilePiece | FileRefusal> {
    return this.#filesOf(workspace).read(path, piece);
  }

  /** Returns a piece of an archive of a directory. Creates no storage. */
  async archive(
    workspace: string,
    path: string,
    position: ArchivePosition | null,
  ): Promise<ArchivePiece | FileRefusal> {
    return this.#filesOf(workspace).archive(path, position);
  }

  /** Writes a file of the workspace. */
  async put(
    workspace: string,
    path: string,
    bytes: Uint8Array,
    condition: Condition,
  ): Promise<FileWritten | FileRefusal> {
    await this.#copies.idle();
    return new DiskFiles(this.#openDisk().files, workspace).put(path, bytes, condition);
  }

  /** Removes a file or a directory of the workspace. Creates no storage. */
  async remove(
    workspace: string,
    path: string,
    options: { recursive: boolean; condition: Condition },
  ): Promise<{ type: string } | FileRefusal> {
    await this.#copies.idle();
    const disk = this.#existingDisk();
    if (!disk) return refusals.notFound(path);
    return new DiskFiles(disk.files, workspace).remove(path, options);
  }

  /** Saves the workspace under a key, after running commands have ended. Returns its size in bytes. */
  snapshot(
    key: string,
    workspace: string,
    onProgress?: () => void,
  ): Promise<{ sizeBytes: number }> {
    return this.#copies.run(async () => {
      while (this.#running.size > 0) {
        await Promise.all([...this.#running.values()].map(({ result }) => result.catch(() => {})));
      }
      const files = this.#existingDisk()?.files;
      return saveTree(files, workspace, this.env.SNAPSHOTS, key, () => report(onProgress));
    });
  }

  /** Replaces the disk by a new one with the workspace saved under a key. Stops running commands. */
  restore(key: string, workspace: string, onProgress?: () => void): Promise<void> {
    return this.#copies.run(async () => {
      await this.#empty();
      this.#openDisk();
      const files = new SqliteFs(this.ctx.storage, { maxBytes: RESTORED_DISK_BYTES });
      await restoreTree(files, workspace, this.env.SNAPSHOTS, key, () => report(onProgress));
    });
  }

  /** Stops running commands and deletes all storage. Idempotent. */
  async destroy(): Promise<void> {
    await this.#copies.idle();
    await this.#empty();
  }

  async #empty(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.all(
        [...this.#running.values()].map(({ stop, result }) => {
          stop("killed");
          return result;
        }),
      );
    }
    this.#disk = undefined;
    await this.ctx.storage.deleteAll();
  }

  #start(command: Command, workspace: string, disk: Disk): Running {
    const abort = new AbortController();
    let ended: CommandResult["ended"] = "exited";
    const stop = (why: "killed" | "timed_out") => {
      if (ended === "exited") ended = why;
      abort.abort();
    };
    const timer = setTimeout(stop, Math.min(command.timeoutMs, MAX_TIMEOUT_MS), "timed_out");

    const execute = async () => {
      // A script may have removed the workspace. If it cannot be created, the shell reports that it is missing.
      await disk.files.mkdir(workspace, { recursive: true }).catch(() => {});
      const shell = await runScript(disk.files, {
        text: command.command,
        cwd: command.cwd ?? workspace,
        env: command.env ?? {},
        rules: command.rules,
        signal: abort.signal,
      });
      const result = toResult(shell, ended, command);
      disk.commands.finish(command.id, result, [...this.#running.keys()]);
      return result;
    };
    const result = execute().finally(() => {
      clearTimeout(timer);
      this.#running.delete(command.id);
    });
    return { stop, result };
  }

  /** Returns the disk, created at the first use: reading from a sandbox that was never used leaves no storage. */
  #openDisk(): Disk {
    const existing = this.#existingDisk();
    if (existing) return existing;
    const { storage } = this.ctx;
    storage.transactionSync(() => {
      SqliteFs.format(storage.sql, systemFiles());
      CommandLog.format(storage.sql);
    });
    return this.#mount();
  }

  /** Returns the files of the workspace; none before anything was written. */
  #filesOf(workspace: string): WorkspaceReader {
    const disk = this.#existingDisk();
    return disk ? new DiskFiles(disk.files, workspace) : NO_FILES;
  }

  #existingDisk(): Disk | undefined {
    if (this.#disk) return this.#disk;
    const tables = this.ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'commands'");
    return tables.toArray().length > 0 ? this.#mount() : undefined;
  }

  #mount(): Disk {
    const { storage } = this.ctx;
    this.#disk = { files: new SqliteFs(storage), commands: new CommandLog(storage.sql) };
    return this.#disk;
  }
}

type Namespace = DurableObjectNamespace<EmbeddedSandbox>;

/** Returns the embedded sandbox with an id. It is created at its first use; a destroyed one starts again, empty. */
export function embedded(
  namespace: Namespace,
  id: string,
  options: { workspace: string },
): Sandbox {
  const { workspace } = options;
  // One stub keeps calls in order, so that a kill never overtakes its run. A stub may be broken after an error.
  let stub = namespace.getByName(id);
  const call = async <T>(send: (object: typeof stub) => Promise<T>): Promise<T> => {
    try {
      return await send(stub);
    } catch (cause) {
      stub = namespace.getByName(id);
      throw new SandboxError(`the embedded sandbox failed: ${messageOf(cause)}`, {
        // `remote` marks errors thrown by the object itself; all others are the platform's, and transient.
        transient: !(cause instanceof Error && "remote" in cause && cause.remote === true),
        cause,
      });
    }
  };

  return {
    run: async (command, onOutput) =>
      unwrap(
        await call<Answer<CommandResult>>((object) =>
          object.run(command, options.workspace, onOutput && harmless(onOutput)),
        ),
      ),
    kill: (commandId) => call((object) => object.kill(commandId)),
    find: (commandId) => call<FoundCommand>((object) => object.find(commandId)),
    readFile: async (path) =>
      unwrap(await call<Answer<Uint8Array | null>>((object) => object.readFile(path))),
    async writeFile(path, bytes) {
      requireSize(path, bytes);
      unwrap(await call<Answer<null>>((object) => object.writeFile(path, bytes)));
    },
    async replaceFile(path, bytes, before) {
      requireSize(path, bytes);
      const hash = before && toHex(fromBase64(before));
      return unwrap(await call<Answer<boolean>>((object) => object.replaceFile(path, bytes, hash)));
    },
    // The type of the stub rewrites what methods return.
    files: embeddedFiles(
      (send) => call((object) => send(object as unknown as FilesRpc)),
      workspace,
    ),
    snapshot: (key, { onProgress } = {}) =>
      call((object) => object.snapshot(key, options.workspace, onProgress)),
    restore: (key, onProgress) =>
      call((object) => object.restore(key, options.workspace, onProgress)),
    destroy: () => call((object) => object.destroy()),
  };
}

function requireSize(path: string, bytes: Uint8Array): void {
  if (bytes.length <= MAX_FILE_BYTES) return;
  throw new SandboxError(`${path} is too large: a file may hold ${MAX_FILE_BYTES} bytes`, {
    transient: false,
  });
}

function toResult(
  shell: { exitCode: number; stdout: string; stderr: string; cwd?: string },
  ended: CommandResult["ended"],
  command: Command,
): CommandResult {
  const maxBytes = Math.min(command.maxOutputBytes, MAX_OUTPUT_BYTES);
  const why = ended === "timed_out" ? `timed out after ${command.timeoutMs} ms` : ended;
  // just-bash discards the output of a script that is stopped.
  const note = ended === "exited" ? "" : `bash: ${why}, its output is lost\n`;
  // SQLite keeps text as UTF-8, which has no lone surrogates.
  const stdout = truncateMiddle(shell.stdout.toWellFormed(), maxBytes);
  const stderr = truncateMiddle(shell.stderr.toWellFormed() + note, maxBytes);
  return {
    exitCode: { exited: shell.exitCode, timed_out: 124, killed: 137 }[ended],
    stdout: stdout.text,
    stderr: stderr.text,
    ended,
    truncated: stdout.truncated || stderr.truncated,
    ...(shell.cwd === undefined ? {} : { cwd: shell.cwd }),
  };
}

/** Passes the output of a command to a listener. just-bash has none before the end of a command. */
async function tell(listener: OutputListener | undefined, result: CommandResult): Promise<void> {
  try {
    if (result.stdout) await listener?.("stdout", result.stdout);
    if (result.stderr) await listener?.("stderr", result.stderr);
  } catch {
    // The listener is gone.
  }
}

/** Reports progress to a caller, who may be gone. Calls over RPC return promises. */
function report(onProgress: (() => unknown) | undefined): void {
  Promise.resolve(onProgress?.()).catch(() => {});
}

function done<T>(value: T): Answer<T> {
  return { ok: true, value };
}

function refused(message: string): Answer<never> {
  return { ok: false, message };
}

async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return done(await work());
  } catch (error) {
    if (error instanceof FsError) return refused(error.message);
    throw error;
  }
}

function unwrap<T>(reply: Answer<T>): T {
  if (!reply.ok) throw new SandboxError(reply.message, { transient: false });
  return reply.value;
}
