import { createMiddleware } from "hono/factory";
import type { Identified } from "../account/keys";
import { holds, SCOPES, type Scope } from "../account/scopes";
import type { Settings } from "../settings";
import { callAccount } from "./call";
import type { AppContext, AppEnv, Identity } from "./context";
import { ApiError } from "./errors";
import { accountOfSecret, sha256Hex } from "./ids";
import { KnownKeys } from "./known-keys";
import { isJwt, openOidc } from "./oidc";

const encoder = new TextEncoder();

/** What this isolate knows of keys. */
export const knownKeys = new KnownKeys();

/**
 * Returns middleware that identifies the caller and checks that it has the scope of the route. Throws an `ApiError` for
 * a request without a valid key, or without the scope.
 */
export const authenticate = (settings: Settings) => {
  const verify = openOidc(settings);
  return createMiddleware<AppEnv>(async (c, next) => {
    const identity = await identify(c, settings, verify);
    const admin = holds(identity.scopes, "admin");
    c.set("identity", identity);
    c.set("caller", { owner: identity.owner, admin });
    const scope = scopeOf(c.req.method, c.req.path);
    if (scope !== null && !holds(identity.scopes, scope)) {
      throw new ApiError("permission_error", `Your key does not have the scope ${scope}.`);
    }
    await next();
  });
};

/** Returns the scope that a request needs; null if every key will do. */
export function scopeOf(method: string, path: string): Scope | null {
  if (path === "/api/me") return null;
  if (/^\/api\/keys(\/|$)/.test(path)) return "keys:write";
  if (path === "/api/sessions/stats/summary") return "usage:read";
  return method === "GET" || method === "HEAD" ? "sessions:read" : "sessions:write";
}

async function identify(
  c: AppContext,
  settings: Settings,
  verify: ReturnType<typeof openOidc>,
): Promise<Identity> {
  const bearer = c.req.header("Authorization")?.match(/^bearer +(\S+) *$/i)?.[1];
  const secret = bearer ?? (verify ? c.req.header("Cf-Access-Jwt-Assertion") : undefined);
  const account = secret && accountOfSecret(secret);
  if (secret && account) return byKey(c, account, secret);
  if (secret && verify && isJwt(secret)) return verify(secret);
  if (settings.API_KEYS.length === 0 && !verify) return anonymous(settings);
  if (secret === undefined) throw refused("Send an API key: Authorization: Bearer <key>.");
  return bySetting(secret, settings);
}

/** Identifies the holder of a key that the API has made. */
async function byKey(c: AppContext, account: string, secret: string): Promise<Identity> {
  const hash = await sha256Hex(secret);
  const look = () => callAccount(c.env, account, (object) => object.identify(hash));
  const identified = await knownKeys.find(hash, look, Date.now());
  if (identified.state !== "valid") throw refused(REFUSALS[identified.state]);
  const { id, name, owner, scopes, tools, expiresAt } = identified.key;
  return { owner, scopes, tools, expiresAt, key: { id, name }, via: "key" };
}

const REFUSALS = {
  unknown: "The API key is not known.",
  expired: "The API key has expired.",
  revoked: "The API key has been revoked.",
} satisfies Record<Exclude<Identified["state"], "valid">, string>;

/** Identifies the holder of a key in the setting `API_KEYS`. */
async function bySetting(secret: string, settings: Settings): Promise<Identity> {
  const presented = encoder.encode(await sha256Hex(secret));
  // Every entry is compared, so that the response time does not depend on the entry that matched.
  const matching = settings.API_KEYS.filter(({ sha256 }) =>
    crypto.subtle.timingSafeEqual(presented, encoder.encode(sha256)),
  );
  const [entry] = matching;
  if (!entry) throw refused(REFUSALS.unknown);
  const scopes = SCOPES.filter((scope) => scope !== "admin" || entry.admin);
  return { owner: entry.owner, scopes, ...UNLIMITED, key: null, via: "secret" };
}

function anonymous(settings: Settings): Identity {
  if (settings.ALLOW_ANONYMOUS) {
    return { owner: "anonymous", scopes: SCOPES, ...UNLIMITED, key: null, via: "anonymous" };
  }
  const message =
    "Nobody may call yet: set API_KEYS, or ALLOW_ANONYMOUS=true to serve everybody on a local machine.";
  throw new ApiError("unavailable_error", message);
}

const UNLIMITED = { tools: null, expiresAt: null };

const refused = (message: string): ApiError =>
  new ApiError("authentication_error", message, {
    headers: { "WWW-Authenticate": 'Bearer realm="rigger"' },
  });
