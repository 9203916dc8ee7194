import { TOKEN_HEADER } from "../../container/protocol";
import { type EnvValue, isSecret } from "../egress";
import type { GitOptions } from "../git/tokens";

/** How programs in a vendor's machine reach their session: its address, and the token that it knows them by. */
interface Access {
  url: string;
  token: string;
}

type Env = Readonly<Record<string, EnvValue>>;

/**
 * Returns the variables by which commands in a vendor's machine use secrets: requests to `$RIGGER_PROXY/<host>/<path>` with
 * `$RIGGER_TOKEN` in a header are sent on with the secrets that are for the host. Empty if there are no secrets.
 */
export function proxyVariables({ url, token }: Access, env: Env): Record<string, string> {
  if (hostsOf(env).length === 0) return {};
  return { RIGGER_PROXY: proxyOf(url), RIGGER_TOKEN: token };
}

/** Returns the options by which git does so by itself, for the hosts of secrets. Empty if there are none. */
export function proxyOptions({ url, token }: Access, env: Env): GitOptions {
  const hosts = hostsOf(env);
  if (hosts.length === 0) return [];
  const proxy = proxyOf(url);
  const named = [...new Set(hosts)].filter((host) => !host.startsWith("*"));
  return [
    [`http.${proxy}.extraHeader`, `${TOKEN_HEADER}: ${token}`],
    ...named.map((host): [string, string] => [
      `url.${proxy}/${host}/.insteadOf`,
      `https://${host}/`,
    ]),
  ];
}

/** Returns the address at which programs in a vendor's machine reach an address of a secret's host. */
export const addressByProxy = ({ url }: Access, address: string): string =>
  address.replace(/^https:\//, proxyOf(url));

const proxyOf = (url: string): string => `${url}/proxy`;

const hostsOf = (env: Env): string[] =>
  Object.values(env).flatMap((value) => (isSecret(value) ? value.hosts : []));
