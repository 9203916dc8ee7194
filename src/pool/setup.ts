import { settings } from "../settings";
import type { PoolSetup } from "./policy";

/** The target of the warm pool. Change `version` when the content of a newly started sandbox changes. */
export const warmPool: PoolSetup = {
  provider: "cloudflare",
  version: "1",
  target: settings.CONTAINERS ? settings.WARM_POOL_TARGET : 0,
};
