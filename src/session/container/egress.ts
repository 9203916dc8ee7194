import { type Egress, type EnvValue, egressTo } from "../../sandbox/egress";
import { defaultNetwork } from "../../sandbox/providers";
import { errorText, log } from "../../shared/log";
import { MODEL_HOSTS } from "../deployment";
import { isEnded } from "../rules/lifecycle";
import type { ClearEnv } from "../session-env";
import type { SessionStore } from "../storage/store";

/**
 * Returns where a request from the session's sandbox to a host goes. `readEnv` returns the decrypted environment. It is
 * called only if a secret may be sent to the host. If it rejects, the request goes nowhere.
 */
export async function findEgress(
  store: SessionStore,
  host: string,
  readEnv: () => Promise<ClearEnv>,
): Promise<Egress> {
  const { env = {} } = store.exists() ? store.identity.config : {};
  const stored = egressOf(store, host, env);
  if (stored.to !== "host") return stored;
  if (stored.replacements.length === 0) return { to: "host", replacements: [] };
  try {
    return egressOf(store, host, await readEnv());
  } catch (error) {
    log("egress.refused", { session: store.identity.id, error: errorText(error) });
    return { to: "nowhere" };
  }
}

/** Returns where a request to a host goes, with the secrets of `env` in the form in which `env` has them. */
function egressOf<Text>(
  store: SessionStore,
  host: string,
  env: Readonly<Record<string, EnvValue<Text>>>,
): Egress<Text> {
  if (!store.exists() || store.state.removed || isEnded(store.state.lifecycle)) {
    return { to: "nowhere" };
  }
  const { runtime, sandbox } = store.identity.config;
  return egressTo(host, {
    network: sandbox?.network ?? defaultNetwork(store.state.sandbox.provider),
    env,
    modelHosts: runtime === "claude-code" ? MODEL_HOSTS : [],
  });
}
