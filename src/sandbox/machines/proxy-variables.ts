import { type EnvValue, isSecret } from "../egress";
import { TOKEN_HEADER } from "./requests";

/**
 * Returns the variables by which commands in a vendor's machine use secrets: requests to `$RIGGER_PROXY/<host>/<path>` with
 * `$RIGGER_TOKEN` in a header are sent on with the secrets that are for the host. Git does so by itself for these hosts.
 * Empty if there are no secrets.
 */
export function proxyVariables(
  { url, token }: { url: string; token: string },
  env: Readonly<Record<string, EnvValue>>,
): Record<string, string> {
  const hosts = Object.values(env).flatMap((value) => (isSecret(value) ? value.hosts : []));
  if (hosts.length === 0) return {};
  const proxy = `${url}/proxy`;
  const named = [...new Set(hosts)].filter((host) => !host.startsWith("*"));
  const git = [
    [`http.${proxy}.extraHeader`, `${TOKEN_HEADER}: ${token}`],
    ...named.map((host) => [`url.${proxy}/${host}/.insteadOf`, `https://${host}/`]),
  ];
  return {
    RIGGER_PROXY: proxy,
    RIGGER_TOKEN: token,
    GIT_CONFIG_COUNT: String(git.length),
    ...Object.fromEntries(
      git.flatMap(([key, value], n) => [
        [`GIT_CONFIG_KEY_${n}`, key],
        [`GIT_CONFIG_VALUE_${n}`, value],
      ]),
    ),
  };
}
