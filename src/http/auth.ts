import { createMiddleware } from "hono/factory";
import type { Identified } from "../account/keys";
import { holds, type Scope, scopesOf } from "../account/scopes";
import type { Settings } from "../settings";
import { askAutomation, askShare, callAccount } from "./call";
import type { AppContext, AppEnv, Identity } from "./context";
import { ApiError, notFound, unauthenticated } from "./errors";
import { accountOfSecret, automationOfToken, sessionOfToken, sha256Hex } from "./ids";
import { KnownKeys } from "./known-keys";
import { rememberLimitsOf } from "./known-limits";
import { isJwt, openOidc } from "./oidc";
import { limitCaller, limitOwner } from "./rate-limits";

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
    const inherited = inheritedBy.get(c.req.raw);
    const { MAX_REQUESTS_PER_MINUTE: max } = settings;
    if (!inherited && max !== null) await limitCaller(c, max, await knownKeyOf(c));
    const identity = inherited ?? (await identify(c, settings, verify));
    const { owner, share } = identity;
    const admin = holds(identity.scopes, "admin");
    c.set("identity", identity);
    c.set("caller", { owner, admin, ...(share && { share: share.id }) });
    if (!inherited) await limitOwner(c, settings.OWNER_MAX_REQUESTS_PER_MINUTE);
    if (share) requireShared(c, share.sessionId);
    if (identity.fires !== undefined) requireFiring(c, identity.fires);
    const scope = scopeOf(c.req.method, c.req.path);
    if (scope !== null && !holds(identity.scopes, scope)) {
      throw new ApiError("permission_error", `Your key does not have the scope ${scope}.`);
    }
    await next();
  });
};

/** The identities of requests that handlers make on behalf of their callers, within this isolate. */
const inheritedBy = new WeakMap<Request, Identity>();

/**
 * Gives a request of the API the identity of the request that is being handled. Its scopes are checked like those of any
 * other, but it counts as a part of that request in the limits of requests.
 */
export function inheritIdentity(c: AppContext, request: Request): Request {
  inheritedBy.set(request, c.var.identity);
  return request;
}

/** Returns the id of the key that a request is sent with, if this isolate knows it. */
async function knownKeyOf(c: AppContext): Promise<string | undefined> {
  const secret = bearerOf(c);
  if (secret === undefined || accountOfSecret(secret) === undefined) return undefined;
  return knownKeys.idOf(await sha256Hex(secret), Date.now());
}

const bearerOf = (c: AppContext): string | undefined =>
  c.req.header("Authorization")?.match(/^bearer +(\S+) *$/i)?.[1];

/** Returns the scope that a request needs; null if every key will do. */
export function scopeOf(method: string, path: string): Scope | null {
  // The requests that tools make have scopes of their own.
  if (path === "/api/me" || path === "/mcp") return null;
  if (/^\/api\/keys(\/|$)/.test(path) || path === "/api/audit") return "keys:write";
  if (/^\/api\/owners\/[^/]+\/limits$/.test(path) && method !== "PUT") return "usage:read";
  if (/^\/api\/owners(\/|$)/.test(path)) return "admin";
  if (path === "/api/sessions/stats/summary" || path === "/api/usage") return "usage:read";
  if (/^\/api\/webhooks(\/|$)/.test(path)) return "webhooks:write";
  if (/^\/api\/automations(\/|$)/.test(path)) return "automations:write";
  const isApproval = /^\/api\/sessions\/[^/]+\/approvals\/[^/]+$/.test(path);
  if (isApproval && method === "POST") return "approvals:write";
  return method === "GET" || method === "HEAD" ? "sessions:read" : "sessions:write";
}

/** What a share link is for, as paths below its session. Its scope decides whether it is for reading only. */
const SHARED = {
  GET: /^(|\/messages|\/messages\/[^/]+|\/events|\/artifacts(\/[^/]+(\/content)?)?|\/archive|\/files(\/.*)?)$/s,
  POST: /^\/(message|interrupt)$/,
};

/** Throws an `ApiError` for a request that a share link of a session is not for. */
function requireShared(c: AppContext, sessionId: string): void {
  const { path } = c.req;
  const method = c.req.method === "HEAD" ? "GET" : c.req.method;
  const own = `/api/sessions/${sessionId}`;
  if (path === "/api/me" || path === "/mcp") return;
  if (path !== own && !path.startsWith(`${own}/`)) throw notFound("path");
  if ((method === "GET" || method === "POST") && SHARED[method].test(path.slice(own.length)))
    return;
  throw new ApiError("permission_error", "A share link is not for that.");
}

/** Throws an `ApiError` for a request that the token of an automation is not for. */
function requireFiring(c: AppContext, id: string): void {
  const { method, path } = c.req;
  if (path === "/api/me" || (method === "POST" && path === `/api/automations/${id}/fire`)) return;
  throw new ApiError("permission_error", "The token of an automation only fires it.");
}

async function identify(
  c: AppContext,
  settings: Settings,
  verify: ReturnType<typeof openOidc>,
): Promise<Identity> {
  const secret = bearerOf(c) ?? (verify ? c.req.header("Cf-Access-Jwt-Assertion") : undefined);
  const token = secret ?? (SAFE.includes(c.req.method) ? c.req.query("token") : undefined);
  const sessionId = token && sessionOfToken(token);
  if (token && sessionId) return byShare(c, sessionId, token);
  const automationId = secret && automationOfToken(secret);
  if (secret && automationId) return byFireToken(c, automationId, secret);
  const account = secret && accountOfSecret(secret);
  if (secret && account) return byKey(c, account, secret);
  if (secret && verify && isJwt(secret)) return verify(secret);
  if (settings.API_KEYS.length === 0 && !verify) return anonymous(settings);
  if (secret === undefined) throw unauthenticated("Send an API key: Authorization: Bearer <key>.");
  return bySetting(secret, settings);
}

/** Identifies the holder of a key that the API has made. */
async function byKey(c: AppContext, account: string, secret: string): Promise<Identity> {
  const hash = await sha256Hex(secret);
  const look = async (): Promise<Identified> => {
    const { limits, ...found } = await callAccount(c.env, account, (one) => one.identify(hash));
    if (found.state === "valid" && limits) rememberLimitsOf(found.key.owner, limits);
    return found;
  };
  // What is done with keys outlives the time for which a revoked one may still be known.
  const isAboutKeys = scopeOf(c.req.method, c.req.path) === "keys:write";
  const identified = await (isAboutKeys ? look() : knownKeys.find(hash, look, Date.now()));
  if (identified.state !== "valid") throw unauthenticated(REFUSALS[identified.state]);
  const { id, name, owner, scopes, tools } = identified.key;
  // A secret that a rotation has replaced gives nothing that outlives it.
  return { owner, scopes, tools, expiresAt: identified.until, key: { id, name }, via: "key" };
}

const SAFE = ["GET", "HEAD"];

/** Identifies the holder of a share link. */
async function byShare(c: AppContext, sessionId: string, token: string): Promise<Identity> {
  const found = await askShare(c.env, sessionId, await sha256Hex(token));
  if (!found) throw unauthenticated("The share link is not known, has expired or was revoked.");
  const { owner, share } = found;
  const { id, expiresAt } = share;
  const scopes: Scope[] = [share.access === "write" ? "sessions:write" : "sessions:read"];
  return {
    owner,
    share: { id, sessionId },
    scopes,
    tools: null,
    expiresAt,
    key: null,
    via: "share",
  };
}

/** Identifies the holder of an automation's token. */
async function byFireToken(c: AppContext, id: string, secret: string): Promise<Identity> {
  const owner = await askAutomation(c.env, id, await sha256Hex(secret));
  if (owner === null) throw unauthenticated("The token is not known, or was replaced.");
  return { owner, fires: id, scopes: ["automations:write"], ...UNLIMITED, key: null, via: "fire" };
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
  if (!entry) throw unauthenticated(REFUSALS.unknown);
  const scopes = scopesOf(entry.admin ?? false);
  return { owner: entry.owner, scopes, ...UNLIMITED, key: null, via: "secret" };
}

function anonymous(settings: Settings): Identity {
  if (settings.ALLOW_ANONYMOUS) {
    return {
      owner: "anonymous",
      scopes: scopesOf(true),
      ...UNLIMITED,
      key: null,
      via: "anonymous",
    };
  }
  const message =
    "Nobody may call yet: set API_KEYS, or ALLOW_ANONYMOUS=true to serve everybody on a local machine.";
  throw new ApiError("unavailable_error", message);
}

const UNLIMITED = { tools: null, expiresAt: null };
