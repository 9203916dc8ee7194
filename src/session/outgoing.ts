import { DEFAULT_NETWORK, type Egress, egressTo } from "../sandbox/egress";
import { MODEL_HOSTS } from "./deployment";
import { isEnded } from "./lifecycle";
import type { SessionStore } from "./store";

/** Where a request from the session's sandbox to a host goes. */
export function egressOf(store: SessionStore, host: string): Egress {
  if (!store.exists() || store.state.removed || isEnded(store.state.lifecycle)) {
    return { to: "nowhere" };
  }
  const { runtime, sandbox, env = {} } = store.identity.config;
  return egressTo(host, {
    network: sandbox?.network ?? DEFAULT_NETWORK,
    env,
    modelHosts: runtime === "claude-code" ? MODEL_HOSTS : [],
  });
}
