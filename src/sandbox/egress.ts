// What may leave a sandbox, and what is put into a request on its way out. A secret of `config.env` never
// enters the sandbox: its commands see a placeholder, and the value takes its place outside, in requests
// to the secret's own hosts. So whatever runs in the sandbox can use a secret and can't tell it.

import { isPublicHost } from "./public-host";

/** Where the sandbox of a session may send requests; `default` in a list stands for `DEFAULT_HOSTS`. */
export type Network = "none" | "open" | { allow: readonly string[] };

/**
 * A secret of `config.env`; its placeholder is what the sandbox sees, made when its session is. `Text` is how
 * texts are kept, which may be encrypted.
 */
export interface Secret<Text = string> {
  secret: Text;
  hosts: readonly string[];
  placeholder?: string | undefined;
}

/** What an environment variable may be set to. */
export type EnvValue<Text = string> = Text | Secret<Text>;

/** Tells a secret from any other value. */
export const isSecret = <Text>(value: EnvValue<Text>): value is Secret<Text> =>
  typeof value === "object" && value !== null && "hosts" in value;

/** The value that takes the place of a placeholder. */
export interface Replacement<Text = string> {
  placeholder: string;
  value: Text;
}

/** Where a request to a host goes; to `nowhere` when it is refused. */
export type Egress<Text = string> =
  | { to: "nowhere" }
  | { to: "model" }
  | { to: "host"; replacements: Replacement<Text>[] };

/**
 * Package registries and code hosts that agents need. No host where anybody may rent a name below it or a
 * bucket in it. It keeps mistakes and curiosity in, and not a determined thief: to some of these hosts
 * one can publish.
 */
export const DEFAULT_HOSTS: readonly string[] = [
  // Node
  "registry.npmjs.org",
  "registry.yarnpkg.com",
  "repo.yarnpkg.com",
  "npm.jsr.io",
  "jsr.io",
  "deno.land",
  "nodejs.org",
  // Python
  "pypi.org",
  "files.pythonhosted.org",
  "conda.anaconda.org",
  "repo.anaconda.com",
  // Rust
  "crates.io",
  "index.crates.io",
  "static.crates.io",
  "static.rust-lang.org",
  "sh.rustup.rs",
  // Go
  "proxy.golang.org",
  "sum.golang.org",
  "go.dev",
  // Ruby
  "rubygems.org",
  "index.rubygems.org",
  // JVM
  "repo.maven.apache.org",
  "repo1.maven.org",
  "plugins.gradle.org",
  "services.gradle.org",
  // PHP, .NET, Elixir
  "packagist.org",
  "repo.packagist.org",
  "api.nuget.org",
  "hex.pm",
  "repo.hex.pm",
  // Debian, Ubuntu, Alpine
  "deb.debian.org",
  "security.debian.org",
  "archive.ubuntu.com",
  "security.ubuntu.com",
  "ports.ubuntu.com",
  "dl-cdn.alpinelinux.org",
  // Code
  "github.com",
  "api.github.com",
  "codeload.github.com",
  "raw.githubusercontent.com",
  "objects.githubusercontent.com",
  "release-assets.githubusercontent.com",
  "media.githubusercontent.com",
  "gitlab.com",
  "bitbucket.org",
  "api.bitbucket.org",
];

/** What a sandbox may reach unless its session says otherwise. */
export const DEFAULT_NETWORK: Network = { allow: ["default"] };

/** Returns what is wrong with a name in a list of hosts; null when it is one, or all hosts below one: `*.example.com`. */
export function hostProblem(pattern: string): string | null {
  const host = pattern.replace(/^\*\./, "");
  const isName =
    host.length <= 253 &&
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/.test(host);
  if (!isName) {
    return 'must be a host in lower case without scheme and port, like "example.com" or "*.example.com"';
  }
  return isPublicHost(host) ? null : "is not on the public internet";
}

/** Returns whether requests to a host may leave the sandbox. */
export function allows(network: Network, host: string): boolean {
  if (network === "none" || !isPublicHost(normal(host))) return false;
  if (network === "open") return true;
  return network.allow.some((entry) =>
    entry === "default" ? names(DEFAULT_HOSTS, host) : names([entry], host),
  );
}

/** Returns where a request to a host goes. The model's hosts stand outside of what the network allows. */
export function egressTo<Text>(
  host: string,
  rules: {
    network: Network;
    env: Readonly<Record<string, EnvValue<Text>>>;
    modelHosts: readonly string[];
  },
): Egress<Text> {
  if (names(rules.modelHosts, host)) return { to: "model" };
  if (!allows(rules.network, host)) return { to: "nowhere" };
  const replacements = Object.values(rules.env).flatMap((value) =>
    isSecret(value) && value.placeholder && names(value.hosts, host)
      ? [{ placeholder: value.placeholder, value: value.secret }]
      : [],
  );
  return { to: "host", replacements };
}

/** Returns the environment that commands get: a placeholder stands for each secret. */
export function commandEnv(env: Readonly<Record<string, EnvValue>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      typeof value === "string" ? value : (value.placeholder ?? ""),
    ]),
  );
}

/**
 * Returns the environment of a session that takes over an earlier one's, with a placeholder for each secret. A
 * variable keeps the placeholder that it had, also with a new value: files may hold it.
 */
export function takeOverEnv<Text = string>(
  earlier: Readonly<Record<string, EnvValue<Text>>>,
  given: Readonly<Record<string, EnvValue<Text>>>,
): Record<string, EnvValue<Text>> {
  const merged = Object.entries({ ...earlier, ...given }).map(([name, value]) => {
    if (!isSecret(value)) return [name, value];
    const before = earlier[name];
    const known = before !== undefined && isSecret(before) ? before.placeholder : undefined;
    return [name, { ...value, placeholder: known ?? newPlaceholder() }];
  });
  return Object.fromEntries(merged);
}

/**
 * Returns the headers of a request with values in the place of placeholders, within `Authorization: Basic` too.
 * Nothing else of a request is looked at: a body may be long, packed or signed, and an address is
 * written down in logs and sent on as a referrer.
 */
export function injectSecrets(headers: Headers, replacements: readonly Replacement[]): Headers {
  const injected = new Headers(headers);
  for (const [name, text] of headers) {
    const replaced =
      name === "authorization" ? inAuthorization(text, replacements) : inText(text, replacements);
    if (replaced !== text) injected.set(name, replaced);
  }
  return injected;
}

function inAuthorization(text: string, replacements: readonly Replacement[]): string {
  const [, scheme, encoded] = /^(basic +)([a-z0-9+/]+=*) *$/i.exec(text) ?? [];
  if (scheme === undefined || encoded === undefined) return inText(text, replacements);
  let credentials: string;
  try {
    credentials = atob(encoded);
  } catch {
    return text;
  }
  // One character a byte, so that what is not ASCII stays as it was.
  const replaced = inText(credentials, replacements);
  return replaced === credentials ? text : scheme + btoa(replaced);
}

/** Replaces all in one pass: what stands in a value is not looked at again. */
const inText = (text: string, replacements: readonly Replacement[]): string =>
  text.replace(
    PLACEHOLDER,
    (found) => replacements.find(({ placeholder }) => placeholder === found)?.value ?? found,
  );

/** Returns whether a host is one of some names, `*.` meaning all below. */
const names = (patterns: readonly string[], host: string): boolean =>
  patterns.some((pattern) =>
    pattern.startsWith("*.")
      ? normal(host).endsWith(pattern.slice(1)) && !normal(host).startsWith(".")
      : normal(host) === pattern,
  );

/** A name may end in the dot of the root. */
const normal = (host: string): string => host.toLowerCase().replace(/\.$/, "");

const PLACEHOLDER = /rigger_secret_[0-9a-f]{32}/g;

const newPlaceholder = (): string => `rigger_secret_${crypto.randomUUID().replaceAll("-", "")}`;
