/** A script as the engine's guest gets it. A restricted one asks before each command and each redirection. */
export interface Script {
  text: string;
  /** An absolute path. */
  cwd: string;
  env: Record<string, string>;
  restricted: boolean;
}

/** How a script ended; `cwd` is where its shell stood, if that can be told. */
export interface ScriptResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  cwd?: string;
}
