import { env } from "cloudflare:workers";
import type { MachineSpec, Vendor } from "../../sandbox/machines/vendor";
import type { VendorName } from "../../sandbox/providers";
import { sandboxOptions } from "../../session/machines";

declare global {
  namespace Cloudflare {
    interface Env {
      /** The label of the machines of this run. */
      TRIAL_LABEL: string;
      /** The address of the relay of machines' requests; empty if no machine can reach the Worker. */
      TRIAL_RELAY: string;
    }
  }
}

/** The vendors to try. Their clients know the machines of this run and no others, whatever is in the account. */
export const VENDORS: readonly [name: VendorName, vendor: Vendor][] = Object.entries(
  sandboxOptions.machines?.vendors ?? {},
).flatMap(([name, vendor]) => (vendor ? [[name as VendorName, labelled(vendor)]] : []));

function labelled(vendor: Vendor): Vendor {
  const own = (labels: MachineSpec["labels"]) => ({ ...labels, deployment: env.TRIAL_LABEL });
  return {
    ...vendor,
    create: (spec) => vendor.create({ ...spec, labels: own(spec.labels) }),
    find: (labels) => vendor.find(own(labels)),
    list: () => vendor.list(env.TRIAL_LABEL),
  };
}
