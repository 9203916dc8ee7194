import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { sha256Hex } from "./ids";
import { isJwt } from "./oidc";

const AUDIENCE = "rigger";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let pair: Pair;
let other: Pair;
beforeAll(async () => {
  [pair, other] = await Promise.all([generateKeyPair("RS256"), generateKeyPair("RS256")]);
});
afterEach(() => vi.restoreAllMocks());

/** Answers for a new issuer, which has the keys in `keys`, and returns a client of a deployment that trusts it. */
function anIssuer(more: Record<string, string> = {}, host = `${crypto.randomUUID()}.example.com`) {
  const issuer = `https://${host}`;
  const keys = new Map<string, Pair>([["k1", pair]]);
  const asked: string[] = [];
  let answer = (path: string): unknown | Promise<unknown> => {
    if (path === "/.well-known/openid-configuration") {
      return { issuer, jwks_uri: `${issuer}/keys` };
    }
    return Promise.all(
      [...keys].map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid })),
    ).then((all) => ({ keys: all }));
  };
  const { fetch } = globalThis;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    if (url.origin !== issuer) return fetch(input, init);
    asked.push(url.pathname);
    const body = await answer(url.pathname);
    return body === null ? new Response(null, { status: 500 }) : Response.json(body);
  });
  const client = aClient(
    readSettings({ OIDC_ISSUER: issuer, OIDC_AUDIENCE: AUDIENCE, ALLOW_ANONYMOUS: "1", ...more }),
  );
  return {
    issuer,
    keys,
    asked,
    client,
    fail: () => {
      answer = () => null;
    },
    say: (said: unknown) => {
      answer = () => said;
    },
    /** Returns a valid token, but for what the arguments change. */
    token: (claims: Record<string, unknown> = {}, header: object = {}, key = pair.privateKey) =>
      new SignJWT({
        ...{ iss: issuer, aud: AUDIENCE, email: "ann@example.com" },
        ...{ exp: seconds(60 * 5), ...claims },
      })
        .setProtectedHeader({ alg: "RS256", kid: "k1", ...header })
        .sign(key),
    me: (token: string, header = "Authorization") =>
      client.get("/api/me", {
        headers: { [header]: header === "Authorization" ? `Bearer ${token}` : token },
      }),
  };
}

const seconds = (from = 0) => Math.floor(Date.now() / 1_000) + from;

describe("a token of the issuer", () => {
  it("identifies its owner, who is no admin", async () => {
    const { token, me, client } = anIssuer();
    expect(await me(await token())).toMatchObject({
      status: 200,
      body: { owner: "ann@example.com", admin: false, key: null, via: "oidc" },
    });
    const headers = { Authorization: `Bearer ${await token()}` };
    const made = await client.post("/api/sessions", { pattern: "long-running" }, { headers });
    expect(made.status).toBe(201);
  });

  it("identifies an admin if OIDC_ADMINS names its owner, by the claim that the deployment chooses", async () => {
    const { token, me } = anIssuer({ OIDC_OWNER_CLAIM: "sub", OIDC_ADMINS: "bob, ann" });
    expect((await me(await token({ sub: "ann" }))).body).toMatchObject({
      owner: "ann",
      admin: true,
    });
    expect((await me(await token({ sub: "eve" }))).body).toMatchObject({ admin: false });
    expect((await me(await token())).status).toBe(401);
  });

  it("makes keys that live longer than it does", async () => {
    const { token, client } = anIssuer();
    const headers = { Authorization: `Bearer ${await token()}` };
    const { status, body } = await client.post("/api/keys", { name: "ci" }, { headers });
    expect(status).toBe(201);
    expect(body).toMatchObject({ owner: "ann@example.com", expiresAt: null });
  });

  it("of Cloudflare Access comes in its own header, and its keys from their own place", async () => {
    const { token, me, asked } = anIssuer({}, `t${crypto.randomUUID()}.cloudflareaccess.com`);
    expect((await me(await token(), "Cf-Access-Jwt-Assertion")).body).toMatchObject({
      via: "oidc",
    });
    expect(asked).toEqual(["/cdn-cgi/access/certs"]);
  });

  it("is verified with keys that are read once", async () => {
    const { token, me, asked } = anIssuer();
    for (let n = 0; n < 5; n++) expect((await me(await token())).status).toBe(200);
    expect(asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  it("is accepted when the clocks differ by less than a minute", async () => {
    const { token, me } = anIssuer();
    expect((await me(await token({ exp: seconds(-50) }))).status).toBe(200);
    expect((await me(await token({ nbf: seconds(50) }))).status).toBe(200);
    expect((await me(await token({ exp: seconds(-70) }))).status).toBe(401);
    expect((await me(await token({ nbf: seconds(70) }))).status).toBe(401);
  });

  it("may have a new key of the issuer, which is read; the old one ends with the issuer's list", async () => {
    const { token, me, keys, asked } = anIssuer();
    expect((await me(await token())).status).toBe(200);
    keys.clear();
    keys.set("k2", other);
    const isNew = () => token({}, { kid: "k2" }, other.privateKey);
    // The keys were read just now, so that anybody could make the deployment read them with each request.
    expect((await me(await isNew())).status).toBe(401);
    const exp = seconds(3_600);
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ["Date"] });
    expect((await me(await isNew())).status).toBe(200);
    expect((await me(await token({ exp }))).status).toBe(401);
    vi.useRealTimers();
    expect(asked).toHaveLength(3);
  });
});

describe("a token is refused", () => {
  it.each<[string, Record<string, unknown>]>([
    ["of another issuer", { iss: "https://evil.example.com" }],
    ["for another application", { aud: "another" }],
    ["without an audience", { aud: undefined }],
    ["that never expires", { exp: undefined }],
    ["without an owner", { email: undefined }],
    ["with an owner that is no text", { email: 7 }],
    ["with an address that is not verified", { email_verified: false }],
    ["with an address that is not verified, as text", { email_verified: "false" }],
  ])("%s", async (_, claims) => {
    const { token, me } = anIssuer();
    expect(await me(await token(claims))).toMatchObject({
      status: 401,
      body: { error: { type: "authentication_error" } },
    });
  });

  it("that is signed with another key, or changed afterwards", async () => {
    const { token, me } = anIssuer();
    expect((await me(await token({}, {}, other.privateKey))).status).toBe(401);
    const [head, , signature] = (await token()).split(".");
    const claims = { iss: "https://x", aud: AUDIENCE, email: "root", exp: seconds(100) };
    expect((await me([head, encode(claims), signature].join("."))).status).toBe(401);
  });

  it("that is not signed", async () => {
    const { issuer, me } = anIssuer();
    const claims = { iss: issuer, aud: AUDIENCE, email: "ann@example.com", exp: seconds(100) };
    const unsigned = new UnsecuredJWT(claims).encode();
    for (const token of [unsigned, unsigned.replace(/\.$/, ".AAAA")]) {
      expect((await me(token)).status).toBe(401);
    }
  });

  it("that is signed with the issuer's public key as a shared secret", async () => {
    const { issuer, me } = anIssuer();
    const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey)));
    const confused = await new SignJWT({ email: "ann@example.com" })
      .setProtectedHeader({ alg: "HS256", kid: "k1" })
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setExpirationTime("5m")
      .sign(secret);
    expect((await me(confused)).status).toBe(401);
  });

  it.each(["a.b.c", "e30.e30.", "...", "x"])("that is none: %s", async (token) => {
    const { me } = anIssuer();
    expect((await me(token)).status).toBe(401);
  });
});

it("a request without a token is refused, although the deployment would serve everybody else", async () => {
  const { client } = anIssuer();
  expect((await client.get("/api/me")).status).toBe(401);
});

it.each<[string, unknown]>([
  ["fails", null],
  ["answers something else", { hello: "world" }],
  ["calls itself another", { issuer: "https://evil.example.com", jwks_uri: "https://evil/keys" }],
])("while the issuer %s, a token is neither refused nor accepted", async (_, said) => {
  const { token, me, say } = anIssuer();
  say(said);
  expect(await me(await token())).toMatchObject({
    status: 503,
    body: { error: { type: "unavailable_error" } },
  });
});

it("while the issuer fails, keys that were read are used for ten minutes", async () => {
  const { token, me, fail } = anIssuer();
  const exp = seconds(3_600);
  expect((await me(await token({ exp }))).status).toBe(200);
  fail();
  expect((await me(await token({ exp }))).status).toBe(200);
  vi.useFakeTimers({ now: Date.now() + 601_000, toFake: ["Date"] });
  expect((await me(await token({ exp }))).status).toBe(503);
  vi.useRealTimers();
});

it("while the issuer fails, it is asked once in ten seconds", async () => {
  const { token, me, say, asked } = anIssuer();
  say(null);
  for (let n = 0; n < 5; n++) expect((await me(await token())).status).toBe(503);
  expect(asked).toHaveLength(1);
  vi.useFakeTimers({ now: Date.now() + 10_000, toFake: ["Date"] });
  expect((await me(await token({ exp: seconds(100) }))).status).toBe(503);
  vi.useRealTimers();
  expect(asked).toHaveLength(2);
});

it("a key in API_KEYS that looks like a token works beside an issuer", async () => {
  const entry = { name: "a", owner: "acme", sha256: await sha256Hex("acme.laptop.2026") };
  const { client } = anIssuer({ API_KEYS: JSON.stringify([entry]) });
  const headers = { Authorization: "Bearer acme.laptop.2026" };
  expect((await client.get("/api/me", { headers })).body).toMatchObject({ via: "secret" });
});

it("a token in the header of Access is nothing to a deployment without an issuer", async () => {
  const { token } = anIssuer();
  const client = aClient();
  const headers = { "Cf-Access-Jwt-Assertion": await token() };
  expect((await client.get("/api/me", { headers })).body).toMatchObject({ via: "anonymous" });
});

it("an issuer needs an audience", () => {
  expect(() => readSettings({ OIDC_ISSUER: "https://a.example.com" })).toThrow("OIDC_AUDIENCE");
});

it("the secret of a key is no token", () => {
  expect(isJwt(`rk_${"0".repeat(20)}_${"0".repeat(48)}`)).toBe(false);
});

const encode = (value: object) =>
  btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
