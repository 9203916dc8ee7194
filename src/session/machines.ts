import { openDaytona } from "../sandbox/daytona/daytona";
import { openE2b } from "../sandbox/e2b/e2b";
import { openFly } from "../sandbox/fly/fly";
import type { Vendor } from "../sandbox/machines/vendor";
import { openModal } from "../sandbox/modal/modal";
import {
  type Machines,
  PROVIDERS,
  type SandboxOptions,
  sandboxProblems,
  type VendorName,
} from "../sandbox/providers";
import { VENDOR_SETTINGS } from "../sandbox/vendor-settings";
import { type Settings, settings } from "../settings";

// The vendors' machines that this deployment can use.

/** The settings that a vendor's machines need, and its client for them. */
interface Access<Name extends keyof Settings> {
  needs: readonly Name[];
  open(from: Settings & { [N in Name]: NonNullable<Settings[N]> }): Vendor;
}

const access = <Name extends keyof Settings>(
  needs: readonly Name[],
  open: Access<Name>["open"],
): Access<Name> => ({ needs, open });

const ACCESS = {
  daytona: access(VENDOR_SETTINGS.daytona, (from) =>
    openDaytona({ apiKey: from.DAYTONA_API_KEY, apiUrl: from.DAYTONA_API_URL }),
  ),
  e2b: access(VENDOR_SETTINGS.e2b, (from) =>
    openE2b({
      apiKey: from.E2B_API_KEY,
      apiUrl: from.E2B_API_URL,
      sandboxUrl: from.E2B_SANDBOX_URL,
    }),
  ),
  fly: access(VENDOR_SETTINGS.fly, (from) =>
    openFly({ token: from.FLY_API_TOKEN, apps: from.FLY_APPS }),
  ),
  modal: access(VENDOR_SETTINGS.modal, (from) =>
    openModal({
      endpointUrl: from.MODAL_ENDPOINT_URL,
      key: from.MODAL_KEY,
      secret: from.MODAL_SECRET,
    }),
  ),
} satisfies Record<VendorName, unknown>;

/** Returns the settings that a provider needs and a deployment does not have. */
export function missingSettings(provider: string, from: Partial<Settings>): string[] {
  const needs = Object.entries(ACCESS).find(([name]) => name === provider)?.[1].needs;
  return needs ? ["PUBLIC_URL" as const, ...needs].filter((name) => !from[name]) : [];
}

/** Returns the secrets for vendors' APIs. */
export const machineSecrets = (from: Settings): string[] =>
  [
    from.DAYTONA_API_KEY,
    from.E2B_API_KEY,
    from.FLY_API_TOKEN,
    from.MODAL_KEY,
    from.MODAL_SECRET,
  ].flatMap((secret) => (secret === undefined ? [] : [secret]));

function machinesOf(from: Settings): Machines | undefined {
  const { PUBLIC_URL: publicUrl, SANDBOX_DEFAULTS: defaults, SANDBOX_PROVIDER: provider } = from;
  const named = [...Object.keys(defaults), ...(provider === undefined ? [] : [provider])];
  for (const name of named) {
    const known = PROVIDERS.find((one) => one === name);
    if (!known) throw new Error(`There is no sandbox provider "${name}".`);
    const [problem] = sandboxProblems(known, defaults[name] ?? {});
    if (problem) throw new Error(`SANDBOX_DEFAULTS: ${name}.${problem.path} ${problem.message}`);
  }
  if (publicUrl === undefined) return undefined;
  const usable = Object.entries(ACCESS).filter(
    ([name]) => missingSettings(name, from).length === 0,
  );
  // Each has what it needs, as was just asked.
  const vendors = usable.map(([name, { open }]) => [name, open(from as never)]);
  return { publicUrl, defaults, vendors: Object.fromEntries(vendors) };
}

/** The options of this deployment's sandboxes. */
export const sandboxOptions: SandboxOptions = {
  workspace: settings.AGENT_WORKSPACE,
  machines: machinesOf(settings),
};
