// The shell script that clones a repository at a commit.

import type { Revision } from "./refs";

/** What is cloned, and where: `path` is relative to the working directory. */
export interface Clone extends Revision {
  url: string;
  path: string;
  /** The number of commits of its history; all if it is absent. */
  depth?: number | undefined;
}

/** The pauses before further tries, in seconds: what fails once the server has answered is most likely the network. */
const PAUSES = [1, 5];

const SHA256_LENGTH = 64;

/**
 * Returns a script that clones a repository at exactly a commit. A branch is checked out as a local branch that tracks it;
 * anything else leaves `HEAD` detached. A server that does not give single commits is asked for the whole history.
 */
export function cloneScript({ url, path, commit, ref, depth }: Clone): string {
  // The name may come from the server: it must not be taken for an option.
  const [, branch = ""] = /^refs\/heads\/([^-].*)$/.exec(ref ?? "") ?? [];
  const format = commit.length === SHA256_LENGTH ? "--object-format=sha256" : "";
  const shallow = depth === undefined ? "" : `--depth=${depth}`;
  return `
export GIT_TERMINAL_PROMPT=0
dir=${quote(path === "." ? path : `./${path}`)} url=${quote(url)}
commit=${commit} ref=${quote(ref ?? "")} branch=${quote(branch)}
repository() { git -C "$dir" -c advice.detachedHead=false "$@"; }
clone() {
  mkdir -p "$dir" && git init -q ${format} "$dir" && repository remote add origin "$url" || return
  if [ -n "$branch" ] && [ -n "${shallow}" ]; then
    repository config remote.origin.fetch "+$ref:refs/remotes/origin/$branch"
  fi
  if [ -n "$branch" ] || [ -z "${shallow}" ]; then repository fetch ${shallow} origin || return; fi
  if ! repository cat-file -e "$commit^{commit}" 2>/dev/null; then
    repository fetch ${shallow} origin "$commit" ||
      { [ -n "$ref" ] && repository fetch ${shallow} origin "$ref"; } ||
      repository fetch --tags origin '+refs/heads/*:refs/remotes/origin/*' || return
  fi
  if [ -n "$branch" ]; then
    repository checkout -q -B "$branch" "$commit" &&
      repository branch -q --set-upstream-to="origin/$branch"
  else
    repository checkout -q --detach "$commit"
  fi
}
if [ -n "$(ls -A "$dir" 2>/dev/null)" ]; then echo "$dir is not empty" >&2; exit 1; fi
for pause in ${PAUSES.join(" ")} -; do
  if clone; then echo "$dir is at $commit"; exit 0; fi
  [ "$pause" = - ] && exit 1
  find "$dir" -mindepth 1 -delete
  sleep "$pause"
done
`;
}

/** Returns a text as one word of a shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
