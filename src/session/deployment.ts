import { createModel, type Model } from "../agent/model";
import { DEFAULT_MODEL, type PricedModel, resolveModel } from "../agent/models";
import { offlineFetch } from "../agent/offline";
import type { Upstream } from "../agent/relay";
import { createLookup, type Lookup } from "../agent/tools/lookup";
import type { Provider } from "../sandbox/providers";
import { type Settings, settings } from "../settings";
import { Encryption } from "../shared/encryption";
import { redactErrors } from "../shared/log";
import { type Redact, redactor } from "../shared/redact";

/** Encrypts what sessions store of their secrets. */
export const encryption = new Encryption(settings.ENCRYPTION_KEYS);

const secrets = secretsOf(settings);

/** Takes the deployment's secrets out of a text. */
export const redact: Redact = redactor(secrets);
redactErrors(redact);

/** Returns what no text for clients or logs may hold. Of clients' keys only the hashes are known. */
function secretsOf({
  ANTHROPIC_API_KEY: apiKey,
  ANTHROPIC_BASE_URL: baseURL,
  API_KEYS,
  ENCRYPTION_KEYS,
}: Settings): string[] {
  const { username, password } = baseURL ? new URL(baseURL) : { username: "", password: "" };
  return [
    ...(apiKey ? [apiKey] : []),
    ...[username, password],
    ...API_KEYS.map(({ sha256 }) => sha256),
    ...ENCRYPTION_KEYS.map(({ base64 }) => base64),
  ];
}

/** The model of this deployment; null where there is neither a key nor leave to answer offline. */
export const model: Model | null = openModel(settings);

/** The hosts at which a program in a sandbox looks for the model; the deployment answers in their place. */
export const MODEL_HOSTS: readonly string[] = [
  "api.anthropic.com",
  ...(settings.ANTHROPIC_BASE_URL ? [new URL(settings.ANTHROPIC_BASE_URL).hostname] : []),
];

function openModel({
  ANTHROPIC_API_KEY: apiKey,
  ANTHROPIC_BASE_URL: baseURL,
  OFFLINE_MODEL: offline,
}: Settings): Model | null {
  if (apiKey) return createModel({ apiKey, baseURL, secrets });
  return offline ? createModel({ apiKey: "offline", fetch: offlineFetch() }) : null;
}

/** Where the calls of programs are passed on to; null where there is no model. */
export const upstream: Upstream | null = openUpstream(settings);

function openUpstream({
  ANTHROPIC_API_KEY: apiKey,
  ANTHROPIC_BASE_URL: baseURL = "https://api.anthropic.com",
  OFFLINE_MODEL: offline,
}: Settings): Upstream | null {
  if (apiKey) return { apiKey, baseURL, secrets, fetch: (input, init) => fetch(input, init) };
  return offline ? { apiKey: "offline", baseURL, fetch: offlineFetch() } : null;
}

/** Checks where names lead before agents fetch them; undefined where the deployment has no resolver. */
export const lookup: Lookup | undefined = settings.DNS_RESOLVER
  ? createLookup({ resolver: settings.DNS_RESOLVER, fetch: (input, init) => fetch(input, init) })
  : undefined;

/** The folder in which agents work: where each begins, and what is saved of a sandbox. */
export const workspace: string = settings.AGENT_WORKSPACE;

/** Returns where the sessions of a deployment work that do not say. */
export const defaultProviderOf = ({ CONTAINERS }: Pick<Settings, "CONTAINERS">): Provider =>
  CONTAINERS ? "cloudflare" : "embedded";

/** Where sessions that do not say work. */
export const defaultProvider: Provider = defaultProviderOf(settings);

/** Returns a model by its name or alias, with its price at an instant; undefined for one without a price. */
export const knownModel = (name: string, at: number = Date.now()): PricedModel | undefined =>
  resolveModel(name, at, settings.MODEL_PRICES);

/**
 * Returns a model as it is at an instant, by the name that a client gave or that was sent. A name whose price is
 * no longer known, after a change of the settings, counts as the default model.
 */
export function modelOf(name: string = DEFAULT_MODEL, at: number = Date.now()): PricedModel {
  const known = knownModel(name, at) ?? resolveModel(DEFAULT_MODEL, at);
  if (!known) throw new Error("the default model has no price");
  return known;
}
