import { PORTS_PORT } from "../container/protocol";
import { type ContainerSandbox, cloudflare, sdkObject } from "./cloudflare";
import { daytona } from "./daytona/daytona";
import { e2b } from "./e2b/e2b";
import { DEFAULT_NETWORK, type Network } from "./egress";
import { type EmbeddedSandbox, embedded } from "./embedded";
import { fly } from "./fly/fly";
import { machineSandbox } from "./machines/machine-sandbox";
import { imageVersion } from "./machines/runner-archive";
import type { MachineProvider, Vendor } from "./machines/vendor";
import { modal } from "./modal/modal";
import { type Sandbox, SandboxError } from "./sandbox";
import { withTimeouts } from "./timeouts";

/** The providers of sandboxes in vendors' machines. */
const MACHINES = { daytona, e2b, fly, modal } satisfies Record<string, MachineProvider>;

/** The name of a provider of vendors' machines. */
export type VendorName = keyof typeof MACHINES;

const VENDORS = Object.keys(MACHINES) as VendorName[];

/** The name of a provider. */
export type Provider = "embedded" | "cloudflare" | VendorName;

/** The providers of sandboxes. */
export const PROVIDERS: readonly Provider[] = ["embedded", "cloudflare", ...VENDORS];

/** The `config.sandbox` of a session. All other names are options of its provider. */
export interface SandboxConfig {
  provider?: string | undefined;
  network?: Network | undefined;
  [option: string]: unknown;
}

/** The vendors' machines that a deployment can use. */
export interface Machines {
  /** The address of the deployment, by which programs in the machines reach it. Without it, there are none. */
  publicUrl: string;
  /** The clients of the vendors' APIs. */
  vendors: { [Name in VendorName]?: Vendor | undefined };
  /** Options of `config.sandbox` for sessions that do not give them, by provider. */
  defaults: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The address of a sandbox. `machine` names the container that must answer all calls but `start` and `destroy`. */
export interface SandboxAddress {
  provider: string;
  id: string;
  machine?: string | undefined;
  /** The session that it belongs to; a sandbox of the warm pool has none. */
  session?: string | undefined;
  /** Returns false once the container is being destroyed, so that no late call starts another. */
  isOpen?: (() => boolean) | undefined;
  /** The session's `config.sandbox`. */
  config?: SandboxConfig | undefined;
}

/** The bindings that the providers need. */
export interface ProviderEnv {
  EMBEDDED_SANDBOXES: DurableObjectNamespace<EmbeddedSandbox>;
  CONTAINER_SANDBOXES: DurableObjectNamespace<ContainerSandbox>;
  SNAPSHOTS: R2Bucket;
}

/** The options of a deployment's sandboxes. */
export interface SandboxOptions {
  workspace: string;
  machines?: Machines | undefined;
}

type Open = (env: ProviderEnv, address: SandboxAddress, options: SandboxOptions) => Sandbox;

/** Opens a sandbox, by provider. The only place that distinguishes providers. */
export const providers: Record<Provider, Open> = {
  embedded: (env, { id }, options) => embedded(env.EMBEDDED_SANDBOXES, id, options),
  cloudflare: (env, { id, ...address }, { workspace }) => {
    const facts = { ...address, workspace, bucket: env.SNAPSHOTS };
    return cloudflare(sdkObject(env.CONTAINER_SANDBOXES, id), facts);
  },
  ...(Object.fromEntries(VENDORS.map((name) => [name, inMachines(name)])) as Record<
    VendorName,
    Open
  >),
};

/** Returns how a provider of machines opens a sandbox. */
function inMachines(name: VendorName): Open {
  return (env, { id, machine, isOpen, config = {} }, { workspace, machines = NO_MACHINES }) => {
    const provider: MachineProvider = MACHINES[name];
    const { publicUrl, vendors, defaults } = machines;
    return machineSandbox(vendors[name] ?? unavailable(name), {
      ...{ provider, id, machine, isOpen, workspace, publicUrl, bucket: env.SNAPSHOTS },
      options: { ...defaults[name], ...optionsIn(config) },
      network: config.network ?? provider.defaultNetwork,
    });
  };
}

const NO_MACHINES: Machines = { publicUrl: "https://nowhere.invalid", vendors: {}, defaults: {} };

/**
 * Returns a client for a deployment that has no longer what the vendor needs: no machine is found, so that sessions can
 * still be deleted, and none can be made.
 */
function unavailable(name: VendorName): Vendor {
  const error = new SandboxError(`this deployment has no access to ${name}`, { transient: false });
  const reject = () => Promise.reject(error);
  return {
    ...{ create: reject, get: reject, resume: reject, destroy: reject, find: async () => [] },
    list: () => ({ [Symbol.asyncIterator]: () => ({ next: reject }) }),
    link: () => ({ start: reject, write: reject }),
    reach: reject,
  };
}

/** Returns the options of a provider in a session's `config.sandbox`. */
function optionsIn({ provider: _, network: __, ...options }: SandboxConfig) {
  return options;
}

/** Returns the options that a session's sandbox has: those of its `config.sandbox`, and the deployment's. */
export const optionsOf = (
  provider: string,
  config: SandboxConfig | undefined,
  { machines }: SandboxOptions,
): Readonly<Record<string, unknown>> => ({
  ...machines?.defaults[provider],
  ...optionsIn(config ?? {}),
});

/** Returns what identifies the image of a provider's sandboxes besides their options; empty if that is not known. */
export const imageOf = (provider: string): string =>
  provider === "cloudflare" ? imageVersion : "";

/** Returns whether the sandboxes of a provider check each command of a script against `Command.rules`. */
export const decidesOnCommands = (provider: string): boolean => provider === "embedded";

/** Returns whether the sandboxes of a provider support long-running programs. */
export const hasPrograms = (provider: string): boolean => provider !== "embedded";

/** Returns whether programs in the sandboxes of a provider reach the deployment through the internet. */
export const isVendor = (provider: string): provider is VendorName => provider in MACHINES;

/** Returns whether the sandboxes of a provider can be suspended. */
export const suspends = (provider: string): boolean =>
  isVendor(provider) && MACHINES[provider].suspends;

/** The ports of programs that Rigger has in Cloudflare's containers: the SDK's server, and that for ports. */
const CONTAINER_PORTS = [3000, PORTS_PORT];

/** Returns why a port of a provider's sandboxes can't be reached from outside; null if it can. */
export function portProblem(provider: string, port: number): string | null {
  if (provider === "embedded") return 'a sandbox of "embedded" has no network, and so no ports';
  const reserved = isVendor(provider) ? MACHINES[provider].reservedPorts : CONTAINER_PORTS;
  return reserved.includes(port) ? `port ${port} is used by the sandbox itself` : null;
}

/** Returns the network of sessions that ask for none. */
export const defaultNetwork = (provider: string): Network =>
  isVendor(provider) ? MACHINES[provider].defaultNetwork : DEFAULT_NETWORK;

/**
 * Returns what a provider can't do of a session's `config.sandbox`, each with its path in it; empty if it can do all.
 * `defaults` are the deployment's for options that are not given.
 */
export function sandboxProblems(
  provider: Provider,
  config: SandboxConfig,
  defaults: Readonly<Record<string, unknown>> = {},
): { path: string; message: string }[] {
  const { network } = config;
  const problems: { path: string; message: string }[] = [];
  if (provider === "embedded" && network !== undefined && network !== "none") {
    const message = 'a sandbox of "embedded" has no network: only "none" is possible';
    problems.push({ path: "network", message });
  }
  const options = Object.entries(optionsIn(config));
  if (!isVendor(provider)) {
    const message = `"${provider}" has no such option`;
    return [...problems, ...options.map(([path]) => ({ path, message }))];
  }
  const { networkProblem, options: schema } = MACHINES[provider] as MachineProvider;
  const problem = network === undefined ? null : networkProblem(network);
  if (problem !== null) problems.push({ path: "network", message: problem });
  const known = Object.keys(schema.shape);
  const unknown = options.filter(([name]) => !known.includes(name));
  const has = known.length === 0 ? "none" : known.join(", ");
  for (const [path] of unknown) {
    problems.push({ path, message: `"${provider}" has no such option: it has ${has}` });
  }
  const given = Object.fromEntries(options.filter(([name]) => known.includes(name)));
  const parsed = schema.safeParse({ ...defaults, ...given });
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.push({ path: path.join("."), message });
  }
  return problems;
}

/** Returns the sandbox at an address. Nothing happens before its first use. Throws for an unknown provider. */
export function openSandbox(
  env: ProviderEnv,
  address: SandboxAddress,
  options: SandboxOptions,
): Sandbox {
  const provider = PROVIDERS.find((name) => name === address.provider);
  if (provider) return withTimeouts(providers[provider](env, address, options));
  throw new SandboxError(`there is no sandbox provider "${address.provider}"`, {
    transient: false,
  });
}
