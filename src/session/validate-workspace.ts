import { allows } from "../sandbox/egress";
import { directoryOf, repositoryUrlProblem } from "../sandbox/git/urls";
import { isWithin } from "../sandbox/paths";
import { defaultNetwork } from "../sandbox/providers";
import type { SessionConfig } from "./rpc";

/** A problem of a config, with its path in the request's body. */
interface Problem {
  path: string;
  message: string;
}

/** Returns what is wrong with the repositories, the commands and the files that a session is to begin with. */
export function checkWorkspace(config: SessionConfig, provider: string): Problem[] {
  const { repositories = [], setup = [], files = [] } = config;
  const issues: Problem[] = [];
  const add = (path: string, message: string | null) => {
    if (message !== null) issues.push({ path: `config.${path}`, message });
  };
  if (provider === "embedded") {
    const message = 'needs a container: a sandbox of "embedded" has no git and no network';
    if (repositories.length > 0) add("repositories", message);
    if (setup.length > 0) add("setup", message);
  }
  const network = config.sandbox?.network ?? defaultNetwork(provider);
  const taken: { path: string; at: string }[] = [];
  for (const [n, repository] of repositories.entries()) {
    const at = `repositories.${n}`;
    const urlProblem = repositoryUrlProblem(repository.url);
    add(`${at}.url`, urlProblem);
    if (urlProblem !== null) continue;
    const { hostname } = new URL(repository.url);
    if (!allows(network, hostname)) {
      add(`${at}.url`, `config.sandbox.network does not allow ${hostname}: add it to "allow"`);
    }
    const path = repository.path ?? directoryOf(repository.url);
    if (path === null) add(`${at}.path`, "is needed: the address has no name for a directory");
    else taken.push({ path, at: `${at}.path` });
  }
  for (const [n, { path }] of files.entries()) taken.push({ path, at: `files.${n}.path` });
  for (const [at, message] of overlaps(taken)) add(at, message);
  return issues;
}

/**
 * Yields the paths that can't be there together: the same twice, one below a file, and a repository below another. A file
 * may be in a repository.
 */
function* overlaps(taken: readonly { path: string; at: string }[]): Generator<[string, string]> {
  for (const [n, one] of taken.entries()) {
    for (const other of taken.slice(0, n)) {
      const isFile = one.at.startsWith("files");
      const [a, b] = [absolute(other.path), absolute(one.path)];
      const isBelow = isWithin(a, b) && !(isFile && !other.at.startsWith("files") && a !== b);
      if (!isBelow && !isWithin(b, a)) continue;
      yield [one.at, `can't be there together with config.${other.at}`];
      break;
    }
  }
}

const absolute = (path: string): string => (path === "." ? "/" : `/${path}`);
