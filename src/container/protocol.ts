// What the Worker asks of the runner in a container, and what it answers. A question is the environment
// variable RIGGER_ASK of one start of the runner; answers are lines of JSON on its stdout.

/** What is too long for an environment: a file below the runner's folder, which it removes. */
export interface AskFile {
  file: string;
}

/** A question. With the name of a machine, only that one answers it; another one says `lost`. */
export type Ask = { machine?: string | undefined } & (
  | { do: "start"; workspace: string }
  | { do: "run"; workspace: string; command: AskedCommand }
  | { do: "find"; id: string }
  | { do: "kill"; id: string }
  | { do: "read"; path: string }
  | { do: "write"; path: string; content: { base64: string } | AskFile }
  | { do: "save"; workspace: string }
  | { do: "restore"; workspace: string; parts: string[] }
  | { do: "begin"; workspace: string; program: AskedProgram }
  | { do: "tell"; id: string; n: number; line: string }
  | { do: "listen"; id: string; after: number }
);

/** A command, as `Command` of the sandbox has it. */
export interface AskedCommand {
  id: string;
  command: string;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  timeoutMs: number;
  maxOutputBytes: number;
}

/** A program, as `Program` of the sandbox has it. */
export interface AskedProgram {
  id: string;
  command: string;
  env?: Record<string, string> | undefined;
}

/** How a command ended, as `CommandResult` of the sandbox has it. */
export interface Result {
  exitCode: number;
  stdout: string;
  stderr: string;
  ended: "exited" | "timed_out" | "killed";
  truncated: boolean;
  cwd?: string;
}

/** An archive of a part of the workspace, below the runner's folder. */
export interface SavedPart {
  file: string;
  sizeBytes: number;
}

/** A line of the runner. The last one is an `answer`, a refusal, or the word that the machine is another one. */
export type Frame =
  | { beat: true }
  | { begun: true }
  | { stdout: string }
  | { stderr: string }
  | { base64: string }
  | { line: string; end: number }
  | { answer: unknown }
  | { refused: string }
  | { lost: true };

/** Says what happens meanwhile. */
export type Tell = (frame: Frame) => void;

/** The runner's name, and its folder in a container. Files for it are left below `inbox`, which a start makes. */
export const RUNNER = "rigger-run";
export const RUNNER_HOME = "/var/lib/rigger";

/** How often the runner says that it is there while it has nothing else to say. */
export const BEAT_MS = 10_000;
