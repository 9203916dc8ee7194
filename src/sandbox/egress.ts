// Decides which requests may leave a sandbox, and what is added to them. A secret of `config.env` never enters
// the sandbox: its commands see a placeholder, and the value replaces it outside, in requests to the secret's
// own hosts. So programs in the sandbox can use a secret and cannot reveal it.

import { isPublicHost } from "../shared/public-host";

/** The hosts that the sandbox of a session may send requests to; `default` in a list means `DEFAULT_HOSTS`. */
export type Network = "none" | "open" | { allow: readonly string[] };

/**
 * A secret of `config.env`. The sandbox sees the placeholder, which is created with the session. `Text` is the
 * type of stored texts, which may be encrypted.
 */
export interface Secret<Text = string> {
  secret: Text;
  hosts: readonly string[];
  placeholder?: string | undefined;
}

/** The value of an environment variable. */
export type EnvValue<Text = string> = Text | Secret<Text>;

/** Returns whether a value is a secret. */
export const isSecret = <Text>(value: EnvValue<Text>): value is Secret<Text> =>
  typeof value === "object" && value !== null && "hosts" in value;

/** A placeholder and the value that replaces it. */
export interface Replacement<Text = string> {
  placeholder: string;
  value: Text;
}

/** The destination of a request to a host; `nowhere` if it is refused. */
export type Egress<Text = string> =
  | { to: "nowhere" }
  | { to: "model" }
  | { to: "host"; replacements: Replacement<Text>[] };

/**
 * Package registries and code hosts that agents need. None lets users register a name below it or a bucket in
 * it. The list prevents mistakes, not a determined thief: some of these hosts accept uploads.
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

/** The hosts that a sandbox may reach by default. */
export const DEFAULT_NETWORK: Network = { allow: ["default"] };

/**
 * Returns what is wrong with an entry of a list of hosts; null for a name, or for all names below one:
 * `*.example.com`.
 */
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

/** Returns the destination of a request to a host. The model's hosts are reachable with any network rules. */
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

/** Returns the environment of commands, with a placeholder for each secret. */
export function commandEnv(env: Readonly<Record<string, EnvValue>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      typeof value === "string" ? value : (value.placeholder ?? ""),
    ]),
  );
}

/**
 * Returns the environment of a session that resumes an earlier one, with a placeholder for each secret. A
 * variable keeps its placeholder, also with a new value: files may hold it. A new placeholder is random, or has the hash that
 * `hashes` has for the variable.
 */
export function takeOverEnv<Text = string>(
  earlier: Readonly<Record<string, EnvValue<Text>>>,
  given: Readonly<Record<string, EnvValue<Text>>>,
  hashes: Readonly<Record<string, string>> = {},
): Record<string, EnvValue<Text>> {
  const merged = Object.entries({ ...earlier, ...given }).map(([name, value]) => {
    if (!isSecret(value)) return [name, value];
    const before = earlier[name];
    const known = before !== undefined && isSecret(before) ? before.placeholder : undefined;
    return [name, { ...value, placeholder: known ?? newPlaceholder(hashes[name]) }];
  });
  return Object.fromEntries(merged);
}

/**
 * Returns the headers of a request with placeholders replaced by values, within `Authorization: Basic` too.
 * Nothing else of a request is changed: a body may be long, compressed or signed, and a URL is logged and sent
 * on as a referrer.
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
  // One character for each byte, so that bytes beyond ASCII are unchanged.
  const replaced = inText(credentials, replacements);
  return replaced === credentials ? text : scheme + btoa(replaced);
}

/** Replaces all placeholders in one pass: values are not searched again. */
const inText = (text: string, replacements: readonly Replacement[]): string =>
  text.replace(
    PLACEHOLDER,
    (found) => replacements.find(({ placeholder }) => placeholder === found)?.value ?? found,
  );

/** Returns whether a host is in a list, in which `*.` means all names below. */
const names = (patterns: readonly string[], host: string): boolean =>
  patterns.some((pattern) =>
    pattern.startsWith("*.")
      ? normal(host).endsWith(pattern.slice(1)) && !normal(host).startsWith(".")
      : normal(host) === pattern,
  );

/** Returns a host in lower case, without the dot of the root at its end. */
const normal = (host: string): string => host.toLowerCase().replace(/\.$/, "");

const PLACEHOLDER = /rigger_secret_[0-9a-f]{32}/g;

const newPlaceholder = (hash = crypto.randomUUID().replaceAll("-", "")): string =>
  `rigger_secret_${hash}`;
