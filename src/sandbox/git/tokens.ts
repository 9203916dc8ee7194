// The tokens of repositories. Each is a secret of the session's environment under a name that no variable can have, with the
// repository's address. So it is stored, taken over and sent as the secrets of `config.env`, and commands see no variable.

import { type EnvValue, isSecret } from "../egress";
import { authorizationOf } from "./resolve";
import { canonicalUrl } from "./urls";

const PREFIX = "git ";

/** Returns the secrets for the tokens of repositories. */
export function tokenSecrets(
  repositories: readonly { url: string; token?: string | undefined }[],
): Record<string, EnvValue> {
  return Object.fromEntries(
    repositories.flatMap(({ url, token }) =>
      token === undefined
        ? []
        : [[PREFIX + canonicalUrl(url), { secret: token, hosts: [new URL(url).hostname] }]],
    ),
  );
}

/** Returns a config without the tokens of its repositories. */
export function withoutTokens<R extends { url: string; token?: string | undefined }, C>(
  config: C & { repositories?: R[] | undefined },
): C & { repositories?: R[] | undefined } {
  const { repositories } = config;
  if (!repositories) return config;
  return { ...config, repositories: repositories.map(({ token: _, ...rest }) => rest as R) };
}

/** Returns whether a secret of an environment is the token of a repository, and no variable. */
export const isTokenName = (name: string): boolean => name.startsWith(PREFIX);

/** Returns the token of a repository; undefined if there is none. */
export function tokenOf(env: Readonly<Record<string, EnvValue>>, url: string): string | undefined {
  const value = env[PREFIX + canonicalUrl(url)];
  return value !== undefined && isSecret(value) ? value.secret : undefined;
}

/** Options of git: their names and values. */
export type GitOptions = [name: string, value: string][];

/**
 * Returns the options by which git sends the placeholders of tokens, each to its repository only. `addressOf` returns the
 * address at which git reaches a repository.
 */
export function tokenOptions(
  env: Readonly<Record<string, EnvValue>>,
  addressOf: (url: string) => string,
): GitOptions {
  return Object.entries(env).flatMap(([name, value]): GitOptions => {
    if (!isTokenName(name) || !isSecret(value) || value.placeholder === undefined) return [];
    const header = `Authorization: ${authorizationOf(value.placeholder)}`;
    // With and without the ending: servers know both, and git compares whole parts of paths.
    const plain = name.slice(PREFIX.length).replace(/\.git$/, "");
    return [plain, `${plain}.git`].map((url) => [`http.${addressOf(url)}.extraHeader`, header]);
  });
}

/** Returns the variables that give options to every git. `env` are other variables, whose own options stay. */
export function gitVariables(
  options: GitOptions,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  if (options.length === 0) return {};
  const first = Number(env.GIT_CONFIG_COUNT ?? 0) || 0;
  return {
    GIT_CONFIG_COUNT: String(first + options.length),
    ...Object.fromEntries(
      options.flatMap(([name, value], n) => [
        [`GIT_CONFIG_KEY_${first + n}`, name],
        [`GIT_CONFIG_VALUE_${first + n}`, value],
      ]),
    ),
  };
}
