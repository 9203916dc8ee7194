import type { CommandRules } from "./command-rules";

/** One command for a sandbox's shell. `id` names it for ever: the same id is never run twice. */
export interface Command {
  id: string;
  command: string;
  /** An absolute path; the workspace when absent. */
  cwd?: string;
  env?: Record<string, string>;
  /** Which commands of the script may run, where the provider decides on each as it is about to run. */
  rules?: CommandRules | undefined;
  timeoutMs: number;
  /** Bytes of stdout and of stderr that are kept, each: the head and the tail when there are more. */
  maxOutputBytes: number;
}

/** Hears a command's output while it runs, in order, as far as the provider can tell it early. */
export type OutputListener = (stream: "stdout" | "stderr", text: string) => void;

/** How a command ended. `exitCode` is 124 when it timed out and 137 when it was killed. */
export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  ended: "exited" | "timed_out" | "killed";
  /** True when output was dropped to stay within `maxOutputBytes`. */
  truncated: boolean;
  /** Where the shell stood at the end, an absolute path; absent when unknown. */
  cwd?: string;
}

/** What a provider knows of a command that was once started. */
export type FoundCommand =
  | { state: "running" }
  | { state: "finished"; result: CommandResult }
  | { state: "unknown" };

/**
 * A machine, or what stands for one: a shell and files. Methods reject with a `SandboxError`; a
 * command that fails is no error but an exit code.
 */
export interface Sandbox {
  /**
   * Makes the machine ready, and names it. A machine that lost its files is another one, with another name.
   * The other methods start it too where it is not. Absent where nothing has to be started.
   */
  start?(): Promise<string>;
  /**
   * Runs a command to its end; a repeated id answers with the first run's result and runs nothing. An
   * id whose run was cut off is refused for good.
   */
  run(command: Command, onOutput?: OutputListener): Promise<CommandResult>;
  /** Stops a command and all it started; one that is not running is left as it is. */
  kill(id: string): Promise<void>;
  /** Tells what became of a command, also after a restart of whoever asked; absent if it can't be told. */
  find?(id: string): Promise<FoundCommand>;
  /** Returns the bytes of a file, or null when there is no such file. A directory is an error. */
  readFile(path: string): Promise<Uint8Array | null>;
  /** Writes a whole file and makes the directories above it. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Saves the workspace under a key of the deployment's bucket, as it is at one point in time: commands
   * that run are waited for, and what comes meanwhile waits. What was only half saved can't be restored.
   * Absent if the provider has no way to.
   */
  snapshot?(key: string): Promise<{ sizeBytes: number }>;
  /** Begins anew with the workspace that was saved under a key. After a failure: `destroy` it. */
  restore?(key: string): Promise<void>;
  /** Programs that go on beside the commands; absent if the provider can't keep any. */
  programs?: Programs;
  /**
   * Gives the machine back for good, and ends what runs on it. A second call, or one of a sandbox never
   * used, does nothing. Whether what is used afterwards is refused or begins anew is the provider's.
   */
  destroy(): Promise<void>;
}

/** A program for `Programs`. `id` names it for ever, as a command's does. */
interface Program {
  id: string;
  /** For the shell, run as a user without rights to anything but the workspace and its own home. */
  command: string;
  env?: Record<string, string>;
}

/** A line of a program's output; `end` is how many bytes of output there are up to its end. */
export interface ProgramLine {
  line: string;
  end: number;
}

/** Programs that read lines and write lines, and go on while nobody listens. `kill` ends one. */
export interface Programs {
  /** Starts a program; one that was started before is left as it is, also when it has ended. */
  begin(program: Program): Promise<void>;
  /** Gives a program its `n`-th line of input, counted from 1; the same `n` again changes nothing. */
  tell(id: string, n: number, line: string): Promise<void>;
  /** Returns the lines of a program's output beyond so many bytes, as they come. Ends when the program has. */
  listen(id: string, after: number, signal: AbortSignal): AsyncIterable<ProgramLine>;
}

/**
 * A sandbox that could not do its part. `transient` says that the same call may work later, `lost` that the
 * machine is gone and its files with it.
 */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly transient: boolean;
  readonly lost: boolean;
  constructor(message: string, options: { transient: boolean; lost?: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.transient = options.transient;
    this.lost = options.lost ?? false;
  }
}

/** Returns what an error says, whatever was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
