import type { Change, Changed, Excerpt, Overflow, SaveMode, TextEdit } from "../container/protocol";
import type { CommandRules } from "./command-rules";
import type { WorkspaceFiles } from "./files";

export { SandboxError } from "./sandbox-error";
export type { Change, Changed, Excerpt, SaveMode, TextEdit };

/** One command for a sandbox's shell. `id` identifies it permanently: an id is never run twice. */
export interface Command {
  id: string;
  command: string;
  /** The working directory, an absolute path; the workspace when absent. */
  cwd?: string;
  env?: Record<string, string>;
  /** The commands of the script that may run, if the provider checks each one. */
  rules?: CommandRules | undefined;
  timeoutMs: number;
  /** The bytes of stdout and of stderr, each, that are kept: the head and the tail if there are more. */
  maxOutputBytes: number;
  /** Where long output is to be stored. A provider may ignore it. */
  overflow?: Overflow;
}

/** Receives a command's output in order while it runs, as early as the provider can. */
export type OutputListener = (stream: "stdout" | "stderr", text: string) => void;

/** The result of a command. `exitCode` is 124 if it timed out and 137 if it was killed. */
export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  ended: "exited" | "timed_out" | "killed";
  /** True if output was dropped to stay within `maxOutputBytes`. */
  truncated: boolean;
  /** The shell's working directory at the end, an absolute path; absent if unknown. */
  cwd?: string;
  /** Present if the output was stored in the file of `overflow`. */
  overflowed?: true;
}

/** The state of a command, as far as its provider knows it. */
export type FoundCommand =
  | { state: "running" }
  | { state: "finished"; result: CommandResult }
  | { state: "unknown" };

/**
 * A container or a substitute for one: a shell and files. Methods reject with a `SandboxError`; a command that
 * fails is not an error but an exit code.
 */
export interface Sandbox {
  /**
   * Starts the container and returns its name. A container that lost its files is another one, with another
   * name. The other methods start it too. Absent if nothing has to be started.
   */
  start?(): Promise<string>;
  /**
   * Runs a command to its end. A repeated id returns the first run's result and runs nothing; the id of an
   * interrupted run is refused for good.
   */
  run(command: Command, onOutput?: OutputListener): Promise<CommandResult>;
  /** Stops a command and all its processes. Does nothing if it is not running. */
  kill(id: string): Promise<void>;
  /** Returns the state of a command, also after a restart of the caller. Absent if the provider cannot. */
  find?(id: string): Promise<FoundCommand>;
  /** Returns the bytes of a file, or null if there is none. Rejects for a directory. */
  readFile(path: string): Promise<Uint8Array | null>;
  /** Writes a whole file and creates the directories above it. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Changes a file in one step. A repeated id changes nothing and returns the first result. Returns null, after doing
   * nothing, if the container cannot. Absent if the provider cannot: see `changeFile` in change-file.ts.
   */
  changeFile?(path: string, change: Change, options: ChangeOptions): Promise<Changed | null>;
  /**
   * Writes a file if its content still has a SHA-256, in base64; null for none. Returns whether it was written. For
   * providers that can't change a file in one step.
   */
  replaceFile?(path: string, bytes: Uint8Array, before: string | null): Promise<boolean>;
  /** The files of the workspace, for callers. Absent if the provider has none. */
  files?: WorkspaceFiles;
  /**
   * Saves the workspace under a key of the deployment's bucket, and returns its size in bytes. By default it is saved as
   * of one point in time: the save waits for running commands, and later ones wait for it. Returns null if the save gave
   * way to a command. A snapshot that was interrupted cannot be restored. Absent if the provider cannot.
   */
  snapshot?(key: string, options?: SaveOptions): Promise<{ sizeBytes: number } | null>;
  /**
   * Replaces everything by the workspace saved under a key. Calls `onProgress` from time to time. A repeat after a failure
   * may go on where that was.
   */
  restore?(key: string, onProgress?: () => void): Promise<void>;
  /**
   * Stops the container and keeps it, with its files at least: `start` lets it continue, with the same name. Absent if
   * the provider cannot.
   */
  suspend?(): Promise<void>;
  /**
   * Returns how a port of the container is reached, also if its server listens on the loopback address only. Starts no
   * container. With `isAgain`, the address that was returned before leads nowhere. Absent if the provider has no ports.
   */
  reach?(port: number, isAgain: boolean): Promise<PortAddress>;
  /** Programs that run in parallel with commands. Absent if the provider has none. */
  programs?: Programs;
  /**
   * Destroys the container with everything in it. Does nothing the second time, or if the sandbox was never
   * used. Whether a later call is refused or starts a new container depends on the provider.
   */
  destroy(): Promise<void>;
}

/** How a port of a container is reached: see `fetchPort` in ports.ts. */
export interface PortAddress {
  /** What precedes the path of a request. */
  url: string;
  /** Headers of each request besides its own. */
  headers: Record<string, string>;
  /** The id of the container whose object takes the requests, if they do not go through the internet. */
  container?: string;
  /** The text in the vendor's own answer, a 502, if nothing listens at the port. */
  closedText?: string;
}

/** Options of a change of a file. */
export interface ChangeOptions {
  /** Identifies the change permanently, like a command's. */
  id: string;
  /**
   * The contents that the caller has seen, each as its SHA-256 in base64: the file is left unchanged if it exists and has
   * another one. Any content if absent.
   */
  seen?: readonly string[] | undefined;
}

/** Options of a save. */
interface SaveOptions {
  /** The key of an earlier save of the workspace, or of one that it comes from: what has not changed is not stored again. */
  base?: string | null;
  /** See `SaveMode`; `all` by default. A provider whose saves are short may ignore it. */
  mode?: SaveMode;
  /** Called from time to time while the save proceeds. */
  onProgress?: () => void;
}

/** A program to run. `id` identifies it permanently, like a command's. */
interface Program {
  id: string;
  /** A shell command, run as a user with access to the workspace and its own home only. */
  command: string;
  env?: Record<string, string>;
}

/** A line of a program's output. `end` is the offset in bytes of the line's end in the output. */
export interface ProgramLine {
  line: string;
  end: number;
}

/**
 * Long-running programs that read and write lines. They continue without a listener; `kill` ends one. Whatever way a
 * program ends, the processes that it has started end with it.
 */
export interface Programs {
  /** Starts a program. Does nothing if it was started before, even if it has ended. */
  begin(program: Program): Promise<void>;
  /** Sends a program its `n`-th line of input, counted from 1. A repeat of `n` changes nothing. */
  tell(id: string, n: number, line: string): Promise<void>;
  /**
   * Ends the processes that a program has started since it was handed its `n`-th line of input, or up to a second
   * earlier, with all that they have started. The program and its older processes continue. A process counts as the
   * program itself unless it has left its session, as with `setsid`. Does nothing if the program has ended.
   */
  endSince(id: string, n: number): Promise<void>;
  /**
   * Yields the lines of a program's output after the first `after` bytes, as they arrive. Ends when the program
   * ends.
   */
  listen(id: string, after: number, signal: AbortSignal): AsyncIterable<ProgramLine>;
}

/** Returns the message of anything that was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
