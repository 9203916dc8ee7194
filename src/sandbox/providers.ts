import { type ContainerSandbox, cloudflare, sdkObject } from "./cloudflare";
import { type EmbeddedSandbox, embedded } from "./embedded";
import { type Sandbox, SandboxError } from "./sandbox";
import { withTimeouts } from "./timeouts";

/** Where a sandbox can come from. */
export const PROVIDERS = ["embedded", "cloudflare"] as const;

/** The name of a provider. */
export type Provider = (typeof PROVIDERS)[number];

/** Which sandbox is meant. With the name of a machine, all but `start` and `destroy` are for that one only. */
export interface SandboxAddress {
  provider: string;
  id: string;
  machine?: string | undefined;
  /** The session that it works for; one that is made ahead has none. */
  session?: string | undefined;
}

/** What the providers need of the Worker's bindings. */
export interface ProviderEnv {
  EMBEDDED_SANDBOXES: DurableObjectNamespace<EmbeddedSandbox>;
  CONTAINER_SANDBOXES: DurableObjectNamespace<ContainerSandbox>;
  SNAPSHOTS: R2Bucket;
}

/** What is the same for every sandbox of a deployment. */
export interface SandboxOptions {
  workspace: string;
}

/** How each provider opens a sandbox. The only place that tells providers apart. */
export const providers: Record<
  Provider,
  (env: ProviderEnv, address: SandboxAddress, options: SandboxOptions) => Sandbox
> = {
  embedded: (env, { id }, options) => embedded(env.EMBEDDED_SANDBOXES, id, options),
  cloudflare: (env, { id, machine, session }, { workspace }) => {
    const facts = { workspace, bucket: env.SNAPSHOTS, machine, session };
    return cloudflare(sdkObject(env.CONTAINER_SANDBOXES, id), facts);
  },
};

/** Returns whether the sandboxes of a provider can send requests into the world. */
export const hasNetwork = (provider: string): boolean => provider !== "embedded";

/** True when the sandboxes of a provider decide on each command of a script by `Command.rules`. */
export const decidesOnCommands = (provider: string): boolean => provider === "embedded";

/** Returns whether the sandboxes of a provider keep programs. */
export const hasPrograms = (provider: string): boolean => provider === "cloudflare";

/** Returns the sandbox of a session; it costs nothing before its first use. */
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
