import { type ContainerSandbox, cloudflare, sdkObject } from "./cloudflare";
import { type EmbeddedSandbox, embedded } from "./embedded";
import { type Sandbox, SandboxError } from "./sandbox";
import { withTimeouts } from "./timeouts";

/** The providers of sandboxes. */
export const PROVIDERS = ["embedded", "cloudflare"] as const;

/** The name of a provider. */
export type Provider = (typeof PROVIDERS)[number];

/** The address of a sandbox. `machine` names the container that must answer all calls but `start` and `destroy`. */
export interface SandboxAddress {
  provider: string;
  id: string;
  machine?: string | undefined;
  /** The session that it belongs to; a sandbox of the warm pool has none. */
  session?: string | undefined;
  /** Returns false once the container is being destroyed, so that no late call starts another. */
  isOpen?: (() => boolean) | undefined;
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
}

/** Opens a sandbox, by provider. The only place that distinguishes providers. */
export const providers: Record<
  Provider,
  (env: ProviderEnv, address: SandboxAddress, options: SandboxOptions) => Sandbox
> = {
  embedded: (env, { id }, options) => embedded(env.EMBEDDED_SANDBOXES, id, options),
  cloudflare: (env, { id, ...address }, { workspace }) => {
    const facts = { ...address, workspace, bucket: env.SNAPSHOTS };
    return cloudflare(sdkObject(env.CONTAINER_SANDBOXES, id), facts);
  },
};

/** Returns whether the sandboxes of a provider have access to the network. */
export const hasNetwork = (provider: string): boolean => provider !== "embedded";

/** Returns whether the sandboxes of a provider check each command of a script against `Command.rules`. */
export const decidesOnCommands = (provider: string): boolean => provider === "embedded";

/** Returns whether the sandboxes of a provider support long-running programs. */
export const hasPrograms = (provider: string): boolean => provider === "cloudflare";

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
