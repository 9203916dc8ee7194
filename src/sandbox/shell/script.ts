/** A script as the guest gets it. A restricted one asks the host before each command and each redirection. */
export interface Script {
  text: string;
  /** The working directory, an absolute path. */
  cwd: string;
  env: Record<string, string>;
  restricted: boolean;
}

/** The result of a script; `cwd` is its last working directory, if known. */
export interface ScriptResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  cwd?: string;
}
