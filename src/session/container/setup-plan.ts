import type { SetupStep } from "../../events/event";
import { cloneScript } from "../../sandbox/git/clone";
import type { Revision } from "../../sandbox/git/refs";
import { isTokenName } from "../../sandbox/git/tokens";
import { canonicalUrl, directoryOf } from "../../sandbox/git/urls";
import type { InitialFile, Repository, SessionConfig } from "../rpc";
import type { ClearEnv } from "../session-env";

// What the set-up of a session consists of. Pure.

/** A repository and the commit that it is cloned at. */
export interface PlannedRepository extends Revision {
  url: string;
  path: string;
  depth: number | undefined;
}

/** A step: what its events say of it, and its script. */
export interface PlannedStep {
  shown: SetupStep;
  script: string;
}

/** A file, of an artifact the SHA-256. */
type PlannedFile = InitialFile | { path: string; sha256: string };

type SetupConfig = Pick<SessionConfig, "repositories" | "setup" | "files">;

/** Returns whether a session's workspace begins with something. */
export const beginsWithFiles = (config: SetupConfig): boolean =>
  hasSetup(config) || (config.files ?? []).length > 0;

/** Returns whether a session has repositories to clone or commands to run. Files alone need neither. */
export const hasSetup = ({ repositories = [], setup = [] }: SetupConfig): boolean =>
  repositories.length + setup.length > 0;

/** Returns a repository of a config with the commit that its ref is at. */
export const plannedRepository = (
  { url, path, depth }: Repository,
  revision: Revision,
): PlannedRepository => ({
  url: canonicalUrl(url),
  path: path ?? directoryOf(url) ?? "repository",
  depth,
  ...revision,
});

/** Returns the steps, in order: the repositories, then the commands. Files are written between the two. */
export function stepsOf(
  repositories: readonly PlannedRepository[],
  commands: readonly string[],
): { clones: PlannedStep[]; commands: PlannedStep[] } {
  const steps = repositories.length + commands.length;
  return {
    clones: repositories.map((repository, n) => {
      const { url, path, commit, ref } = repository;
      const about = { name: url, commit, ref, path };
      return {
        shown: { step: n + 1, steps, kind: "repository", ...about },
        script: cloneScript(repository),
      };
    }),
    commands: commands.map((command, n) => ({
      shown: { step: repositories.length + n + 1, steps, kind: "command", name: command },
      script: command,
    })),
  };
}

/** What the result of a set-up depends on besides its steps. */
interface SetupContext {
  owner: string;
  provider: string;
  /** Identifies the image of the deployment's containers; empty for a vendor's machine. */
  image: string;
  /** The options of the sandbox, those of the deployment included. */
  options: Readonly<Record<string, unknown>>;
  workspace: string;
  env: ClearEnv;
}

/**
 * Returns a text that two sessions have in common only if their set-ups give the same workspace. Values of secrets are left
 * out: they are not in the sandbox.
 */
export function setupText(
  { env, options, ...context }: SetupContext,
  repositories: readonly PlannedRepository[],
  { setup = [], files = [] }: { setup?: string[] | undefined; files?: PlannedFile[] | undefined },
): string {
  const variables = Object.entries(env).filter(([name]) => !isTokenName(name));
  const known = variables.map(([name, value]) => [
    name,
    typeof value === "string" ? value : { hosts: value.hosts },
  ]);
  return JSON.stringify([
    FORMAT,
    ...[context.owner, context.provider, context.image, sorted(options), context.workspace],
    ...[sorted(Object.fromEntries(known)), setup],
    repositories.map(({ url, path, depth, commit, ref }) => [
      url,
      path,
      depth ?? null,
      commit,
      ref,
    ]),
    files,
  ]);
}

/** Changes with what is done to set a session up. */
const FORMAT = 1;

const sorted = (fields: Readonly<Record<string, unknown>>): [string, unknown][] =>
  Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));

/** Characters of a step's output that its event has, and that the error of the session has. */
const EVENT_CHARACTERS = 4_000;
const ERROR_CHARACTERS = 1_000;

/** Returns the end of a text, with whole lines if there are some. */
export function endOf(text: string, characters = EVENT_CHARACTERS): string {
  const trimmed = text.trim();
  if (trimmed.length <= characters) return trimmed;
  const end = trimmed.slice(-characters);
  const line = end.indexOf("\n");
  return `…${line >= 0 && line < characters / 2 ? end.slice(line) : end}`.toWellFormed();
}

/** Returns the error of a session whose set-up has failed at a step. */
export function failureText({ step, steps, name }: SetupStep, why: string, output: string): string {
  const said = endOf(output, ERROR_CHARACTERS);
  const [line = ""] = name.split("\n");
  const what = line === name && line.length <= 200 ? line : `${line.slice(0, 200)}…`;
  return `The set-up failed at step ${step} of ${steps}, "${what}": ${why}.${said && `\n${said}`}`;
}
