// The shell of the embedded sandbox: runs each script in a fresh shell, over a file system.

import type { IFileSystem } from "just-bash/browser";
import type { CommandRules } from "./command-rules";
import type { NewFile } from "./disk/file-table";
import { commandNames, runInEngine } from "./shell/engine";
import type { ScriptResult } from "./shell/script";

const HOME = "/home/user";

/** Returns the files of a new disk: the directories and devices that scripts expect, and the commands' names. */
export const systemFiles = (): NewFile[] => [
  ...["/dev", "/home", HOME, "/usr", "/usr/bin", "/usr/local", "/usr/local/bin"].map(directory),
  { path: "/tmp", kind: "directory", mode: 0o1777 },
  { path: "/bin", kind: "symlink", mode: 0o777, target: "usr/bin" },
  // Without a /dev/fd, just-bash creates one in each shell for `<(command)`. In a shared one, parallel commands
  // would read each other's.
  ...["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"].map(device),
  // just-bash looks a command up on the disk, as a shell does, before it runs its own.
  ...commandNames().map(
    (name): NewFile => ({ path: `/usr/bin/${name}`, kind: "file", mode: 0o755 }),
  ),
];

/** A script and its environment. With rules, each of its commands is checked before it runs. */
export interface Script {
  text: string;
  cwd: string;
  env: Record<string, string>;
  rules?: CommandRules | undefined;
  signal: AbortSignal;
}

/** The result of a script; `cwd` is its last working directory, if known. */
export type ShellResult = ScriptResult;

/**
 * Runs a script in a fresh shell. Never rejects: errors are an exit code and a line on stderr. If the signal
 * stops the script, the result is that of a killed shell, without output.
 */
export async function runScript(files: IFileSystem, script: Script): Promise<ShellResult> {
  const { text, cwd, rules, signal } = script;
  if (!(await isDirectory(files, cwd))) {
    return { exitCode: 1, stdout: "", stderr: `bash: cd: ${cwd}: No such directory\n` };
  }
  const env = {
    HOME,
    PATH: "/usr/local/bin:/usr/bin:/bin",
    USER: "user",
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    ...script.env,
  };
  const result = await runInEngine({ text, cwd, env }, files, rules, signal);
  return result
    ? { ...result, stderr: readable(result.stderr) }
    : { exitCode: 137, stdout: "", stderr: "" };
}

/** Returns just-bash's messages without its advice for embedders. */
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
