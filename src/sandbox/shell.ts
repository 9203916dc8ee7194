// The only file that runs just-bash: one script in a fresh shell, over whatever file system it is given.

import { Bash, type BashOptions, getCommandNames, type IFileSystem } from "just-bash/browser";
import { messageOf } from "./sandbox";
import { MAX_FILE_BYTES, type NewFile } from "./sqlite-fs";

const HOME = "/home/user";

/**
 * Text between two commands. just-bash joins it character by character, which takes about 20 bytes of
 * memory for each until the command reads it, and the whole Worker has 128 MB.
 */
const MAX_TEXT_BYTES = 2 * 1024 ** 2;

/** What one script may use. More is exit code 126 and a line on stderr. */
const LIMITS = {
  // A script that touches no file never pauses, so neither its time limit nor a kill can reach it: these
  // counts are what ends it. Most loops take a second or two; one that fills an array takes half a minute.
  maxCommandCount: 20_000,
  maxLoopIterations: 100_000,
  maxAwkIterations: 500_000,
  maxSedIterations: 100_000,
  maxJqIterations: 500_000,
  maxWorkUnits: 10_000_000,
  maxGlobOperations: 100_000,
  // The command's own time limit is what counts.
  maxExecutionTimeMs: Number.POSITIVE_INFINITY,

  // The interpreter recurses where the script does, and a Worker's stack is small.
  maxCallDepth: 100,
  maxExecDepth: 32,
  maxSourceDepth: 32,
  maxSubstitutionDepth: 32,
  maxTraversalDepth: 256,
  maxQueryDepth: 256,
  maxAwkParserDepth: 128,

  // Memory. Each bounds one thing and nothing bounds their sum, so they are small.
  maxSourceBytes: 1024 ** 2,
  maxStringLength: MAX_TEXT_BYTES,
  maxOutputSize: MAX_TEXT_BYTES,
  maxHeredocSize: MAX_TEXT_BYTES,
  maxLiveBytes: 4 * MAX_FILE_BYTES,
  maxInputBytes: 256 * 1024 ** 2,
  maxArrayElements: 100_000,
  maxQueryElements: 100_000,
  maxBraceExpansionResults: 10_000,
  maxFileDescriptors: 256,
  maxArchiveBytes: MAX_FILE_BYTES,
  maxArchiveEntryBytes: MAX_FILE_BYTES,
  maxArchiveCompressedBytes: MAX_FILE_BYTES,
} as const satisfies BashOptions["executionLimits"];

/** What a new disk holds before its first command: the directories and devices that scripts count on, and the commands' names. */
export const SYSTEM_FILES: readonly NewFile[] = [
  ...["/dev", "/home", HOME, "/usr", "/usr/bin", "/usr/local", "/usr/local/bin"].map(directory),
  { path: "/tmp", kind: "directory", mode: 0o1777 },
  { path: "/bin", kind: "symlink", mode: 0o777, target: "usr/bin" },
  // Without a /dev/fd, just-bash gives each shell its own for `<(command)`. In a shared one, commands
  // side by side would read each other's.
  ...["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"].map(device),
  // just-bash looks a command up on the disk, as a shell does, before it runs its own.
  ...getCommandNames().map(
    (name): NewFile => ({ path: `/usr/bin/${name}`, kind: "file", mode: 0o755 }),
  ),
];

/** A script and where it runs. */
export interface Script {
  text: string;
  cwd: string;
  env: Record<string, string>;
  signal: AbortSignal;
}

/** How a shell ended; `cwd` is where it stood, if it can be told. */
export interface ShellResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  cwd?: string;
}

/** Runs a script in a fresh shell. Never rejects: what goes wrong is an exit code and a line on stderr. */
export async function runScript(files: IFileSystem, script: Script): Promise<ShellResult> {
  if (!(await isDirectory(files, script.cwd))) {
    return { exitCode: 1, stdout: "", stderr: `bash: cd: ${script.cwd}: No such directory\n` };
  }
  const shell = new Bash({
    fs: files,
    cwd: script.cwd,
    env: {
      HOME,
      PATH: "/usr/local/bin:/usr/bin:/bin",
      USER: "user",
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      ...script.env,
    },
    executionLimits: LIMITS,
    // It patches the globals of the whole isolate, which this object shares with others.
    defenseInDepth: false,
  });
  try {
    const { exitCode, stdout, stderr, env } = await shell.exec(script.text, {
      rawScript: true,
      signal: script.signal,
    });
    // A shell that was left by `exit`, a limit or an abort reports the variables it began with, and
    // "?" is not among those.
    const { PWD } = env;
    const cwd = "?" in env && PWD?.startsWith("/") ? { cwd: PWD } : {};
    return { exitCode, stdout, stderr: readable(stderr), ...cwd };
  } catch (error) {
    return { exitCode: 1, stdout: "", stderr: `bash: ${readable(messageOf(error))}\n` };
  }
}

/** just-bash's messages without its advice to whoever embeds it. */
function readable(stderr: string): string {
  return stderr
    .replace(/, increase executionLimits\.\w+/g, "")
    .replace(/command not available in browser environments\. [^\n]*/g, "command not found");
}

async function isDirectory(files: IFileSystem, path: string): Promise<boolean> {
  return (await files.exists(path)) && (await files.stat(path)).isDirectory;
}

function directory(path: string): NewFile {
  return { path, kind: "directory", mode: 0o755 };
}

function device(path: string): NewFile {
  return { path, kind: "device", mode: 0o666 };
}
