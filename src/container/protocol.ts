import type { Condition, PageOfFiles } from "./file-facts.ts";
import type { ArchivePosition } from "./tar-piece.ts";

// The protocol between the Worker and the runner in a container. A request is the environment variable
// RIGGER_ASK of one start of the runner. Responses are lines of JSON on its stdout.

/** Content that is too long for environment variables: a file in the runner's folder, which the runner removes. */
export interface AskFile {
  file: string;
}

/**
 * A request that is too long for one environment variable, which may have 128 KiB: so many pieces, in RIGGER_ASK_1 and so
 * on. The runners of images before this one answer it with `null` and do nothing.
 */
export interface AskPieces {
  pieces: number;
}

/** A request. If `machine` is set, only the container with this name executes it; another one responds with `lost`. */
export type Ask = { machine?: string | undefined } & (
  | { do: "start"; workspace: string }
  | { do: "run"; workspace: string; command: AskedCommand }
  | { do: "find"; id: string }
  | { do: "kill"; id: string }
  | { do: "read"; path: string }
  | { do: "write"; path: string; content: { base64: string } | AskFile }
  | ChangeAsk
  | ListAsk
  | PieceAsk
  | ArchiveAsk
  | PutAsk
  | RemoveAsk
  | { do: "drop"; files: readonly string[] }
  | { do: "prepare-stop" }
  | SaveAsk
  | RestoreAsk
  | { do: "begin"; workspace: string; program: AskedProgram }
  | { do: "tell"; id: string; n: number; line: string }
  | { do: "endSince"; id: string; n: number }
  | { do: "listen"; id: string; after: number }
  /** Makes sure that servers in the container are reached from outside, with the token; then serves them. */
  | { do: "openPorts"; token: string }
  | { do: "servePorts"; token: string }
);

/**
 * Saves the workspace. `token` gives access to the objects of `store`. `base` is the index of the last save, whose chunks
 * are not stored again.
 */
export interface SaveAsk {
  do: "save";
  workspace: string;
  token: string;
  store: string;
  base: string | null;
  mode: SaveMode;
}

/**
 * Which operations a save waits for. `all`: it waits for running operations, and later ones wait for it. `none`: it does
 * not wait, since the container is about to be stopped. `yield`: it gives up if another operation runs or waits.
 */
export type SaveMode = "all" | "none" | "yield";

/** Restores a workspace from an index, or from the tar archives of an earlier version. */
export interface RestoreAsk {
  do: "restore";
  workspace: string;
  token: string;
  saved: { index: string } | { parts: string[] };
}

// Requests for the files of the workspace: `path` is below it, and must have no `.`, `..` or empty names. The answer may be
// a `FileRefusal`. The runners of images before these answer `null` and do nothing.

/** Returns a page of what is in a directory. */
export interface ListAsk extends PageOfFiles {
  do: "list";
  workspace: string;
  path: string;
}

/** Sends a piece of a file in frames, and returns the file's `FileStat`. */
export interface PieceAsk {
  do: "piece";
  workspace: string;
  path: string;
  from: number;
  length: number;
}

/** Sends a piece of an archive in frames, and returns the `position` of the next one. */
export interface ArchiveAsk {
  do: "archive";
  workspace: string;
  path: string;
  position: ArchivePosition | null;
}

/** Writes a file, whose content may be in several uploaded files. Returns a `FileWritten`. `id` as in a change. */
export interface PutAsk {
  do: "put";
  id: string;
  workspace: string;
  path: string;
  content: { base64: string } | { files: readonly string[] };
  condition: Condition;
}

/** Removes a file, or a directory. Returns its `type`. `id` as in a change. */
export interface RemoveAsk {
  do: "remove";
  id: string;
  workspace: string;
  path: string;
  recursive: boolean;
  condition: Condition;
}

/**
 * Changes a file in one step: see `changeFile` of the sandbox. `id` identifies the change, which a repeat does not make
 * again. The runners of images before this one answer `null` and do nothing.
 */
export interface ChangeAsk {
  do: "change";
  id: string;
  path: string;
  change: Change<string>;
  seen?: readonly string[] | undefined;
}

/** A change of a file: an edit, or its new content, in base64 in a request. */
export type Change<Content = Uint8Array> = { edit: TextEdit } | { content: Content };

/** The replacement of a text, which must occur once, or of `all` its occurrences. An empty one makes a new file. */
export interface TextEdit {
  oldText: string;
  newText: string;
  all: boolean;
}

/** The result of a change: the SHA-256 of the file's new content, in base64, or why the file is unchanged. */
export type Changed = { hash: string; edited?: Excerpt | undefined } | { unchanged: string };

/** The lines around the first of `count` new texts. `first` is the number of the first line. Long lines are cut. */
export interface Excerpt {
  count: number;
  first: number;
  lines: { start: string; chars: number }[];
}

/** A command: see `Command` of the sandbox. */
export interface AskedCommand {
  id: string;
  command: string;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  timeoutMs: number;
  maxOutputBytes: number;
  overflow?: Overflow | undefined;
}

/**
 * Where a command's output is stored if it has more characters than these: stdout and stderr, as they are kept, in one
 * file.
 */
export interface Overflow {
  path: string;
  maxChars: number;
  /** The same if the command fails. */
  maxFailureChars: number;
}

/** A program: see `Program` of the sandbox. */
export interface AskedProgram {
  id: string;
  command: string;
  env?: Record<string, string> | undefined;
}

/** The result of a command: see `CommandResult` of the sandbox. */
export interface Result {
  exitCode: number;
  stdout: string;
  stderr: string;
  ended: "exited" | "timed_out" | "killed";
  truncated: boolean;
  cwd?: string;
  /** Present if the output was stored in the file of `overflow`. */
  overflowed?: true;
}

/**
 * The host whose requests the Worker answers itself: those for an object of a saved workspace, at `/<token>/<name>`, and
 * the question whether a container may be stopped, at `/STOP_PATH/<name of the container>`. No such host exists.
 */
export const ARCHIVE_HOST = "archive.rigger";
export const STOP_PATH = "stopping";

/** A line of the runner's output. The last one is an `answer`, a refusal, or `lost` if the container is another one. */
export type Frame =
  | { beat: true }
  | { begun: true }
  | { progress: true }
  | { stdout: string }
  | { stderr: string }
  | { base64: string }
  | { line: string; end: number }
  | { answer: unknown }
  | { refused: string }
  | { lost: true };

/** Sends a frame. */
export type Tell = (frame: Frame) => void;

/**
 * The runner's name, and its folder in a container. Files for the runner are placed in `inbox` below it, which
 * `start` creates.
 */
export const RUNNER = "rigger-run";
export const RUNNER_HOME = "/var/lib/rigger";

/** The port of the runner's HTTP server, in machines that have one: see serve.ts. */
export const SERVE_PORT = 8080;

/** The port of the server that passes requests on to ports of the container, where the other server does not: see ports.ts. */
export const PORTS_PORT = 28_080;

/** The header with the token of a request to either server, and the one with the port that it is passed on to. */
export const TOKEN_HEADER = "x-rigger-token";
export const PORT_HEADER = "x-rigger-port";

/** The beginning of the names of headers that belong to the request that is passed on. */
export const CARRIED = "x-rigger-of-";

/** The header of an answer that is none of the server at the port: nothing answers there, or the machine is another one. */
export const CLOSED_HEADER = "x-rigger-closed";

/** An event of a runner that the HTTP server has started. The last one is `complete` or `error`. */
export interface ServedEvent {
  type: "stdout" | "stderr" | "complete" | "error";
  data?: string;
  exitCode?: number;
}

/** Interval of heartbeat frames. */
export const BEAT_MS = 10_000;

/** Returns JSON in ASCII only, so that it can be cut and decoded in arbitrary pieces. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Returns a command's output as people read it: stdout, then stderr. */
export const joinOutput = ({ stdout, stderr }: Pick<Result, "stdout" | "stderr">): string =>
  [stdout, stderr]
    .map((text) => text.trimEnd())
    .filter(Boolean)
    .join("\n");
