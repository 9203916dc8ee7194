import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import { scopesOf } from "../account/scopes";
import type { Settings } from "../settings";
import type { Identity } from "./context";
import { ApiError, unauthenticated, unavailable } from "./errors";

/** Signatures by a private key only: with a shared secret, an issuer's public key would do to sign. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];
/** The difference between two clocks that is put up with, in seconds. */
const CLOCK_TOLERANCE_S = 60;
const DISCOVERY_TIMEOUT_MS = 5_000;

const Discovery = z.looseObject({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/** How long a failure to read the issuer's keys is remembered: nobody may make the deployment ask at each request. */
const QUIET_MS = 10_000;

/** Returns whether a text has the form of a signed JWT: two JSON objects and a signature. */
export const isJwt = (text: string): boolean => /^eyJ[\w-]*\.eyJ[\w-]*\.[\w-]*$/.test(text);

/**
 * Returns a function that verifies a JWT of the deployment's issuer and returns its holder; null if the deployment has no
 * issuer. It throws an `ApiError`: 401 for a JWT that is not valid here, 503 if the issuer's keys can't be read.
 */
export function openOidc(settings: Settings): ((token: string) => Promise<Identity>) | null {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience } = settings;
  if (issuer === undefined || audience === undefined) return null;
  const keys = keysOf(issuer, settings.OIDC_JWKS_URL);
  const rules = {
    ...{ issuer, audience, algorithms: ALGORITHMS },
    ...{ clockTolerance: CLOCK_TOLERANCE_S, requiredClaims: ["exp"] },
  };
  let quietUntil = 0;
  return async (token) => {
    try {
      if (Date.now() < quietUntil && !keys.areFresh()) throw unreachable(null);
      const { payload } = await jwtVerify(token, await keys.open(), rules);
      return identityOf(payload, settings);
    } catch (error) {
      const refusal = error instanceof ApiError ? error : toApiError(error);
      if (refusal.type === "unavailable_error" && Date.now() >= quietUntil) {
        quietUntil = Date.now() + QUIET_MS;
      }
      throw refusal;
    }
  };
}

/** Returns the issuer's keys. They are read again after ten minutes, and for an unknown key. */
function keysOf(issuer: string, url: string | undefined) {
  const open = (address: string) =>
    createRemoteJWKSet(new URL(address), { [customFetch]: (input, init) => fetch(input, init) });
  const known = url ?? ofAccess(issuer);
  let opened = known === undefined ? undefined : open(known);
  return {
    areFresh: () => opened?.fresh === true,
    open: async () => {
      opened ??= open(await discover(issuer));
      return opened;
    },
  };
}

/** Returns where Cloudflare Access has its keys; undefined for another issuer. */
const ofAccess = (issuer: string): string | undefined =>
  new URL(issuer).hostname.endsWith(".cloudflareaccess.com")
    ? new URL("/cdn-cgi/access/certs", issuer).href
    : undefined;

/** Asks an issuer where its keys are, as OpenID Connect Discovery 1.0 says. */
async function discover(issuer: string): Promise<string> {
  try {
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const response = await fetch(url, {
      signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS),
      redirect: "manual",
    });
    const found = Discovery.parse(await response.json());
    if (found.issuer === issuer) return found.jwks_uri;
    throw new Error(`OIDC_ISSUER calls itself ${found.issuer}`);
  } catch (cause) {
    throw unreachable(cause);
  }
}

function identityOf(payload: JWTPayload, settings: Settings): Identity {
  const claim = settings.OIDC_OWNER_CLAIM;
  const owner = payload[claim];
  if (typeof owner !== "string" || owner === "")
    throw refused(`The token has no claim "${claim}".`);
  const { email_verified: verified = true } = payload;
  // Some issuers send it as text.
  if (claim === "email" && verified !== true && verified !== "true") {
    throw refused("The token's email address is not verified.");
  }
  const isAdmin = settings.OIDC_ADMINS.includes(owner);
  // Keys that the holder makes may outlive this token, which lives for minutes.
  return {
    owner,
    scopes: scopesOf(isAdmin),
    tools: null,
    expiresAt: null,
    key: null,
    via: "oidc",
  };
}

/** The errors of a token; any other is one of reading the issuer's keys. */
const REFUSALS = [
  [errors.JWTExpired, "The token has expired."],
  [errors.JWTClaimValidationFailed, "The token is not for this deployment, or not valid yet."],
  [errors.JOSEAlgNotAllowed, "The token is signed with an algorithm that is not allowed."],
  [errors.JWKSNoMatchingKey, "The token is signed with a key that its issuer does not have."],
  [errors.JWKSMultipleMatchingKeys, "The token does not say which key it is signed with."],
  [errors.JWSSignatureVerificationFailed, "The token's signature is wrong."],
  [errors.JWSInvalid, "The token can't be read."],
  [errors.JWTInvalid, "The token can't be read."],
  [errors.JOSENotSupported, "The token can't be read."],
] as const;

function toApiError(error: unknown): ApiError {
  const known = REFUSALS.find(([type]) => error instanceof type);
  return known ? refused(known[1]) : unreachable(error);
}

const unreachable = (cause: unknown): ApiError =>
  unavailable("The keys of the tokens' issuer can't be read at the moment.", { cause });

const refused = (message: string): ApiError =>
  unauthenticated(message, 'Bearer realm="rigger", error="invalid_token"');
