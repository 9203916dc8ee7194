import { type EmbeddedSandbox, embedded } from "./embedded";
import { patient } from "./patience";
import { type Sandbox, SandboxError } from "./sandbox";

/** Where a sandbox can come from. */
export const PROVIDERS = ["embedded"] as const;

/** The name of a provider. */
export type Provider = (typeof PROVIDERS)[number];

/** The sandbox of a session; it costs nothing before its first use. The only place that tells providers apart. */
export function openSandbox(
  env: { EMBEDDED_SANDBOXES: DurableObjectNamespace<EmbeddedSandbox> },
  info: { provider: string; id: string },
  options: { workspace: string },
): Sandbox {
  switch (info.provider) {
    case "embedded":
      return patient(embedded(env.EMBEDDED_SANDBOXES, info.id, options));
    default:
      throw new SandboxError(`there is no sandbox provider "${info.provider}"`, {
        transient: false,
      });
  }
}
