import { defineConfig } from "vitest/config";
import { inputs } from "./src/trial/provider-inputs.ts";
import { BUILDS, inWorker } from "./vitest.worker.ts";

// Tests with the services of vendors, over the network. `npm run test:providers` runs them, and not without cleaning up.

const { plugins, test } = inWorker(() => ({
  bindings: {
    // Machines have an address to call in any case.
    PUBLIC_URL: "https://nowhere.invalid",
    ...inputs(process.env),
    TRIAL_LABEL: process.env.TRIAL_LABEL,
    TRIAL_RELAY: process.env.TRIAL_RELAY ?? "",
  },
}));

export default defineConfig({
  plugins,
  test: {
    ...test,
    include: ["src/trial/providers/{contract,sweep}.ts"],
    silent: "passed-only",
    globalSetup: BUILDS,
    // A machine may have to load its image first.
    testTimeout: 120_000,
    hookTimeout: 300_000,
    teardownTimeout: 30_000,
  },
});
