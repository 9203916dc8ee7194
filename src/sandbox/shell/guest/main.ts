// The program inside the engine: just-bash over the host's file system. `build.ts` bundles it, loads it once
// and stores the engine's memory; each script starts with a copy of that memory.

import { runTimers } from "./globals";
import "./text-search";
import { Bash, type BashOptions, getCommandNames } from "just-bash/browser";
import type { Script } from "../script";
import { hostFiles } from "./files";
import { call } from "./host";
import { decoded, utf8Length } from "./text-bytes";

/**
 * The most bytes of text between two commands. just-bash joins it character by character, which takes about 20
 * bytes of memory for each until the command reads it.
 */
const MAX_TEXT_BYTES = 2 * 1024 ** 2;
/** The most bytes of a file, as on the embedded disk. */
const MAX_FILE_BYTES = 8 * 1024 ** 2;

/**
 * just-bash's own limits. The engine bounds time and memory in any case; with these a script that exceeds one
 * gets a line on stderr and exit code 126.
 */
const LIMITS = {
  maxCommandCount: 20_000,
  maxLoopIterations: 100_000,
  maxAwkIterations: 100_000,
  maxSedIterations: 100_000,
  maxJqIterations: 500_000,
  maxWorkUnits: 10_000_000,
  maxGlobOperations: 100_000,
  // The command's own time limit applies.
  maxExecutionTimeMs: Number.POSITIVE_INFINITY,

  // The interpreter recurses where the script does, and the engine's stack is small.
  maxCallDepth: 100,
  maxExecDepth: 32,
  maxSourceDepth: 32,
  maxSubstitutionDepth: 32,
  maxTraversalDepth: 256,
  maxQueryDepth: 256,
  maxAwkParserDepth: 128,

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

interface Redirection {
  operator: string;
  target: { type: string; parts?: { type: string; value?: string }[] };
}

const scope = globalThis as Record<string, unknown>;
const UNCHECKED = () => null;

scope.__main = () => {
  // The engine's own generator was seeded while it loaded: all scripts would get the same numbers.
  Math.random = () => call("random", []);
  const script = call("script", []);
  if (script.restricted) {
    scope.__refuseCommand = (name: string, args: string[]) =>
      refusal(call("refuseCommand", [name, args]));
    scope.__refuseRedirections = (redirections: Redirection[] = []) =>
      redirections.some(writesFile) ? refusal(call("refuseRedirection", [])) : null;
  }
  run(script).then(
    (result) => call("finish", [result]),
    (error) => call("finish", [{ exitCode: 1, stdout: "", stderr: `bash: ${messageOf(error)}\n` }]),
  );
};
scope.__runTimers = () => call("wake", [runTimers(Date.now())]);
scope.__commandNames = () => JSON.stringify(getCommandNames());
// `build.ts` inserts calls of these into just-bash: where it runs a command, where it opens files for one, and in place of
// its own conversions.
scope.__refuseCommand = UNCHECKED;
scope.__refuseRedirections = UNCHECKED;
scope.__utf8Length = utf8Length;
scope.__decoded = decoded;

async function run({ text, cwd, env }: Script) {
  const shell = new Bash({
    fs: hostFiles,
    cwd,
    env,
    executionLimits: LIMITS,
    // The engine isolates scripts; this option patches globals.
    defenseInDepth: false,
  });
  const result = await shell.exec(text, { rawScript: true });
  // A shell that ended by `exit` or a limit reports its initial variables, which lack "?".
  const { PWD } = result.env;
  const known = "?" in result.env && PWD?.startsWith("/");
  const { exitCode, stdout, stderr } = result;
  return { exitCode, stdout, stderr, ...(known && { cwd: PWD }) };
}

/** Returns the result of a command that was not run. */
const refusal = (message: string | null) =>
  message === null ? null : { stdout: "", stderr: `bash: ${message}\n`, exitCode: 126 };

/** Returns whether a redirection may write a file: all do but reading, duplicating a descriptor, and /dev/null. */
function writesFile({ operator, target }: Redirection): boolean {
  if (operator === "<" || operator === "<<" || operator === "<<-" || operator === "<<<")
    return false;
  const [part, ...more] = target.parts ?? [];
  const literal = more.length === 0 && part?.type === "Literal" ? part.value : undefined;
  if ((operator === ">&" || operator === "<&") && /^(\d+|-)$/.test(literal ?? "")) return false;
  return literal !== "/dev/null";
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
