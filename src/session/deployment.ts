import { createModel, type Model } from "../agent/model/model";
import type { Upstream } from "../agent/model/relay";
import { offlineFetch } from "../agent/offline";
import { DEFAULT_MODEL, type PricedModel, resolveModel } from "../agent/pricing/models";
import { SessionIndex } from "../db/session-index";
import { PROVIDERS, type Provider } from "../sandbox/providers";
import { type Settings, settings } from "../settings";
import { Encryption } from "../shared/encryption";
import { redactErrors } from "../shared/log";
import { createLookup, type Lookup } from "../shared/lookup";
import { type Redact, redactor } from "../shared/redact";
import { ATTR } from "../traces/conventions";
import type { Resource } from "../traces/otlp";
import { machineSecrets } from "./machines";

/** Encrypts the secrets that sessions store. */
export const encryption = new Encryption(settings.ENCRYPTION_KEYS);

const secrets = secretsOf(settings);

/** Removes the deployment's secrets from a text. */
export const redact: Redact = redactor(secrets);
redactErrors(redact);

/** Returns the strings that no text for clients or logs may contain. Of clients' keys only the hashes are known. */
function secretsOf(from: Settings): string[] {
  const {
    ANTHROPIC_API_KEY: apiKey,
    ANTHROPIC_BASE_URL: baseURL,
    API_KEYS,
    ENCRYPTION_KEYS,
  } = from;
  const { username, password } = baseURL ? new URL(baseURL) : { username: "", password: "" };
  return [
    ...(apiKey ? [apiKey] : []),
    ...[username, password],
    ...API_KEYS.map(({ sha256 }) => sha256),
    ...ENCRYPTION_KEYS.map(({ base64 }) => base64),
    ...Object.values(from.OTEL_EXPORTER_OTLP_HEADERS),
    ...machineSecrets(from),
  ];
}

/** The model of this deployment; null if it has no API key and the offline model is not enabled. */
export const model: Model | null = openModel(settings);

/** The hosts to which a Claude Code process sends model calls. The deployment answers these calls itself. */
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

/** The API to which the model calls of Claude Code processes are forwarded; null if there is no model. */
export const upstream: Upstream | null = openUpstream(settings);

function openUpstream({
  ANTHROPIC_API_KEY: apiKey,
  ANTHROPIC_BASE_URL: baseURL = "https://api.anthropic.com",
  OFFLINE_MODEL: offline,
}: Settings): Upstream | null {
  if (apiKey) return { apiKey, baseURL, secrets, fetch: (input, init) => fetch(input, init) };
  return offline ? { apiKey: "offline", baseURL, fetch: offlineFetch() } : null;
}

/** Where traces and metrics are sent. */
export interface Collector {
  tracesUrl: string;
  /** Null if metrics are not sent. */
  metricsUrl: string | null;
  headers: Readonly<Record<string, string>>;
  resource: Resource;
  /** Whether traces contain what was said. */
  capturesContent: boolean;
}

/** The collector of this deployment, null for none, and what sending depends on. Tests replace both. */
export const tracing: { collector: Collector | null; fetch: typeof fetch } = {
  collector: collectorOf(settings),
  fetch: (input, init) => fetch(input, init),
};

/** Returns the collector that settings name. */
export function collectorOf(from: Settings): Collector | null {
  const endpoint = from.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return null;
  const { OTEL_SERVICE_NAME: name, OTEL_RESOURCE_ATTRIBUTES: resource } = from;
  return {
    tracesUrl: `${endpoint}/v1/traces`,
    metricsUrl: from.OTEL_METRICS_EXPORTER === "otlp" ? `${endpoint}/v1/metrics` : null,
    headers: from.OTEL_EXPORTER_OTLP_HEADERS,
    resource: {
      [ATTR.serviceName]: "rigger",
      ...resource,
      ...(name && { [ATTR.serviceName]: name }),
    },
    capturesContent: from.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT,
  };
}

const indexes = new WeakMap<object, SessionIndex>();

/** Returns the index of a deployment. Throws if `INDEX_DATABASES` names a binding that does not exist. */
export function indexOf(env: object): SessionIndex {
  const known = indexes.get(env);
  if (known) return known;
  const bindings = env as Record<string, D1Database | undefined>;
  const databases = settings.INDEX_DATABASES.map(({ name, isLeaving }) => {
    const d1 = bindings[name];
    if (!d1) throw new Error(`INDEX_DATABASES names ${name}, and there is no such binding`);
    return { name, d1, isLeaving };
  });
  const index = new SessionIndex(databases);
  indexes.set(env, index);
  return index;
}

/** Returns the days that sessions are kept after their end if their config does not say it; null keeps them. */
export const defaultRetentionDays = (): number | null => settings.SESSION_RETENTION_DAYS;

/** The bounds of what a session may publish. Tests replace them. */
export const artifactBounds = {
  maxBytes: settings.MAX_ARTIFACT_BYTES ?? Number.POSITIVE_INFINITY,
  maxCount: settings.MAX_ARTIFACTS_PER_SESSION ?? Number.POSITIVE_INFINITY,
  maxTotalBytes: settings.MAX_ARTIFACT_BYTES_PER_SESSION ?? Number.POSITIVE_INFINITY,
};

/** Resolves host names before agents fetch from them; undefined if the deployment has no DNS resolver. */
export const lookup: Lookup | undefined = settings.DNS_RESOLVER
  ? createLookup({ resolver: settings.DNS_RESOLVER, fetch: (input, init) => fetch(input, init) })
  : undefined;

/** Whether MCP servers may be reached by plain http, and at addresses that are not public. */
export const mcpAllowsPrivate: boolean = settings.MCP_ALLOW_PRIVATE_HOSTS;

/** The workspace: the directory in which agents start, and the part of a sandbox that is saved. */
export const workspace: string = settings.AGENT_WORKSPACE;

/** Returns the sandbox provider for sessions whose config names none. */
export const defaultProviderOf = (
  from: Pick<Settings, "CONTAINERS" | "SANDBOX_PROVIDER">,
): Provider =>
  PROVIDERS.find((name) => name === from.SANDBOX_PROVIDER) ??
  (from.CONTAINERS ? "cloudflare" : "embedded");

/** The sandbox provider of this deployment for sessions whose config names none. */
export const defaultProvider: Provider = defaultProviderOf(settings);

/** Returns a model by its name or alias, with its prices at a time in ms since 1970; undefined if it has no price. */
export const knownModel = (name: string, at: number = Date.now()): PricedModel | undefined =>
  resolveModel(name, at, settings.MODEL_PRICES);

/**
 * Returns a model with its prices at a time in ms since 1970, by a name from a client or from a stored call. A name
 * whose price is no longer known, after a change of the settings, counts as the default model.
 */
export function modelOf(name: string = DEFAULT_MODEL, at: number = Date.now()): PricedModel {
  const known = knownModel(name, at) ?? resolveModel(DEFAULT_MODEL, at);
  if (!known) throw new Error("the default model has no price");
  return known;
}
