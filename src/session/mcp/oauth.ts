import { z } from "zod";
import { McpFailure } from "../../agent/mcp/failure";
import { reachProblem } from "../../shared/address";
import { readUpTo } from "../../shared/body";
import type { Lookup } from "../../shared/lookup";
import type { McpOauth } from "../rpc";

/** What requests to servers depend on. */
export interface NetworkDeps {
  fetch: typeof fetch;
  lookup: Lookup | undefined;
  allowPrivate: boolean;
}

/** How long before its end an access token is renewed, in ms. */
const EARLY_MS = 60_000;
const TIMEOUT_MS = 20_000;
const MAX_BYTES = 256 << 10;

/** The answers after which the refresh token is of no more use. */
const FINAL = ["invalid_grant", "invalid_client", "unauthorized_client"];

const Tokens = z.object({
  access_token: z.string().min(1).max(16_384),
  refresh_token: z.string().min(1).max(16_384).optional(),
  expires_in: z.coerce.number().nonnegative().max(1e9).optional().catch(undefined),
});
const Refusal = z.object({ error: z.string(), error_description: z.string().optional() });

/** The access can't be renewed with this refresh token: somebody has to authorize again. */
export class AuthorizationLost extends McpFailure {}

/** Returns the access token, if it is valid for now as far as is known. */
export const validToken = (
  { accessToken, expiresAt }: McpOauth,
  now: number,
): string | undefined =>
  expiresAt !== undefined && expiresAt - EARLY_MS <= now ? undefined : accessToken;

/**
 * Returns the access to a server with new tokens: asks the token endpoint once (RFC 6749, section 6, and RFC 8707). Rejects
 * with an `McpFailure`, or with `AuthorizationLost`.
 */
export async function renewed(
  oauth: McpOauth,
  serverUrl: string,
  deps: NetworkDeps,
  now = Date.now,
): Promise<McpOauth> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const { tokenUrl } = oauth;
  const problem = await reachProblem(tokenUrl, deps, signal);
  if (problem !== null) throw new McpFailure(`its token can't be renewed: ${problem}`);
  const response = await deps
    .fetch(tokenUrl, { method: "POST", ...request(oauth, serverUrl), redirect: "manual", signal })
    .catch((error) => {
      throw new McpFailure("its token endpoint could not be reached", { cause: error });
    });
  const json = await jsonOf(response, signal).catch(() => undefined);
  const { status } = response;
  if (status !== 200) {
    const refusal = Refusal.safeParse(json).data;
    const said = [refusal?.error, refusal?.error_description].filter(Boolean).join(": ");
    const words = `its token endpoint answered ${[status, said.slice(0, 300)].filter(Boolean).join(", ")}`;
    if (refusal && FINAL.includes(refusal.error)) throw new AuthorizationLost(words);
    throw new McpFailure(words);
  }
  const tokens = Tokens.safeParse(json);
  if (!tokens.success) throw new McpFailure("the answer of its token endpoint can't be read");
  const { access_token, refresh_token, expires_in } = tokens.data;
  const { expiresAt: _, ...kept } = oauth;
  return {
    ...kept,
    accessToken: access_token,
    ...(refresh_token !== undefined && { refreshToken: refresh_token }),
    ...(expires_in !== undefined && { expiresAt: now() + expires_in * 1_000 }),
  };
}

function request(oauth: McpOauth, serverUrl: string): { headers: Headers; body: string } {
  const { clientId, clientSecret, clientAuth = "basic", refreshToken, scope } = oauth;
  const headers = new Headers({
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  });
  const usesBasic = clientSecret !== undefined && clientAuth === "basic";
  if (usesBasic) {
    const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    headers.set("authorization", `Basic ${btoa(credentials)}`);
  }
  const fields = {
    grant_type: "refresh_token",
    refresh_token: refreshToken,
    resource: resourceOf(serverUrl),
    ...(!usesBasic && { client_id: clientId }),
    ...(!usesBasic && clientSecret !== undefined && { client_secret: clientSecret }),
    ...(scope !== undefined && { scope }),
  };
  return { headers, body: new URLSearchParams(fields).toString() };
}

/** Returns the JSON of an answer. Rejects for one that is cut at `MAX_BYTES`, since its JSON is not whole. */
async function jsonOf({ body }: Response, signal: AbortSignal): Promise<unknown> {
  const { bytes } = await readUpTo(body, MAX_BYTES, signal);
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Returns the canonical URI of a server, as the protocol has it. */
function resourceOf(serverUrl: string): string {
  const { origin, pathname } = new URL(serverUrl);
  return `${origin}${pathname}`.replace(/\/$/, "");
}
