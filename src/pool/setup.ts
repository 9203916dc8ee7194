import { settings } from "../settings";
import type { PoolSetup } from "./policy";

/** What the warm pool is to hold; the version changes with what is in a sandbox when it starts. */
export const warmPool: PoolSetup = {
  provider: "cloudflare",
  version: "1",
  target: settings.CONTAINERS ? settings.WARM_POOL_TARGET : 0,
};
