import { DEFAULT_NETWORK, type Egress, type EnvValue, egressTo } from "../../sandbox/egress";
import { MODEL_HOSTS } from "../deployment";
import { isEnded } from "../rules/lifecycle";
import type { SessionStore } from "../storage/store";

/** Returns where a request from the session's sandbox to a host goes, with secrets of an environment as they stand there. */
export function egressOf<Text>(
  store: SessionStore,
  host: string,
  env: Readonly<Record<string, EnvValue<Text>>>,
): Egress<Text> {
  if (!store.exists() || store.state.removed || isEnded(store.state.lifecycle)) {
    return { to: "nowhere" };
  }
  const { runtime, sandbox } = store.identity.config;
  return egressTo(host, {
    network: sandbox?.network ?? DEFAULT_NETWORK,
    env,
    modelHosts: runtime === "claude-code" ? MODEL_HOSTS : [],
  });
}
