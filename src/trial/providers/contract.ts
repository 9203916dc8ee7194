import { env } from "cloudflare:workers";
import { afterAll } from "vitest";
import { testSandbox } from "../../sandbox/contract";
import type { Vendor } from "../../sandbox/machines/vendor";
import { openSandbox, type VendorName } from "../../sandbox/providers";
import { sandboxOptions } from "../../session/machines";
import { answerMachines } from "../../testing/machines";
import { newSessionId } from "../../testing/sessions";
import { VENDORS } from "./own-machines";

// The contract of sandboxes, in machines of the vendors themselves.

/** The time within which a call reaches a machine, in ms. */
const LATENESS_MS = 5_000;

if (env.TRIAL_RELAY !== "") {
  const answering = answerMachines(env.TRIAL_RELAY);
  afterAll(() => answering.stop());
}

for (const [name, vendor] of VENDORS)
  testSandbox(name, () => make(name, vendor), { latenessMs: LATENESS_MS });

function make(name: VendorName, vendor: Vendor) {
  const { workspace, machines } = sandboxOptions;
  const { publicUrl = "", defaults = {} } = machines ?? {};
  const own = { workspace, machines: { publicUrl, defaults, vendors: { [name]: vendor } } };
  const sandbox = openSandbox(env, { provider: name, id: newSessionId() }, own);
  if (env.TRIAL_RELAY !== "") return { sandbox, workspace };
  // A machine saves its workspace through the Worker.
  const { snapshot: _, restore: __, ...others } = sandbox;
  return { sandbox: others, workspace };
}
