import { knownModels, resolveModel } from "../agent/models";
import { checkRules } from "../agent/permissions";
import type { Settings } from "../env";
import { PROVIDERS } from "../sandbox/providers";
import type { SessionConfig } from "./rpc";

/** Something wrong with a request, at a path in it. */
export interface Issue {
  path: string;
  message: string;
}

const UNSUPPORTED = ["customAgents"] as const;

/** What a session's config asks for that this deployment can't do; empty when all is well. */
export function checkConfig(
  config: SessionConfig,
  settings: Pick<Settings, "MODEL_PRICES">,
  now = Date.now(),
): Issue[] {
  const issues: Issue[] = [];
  for (const key of UNSUPPORTED) {
    // What asks for nothing is harmless: `continueSession: false`.
    const value = config[key];
    const empty = typeof value === "object" && Object.keys(value).length === 0;
    if (value && !empty) issues.push({ path: `config.${key}`, message: "is not supported" });
  }
  const { resumeSessionId, continueSession, snapshotId } = config;
  if (config.forkSession && !resumeSessionId && !continueSession && !snapshotId) {
    const message = "needs resumeSessionId or continueSession";
    issues.push({ path: "config.forkSession", message });
  }
  if (config.runtime === "claude-code") {
    issues.push({ path: "config.runtime", message: '"claude-code" needs a container' });
  }
  const provider = config.sandbox?.provider;
  if (provider !== undefined && !PROVIDERS.some((known) => known === provider)) {
    const message = `is not one of ${PROVIDERS.join(", ")}`;
    issues.push({ path: "config.sandbox.provider", message });
  }
  if (config.model !== undefined && !resolveModel(config.model, now, settings.MODEL_PRICES)) {
    const message = `has no known price: use one of ${knownModels(now).join(", ")}, or set MODEL_PRICES`;
    issues.push({ path: "config.model", message });
  }
  for (const { path, message } of checkRules(config)) {
    issues.push({ path: `config.${path}`, message });
  }
  return issues;
}
