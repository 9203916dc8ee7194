import { env } from "cloudflare:workers";
import { z } from "zod";
import { nanos } from "./shared/money";

/** Returns the schema of a limit: a number, or null for "null" and "none", which mean no limit. */
const limit = (fallback: number | null, kind: "integer" | "amount") =>
  z
    .string()
    .default(String(fallback))
    .transform((text, context) => {
      if (text === "null" || text === "none") return null;
      const value = Number(text);
      const valid = text.trim() !== "" && value >= 0 && Number.isFinite(value);
      if (valid && (kind === "amount" || Number.isSafeInteger(value))) return value;
      context.addIssue(`must be a non-negative ${kind} or "none", not "${text}"`);
      return z.NEVER;
    });

/** A limit that there is only if it is set. */
const ownLimit = (kind: "integer" | "amount") => limit(null, kind);

/** The longest retention that can be chosen, in days: a century. */
export const MAX_RETENTION_DAYS = 36_600;

/** A number of days; null for "none". */
const days = z
  .string()
  .default("none")
  .transform((text) => (text === "none" ? null : Number(/^\d+$/.test(text) ? text : Number.NaN)))
  .pipe(
    z
      .int({ error: 'must be an integer or "none"' })
      .min(1, "must be 1 or more")
      .max(MAX_RETENTION_DAYS, `must be ${MAX_RETENTION_DAYS} at most`)
      .nullable(),
  );

/** True for "true" or "1"; false for "false", "0", "" or an absent variable. */
const flag = z
  .enum(["true", "1", "false", "0", ""])
  .default("false")
  .transform((text) => text === "true" || text === "1");

/** An address, without a slash at its end. */
const address = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));

/** Origins of pages, by commas; "*" for all. */
const Origins = z
  .string()
  .default("")
  .transform((text) => text.split(",").flatMap((origin) => origin.trim() || []))
  .refine(
    (all) =>
      all.every(
        (one) =>
          one === "*" || (URL.canParse(one) && /^https?:/.test(one) && new URL(one).origin === one),
      ),
    'must be origins by commas, such as https://app.example.com, or "*"',
  );

const jsonText = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue("is not JSON");
        return z.NEVER;
      }
    })
    .pipe(schema);

const ApiKeys = z.array(
  z.strictObject({
    name: z.string().min(1),
    owner: z.string().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits"),
    admin: z.boolean().optional(),
  }),
);

/** Encryption keys with their ids: `2026-11:<32 bytes in base64>,older:<…>`. */
const EncryptionKeys = z
  .string()
  .regex(
    /^[\w-]{1,32}:[A-Za-z0-9+/]{43}=(,[\w-]{1,32}:[A-Za-z0-9+/]{43}=)*$/,
    "must be a list of id:key by commas, each key 32 bytes in base64",
  )
  .transform((text) =>
    text.split(",").map((entry) => {
      const [id = "", base64 = ""] = entry.split(":");
      return { id, base64 };
    }),
  )
  .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "names a key twice");

/** Names of databases; one with a "-" before it is to be emptied. */
const Databases = z
  .string()
  .default("DB")
  .transform((text) =>
    text
      .split(",")
      .map((name) => ({ name: name.replace(/^-/, ""), isLeaving: name.startsWith("-") })),
  )
  .refine(
    (all) => all.every(({ name }) => /^\w+$/.test(name)),
    "must be names of bindings, by commas",
  )
  .refine(
    (all) => new Set(all.map(({ name }) => name)).size === all.length,
    "names a database twice",
  )
  .refine((all) => all.some(({ isLeaving }) => !isLeaving), "empties every database");

/** Pairs by commas, `name=value`, whose values are percent-encoded: what OpenTelemetry's settings consist of. */
const Pairs = z
  .string()
  .default("")
  .transform((text, context): Record<string, string> => {
    try {
      const pairs = text.split(",").filter((pair) => pair.trim() !== "");
      return Object.fromEntries(
        pairs.map((pair) => {
          const [, name = "", value = ""] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
          if (name === "") throw new Error("it has no name");
          return [name, decodeURIComponent(value)];
        }),
      );
    } catch {
      // The text may be a secret.
      context.addIssue("must be pairs name=value by commas, with percent-encoded values");
      return z.NEVER;
    }
  });

/** Pairs that are headers of requests. */
const HeaderPairs = Pairs.refine((pairs) => {
  try {
    new Headers(pairs);
    return true;
  } catch {
    return false;
  }
}, "must be headers");

const price = z.number().nonnegative();
const ModelPrices = z.record(
  z.string(),
  z.strictObject({
    input: price,
    output: price,
    cacheRead: price.optional(),
    cacheWrite: price.optional(),
  }),
);

const Variables = z.object({
  /** Keys of clients. If empty, every request is refused, unless `ALLOW_ANONYMOUS` is set. */
  API_KEYS: jsonText(ApiKeys).default([]),
  ALLOW_ANONYMOUS: flag,
  /** The origins whose pages may call the API from a browser; by default none but the deployment's own. */
  CORS_ORIGINS: Origins,
  /** The issuer of JWTs that identify callers, as in their claim `iss`; undefined for none. */
  OIDC_ISSUER: z.url({ protocol: /^https?$/ }).optional(),
  /** What the claim `aud` of a JWT must contain. */
  OIDC_AUDIENCE: z.string().min(1).optional(),
  /** Where the issuer's keys are, if it does not say so itself. */
  OIDC_JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** The claim of a JWT that names the owner. */
  OIDC_OWNER_CLAIM: z.string().min(1).default("email"),
  /** The owners, by commas, whose JWTs have admin rights. */
  OIDC_ADMINS: z
    .string()
    .default("")
    .transform((text) => text.split(",").flatMap((owner) => owner.trim() || [])),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url().optional(),
  /**
   * Keys that encrypt secrets of sessions: the first one encrypts, all decrypt. If empty, secrets are stored as
   * plaintext.
   */
  ENCRYPTION_KEYS: EncryptionKeys.default([]),
  /** Whether the offline model answers while there is no `ANTHROPIC_API_KEY`. */
  OFFLINE_MODEL: flag,
  /** The databases that the index consists of. */
  INDEX_DATABASES: Databases,
  /** The URL of a DNS-over-HTTPS resolver that answers in JSON; null for none. */
  DNS_RESOLVER: z
    .string()
    .default("https://cloudflare-dns.com/dns-query")
    .transform((text) => (text === "none" ? null : text))
    .pipe(z.url({ protocol: /^https?$/, error: 'must be a URL or "none"' }).nullable()),
  /** Whether webhooks may be sent by plain http, and to addresses that are not public. */
  WEBHOOK_ALLOW_PRIVATE_HOSTS: flag,
  /** Whether MCP servers of agents may be reached by plain http, and at addresses that are not public. */
  MCP_ALLOW_PRIVATE_HOSTS: flag,
  /** Prices, in dollars per million tokens, of models that are not in the price table. */
  MODEL_PRICES: jsonText(ModelPrices).default({}),
  DEFAULT_MAX_IDLE_TIME_MS: limit(1_800_000, "integer"),
  DEFAULT_MAX_LIFETIME_MS: limit(86_400_000, "integer"),
  DEFAULT_MAX_BUDGET_USD: limit(5, "amount"),
  /** Requests a minute of each key, and of each address from which no known key is sent. */
  MAX_REQUESTS_PER_MINUTE: ownLimit("integer"),
  /** Limits of each owner over all its sessions, unless an admin has set others. */
  OWNER_MAX_ACTIVE_SESSIONS: ownLimit("integer"),
  OWNER_MAX_RUNNING_MESSAGES: ownLimit("integer"),
  OWNER_MAX_DAILY_USD: ownLimit("amount"),
  OWNER_MAX_MONTHLY_USD: ownLimit("amount"),
  OWNER_MAX_REQUESTS_PER_MINUTE: ownLimit("integer"),
  /** The same for each user of an owner. */
  USER_MAX_ACTIVE_SESSIONS: ownLimit("integer"),
  USER_MAX_DAILY_USD: ownLimit("amount"),
  /** Days after which an ended session is deleted, unless its config says otherwise; null keeps it. */
  SESSION_RETENTION_DAYS: days,
  /** The largest artifact, and the most artifacts and bytes of them that a session may have. */
  MAX_ARTIFACT_BYTES: limit(100 * 1024 ** 2, "integer"),
  MAX_ARTIFACTS_PER_SESSION: limit(1_000, "integer"),
  MAX_ARTIFACT_BYTES_PER_SESSION: limit(1024 ** 3, "integer"),
  /** Whether containers are available. If so, sessions use them by default; if not, they use embedded sandboxes. */
  CONTAINERS: flag,
  /** The address at which programs in vendors' machines reach this deployment; undefined if there are no machines. */
  PUBLIC_URL: address.optional(),
  /** The domain below which each preview has a host name of its own; undefined for a path of the deployment's own host. */
  PREVIEW_DOMAIN: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, "must be a domain in lower case, without a port")
    .optional(),
  /** The sandbox provider of sessions that name none. By default `CONTAINERS` decides. */
  SANDBOX_PROVIDER: z.string().min(1).optional(),
  /** Options of `config.sandbox` for sessions that do not give them, by provider. */
  SANDBOX_DEFAULTS: jsonText(z.record(z.string(), z.record(z.string(), z.unknown()))).default({}),
  DAYTONA_API_KEY: z.string().min(1).optional(),
  /** The address of Daytona's API: another one if its server is your own. */
  DAYTONA_API_URL: address.default("https://app.daytona.io/api"),
  E2B_API_KEY: z.string().min(1).optional(),
  /** The addresses of a service with E2B's API: of the API, and of the edge before its machines. */
  E2B_API_URL: address.default("https://api.e2b.app"),
  E2B_SANDBOX_URL: address.default("https://sandbox.e2b.app"),
  FLY_API_TOKEN: z.string().min(1).optional(),
  /** The apps that machines of Fly are in. An app may be appended; one that has machines must stay. */
  FLY_APPS: z
    .string()
    .transform((text) => text.split(",").map((app) => app.trim()))
    .pipe(z.array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be names of apps of Fly")))
    .optional(),
  MODAL_ENDPOINT_URL: address.optional(),
  MODAL_KEY: z.string().min(1).optional(),
  MODAL_SECRET: z.string().min(1).optional(),
  /** The collector to which traces and metrics are sent, by OTLP over HTTP; undefined for none. */
  OTEL_EXPORTER_OTLP_ENDPOINT: address.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: HeaderPairs,
  /** What metrics are sent by; traces go wherever the endpoint is. */
  OTEL_METRICS_EXPORTER: z.enum(["otlp", "none"]).default("otlp"),
  OTEL_SERVICE_NAME: z.string().min(1).optional(),
  OTEL_RESOURCE_ATTRIBUTES: Pairs,
  /** Whether traces contain prompts, replies, and what tools are given and return. */
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: flag,
  AGENT_WORKSPACE: z
    .string()
    .regex(/^(\/[\w.-]+)+$/, "must be an absolute path")
    .default("/workspace"),
  /** Number of containers in the warm pool; 0 for none. */
  WARM_POOL_TARGET: z
    .string()
    .regex(/^\d{1,3}$/, "must be an integer from 0 to 999")
    .default("0")
    .transform(Number),
});

const Settings = Variables.refine(
  (all) => (all.OIDC_ISSUER === undefined) === (all.OIDC_AUDIENCE === undefined),
  {
    path: ["OIDC_AUDIENCE"],
    error: "must be set with OIDC_ISSUER: a token for another application would do otherwise",
  },
);

/** The parsed settings of a deployment. */
export type Settings = z.infer<typeof Settings>;

/** Parses the settings from the Worker's variables. Throws one error that names every invalid setting. */
export function readSettings(variables: object): Settings {
  const parsed = Settings.safeParse(variables);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`Rigger can't start, its settings are wrong. ${problems.join("; ")}`);
}

/** The settings of this deployment, parsed at start so that an invalid one prevents the start. */
export const settings: Settings = readSettings(env);

/** The limits of owners for whom an admin has set none. Money is in nano-dollars. */
export const defaultLimits = {
  maxActiveSessions: settings.OWNER_MAX_ACTIVE_SESSIONS,
  maxRunningMessages: settings.OWNER_MAX_RUNNING_MESSAGES,
  maxDailyNanos: nanos(settings.OWNER_MAX_DAILY_USD),
  maxMonthlyNanos: nanos(settings.OWNER_MAX_MONTHLY_USD),
  maxRequestsPerMinute: settings.OWNER_MAX_REQUESTS_PER_MINUTE,
  perUser: {
    maxActiveSessions: settings.USER_MAX_ACTIVE_SESSIONS,
    maxDailyNanos: nanos(settings.USER_MAX_DAILY_USD),
  },
};
