import { describe, expect, it } from "vitest";
import { headersFrom, headersTo } from "./preview-headers";

const HOST = { token: "abc", base: "" };
const PATH = { token: "abc", base: "/previews/abc" };
const AT_HOST = "https://abc.preview.example.com/page";
const AT_PATH = "https://rigger.example.com/previews/abc/page";

const to = (how: typeof HOST, headers: Record<string, string>) =>
  Object.fromEntries(headersTo(new Request(how.base ? AT_PATH : AT_HOST, { headers }), how));

/** Returns the headers with which an answer with these is returned. */
function from(how: typeof HOST, ...headers: [string, string][]) {
  const answer = new Response(null, { headers });
  const request = new Request(how.base ? AT_PATH : AT_HOST);
  return headersFrom(answer, request, { ...how, port: 5173 });
}

describe("the server of a preview gets", () => {
  const PLATFORM = {
    "cf-connecting-ip": "203.0.113.9",
    "cf-ray": "1",
    "cf-access-jwt-assertion": "secret",
    "cdn-loop": "cloudflare",
    "x-forwarded-for": "198.51.100.1",
    "x-rigger-port": "22",
    "x-rigger-of-host": "other",
    "x-rigger-token": "t",
    "proxy-authorization": "secret",
  };

  it("what the client has sent, and where it was sent to", () => {
    expect(to(HOST, { accept: "text/html", "x-own": "kept", ...PLATFORM })).toEqual({
      accept: "text/html",
      "x-own": "kept",
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-host": "abc.preview.example.com",
      "x-forwarded-proto": "https",
    });
  });

  it("on a host of its own: its cookies and credentials, and none of Rigger's", () => {
    const own = { authorization: "Bearer eyJhbGciOi", cookie: "a=1; b=2" };
    expect(to(HOST, own)).toMatchObject(own);
    for (const secret of ["rk_0_1", "rs_0_1", "rf_0_1"]) {
      expect(to(HOST, { authorization: `bearer  ${secret}` })).not.toHaveProperty("authorization");
    }
    const cookie = "a=1; CF_Authorization=secret; CF_AppSession=secret; b=2";
    expect(to(HOST, { cookie })).toMatchObject({ cookie: "a=1; b=2" });
    expect(to(HOST, { cookie: "CF_Authorization=secret" })).not.toHaveProperty("cookie");
  });

  it("on the deployment's host: no cookies and no credentials", () => {
    expect(to(PATH, { authorization: "Basic YTpi", cookie: "a=1", "x-own": "kept" })).toEqual({
      "x-own": "kept",
      "x-forwarded-host": "rigger.example.com",
      "x-forwarded-proto": "https",
      "x-forwarded-prefix": "/previews/abc",
    });
  });
});

/** Headers that browsers apply to more than the answer that has them. */
const HOSTILE: [string, string][] = [
  ["set-cookie", "session=stolen; Path=/"],
  ["clear-site-data", '"*"'],
  ["strict-transport-security", "max-age=1"],
  ["service-worker-allowed", "/"],
  ["alt-svc", 'h3=":443"'],
  ["nel", "{}"],
  ["report-to", "{}"],
  ["reporting-endpoints", 'a="https://evil.example"'],
  ["origin-agent-cluster", "?0"],
  ["accept-ch", "Sec-CH-UA"],
  ["critical-ch", "Sec-CH-UA"],
  ["www-authenticate", "Basic"],
  ["cross-origin-opener-policy", "same-origin"],
  ["access-control-allow-origin", "https://evil.example"],
  ["access-control-allow-credentials", "true"],
  ["speculation-rules", '"/rules"'],
  ["refresh", "0; url=/"],
  ["x-rigger-closed", "port"],
  ["connection", "close"],
];

describe("the answer of a preview's server", () => {
  it("on the deployment's host keeps what describes it, and nothing that concerns the host", () => {
    const kept: [string, string][] = [
      ["content-type", "text/html"],
      ["etag", '"1"'],
      ["cache-control", "max-age=60"],
      ["x-own", "kept"],
    ];
    const policy: [string, string] = ["content-security-policy", "default-src 'self'"];
    const { "content-security-policy": policies, ...headers } = Object.fromEntries(
      from(PATH, ...kept, policy, ...HOSTILE),
    );
    expect(headers).toEqual({
      ...Object.fromEntries(kept),
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "*",
      "referrer-policy": "same-origin",
      "x-robots-tag": "noindex",
    });
    // Both hold. Without `allow-same-origin`, a page has an origin of its own.
    expect(policies).toMatch(/^default-src 'self', sandbox [a-z -]*allow-scripts/);
    expect(policies).not.toMatch(/same-origin|top-navigation|escape/);
  });

  it("on a host of its own keeps all but what concerns other hosts", () => {
    const cookies = [
      "a=1; Path=/",
      "b=2; domain=abc.preview.example.com; Secure",
      "c=3; Domain=.abc.preview.example.com",
      "d=4; Domain=preview.example.com",
      "e=5; DOMAIN = .example.com ",
      "f=6; Domain=abc.preview.example.com; Domain=example.com",
      "g=7; Domain=",
    ];
    const others: [string, string][] = [
      ["www-authenticate", "Basic"],
      ["access-control-allow-origin", "https://app.example"],
      ["service-worker-allowed", "/"],
      ["content-security-policy", "default-src 'self'"],
      ["referrer-policy", "no-referrer"],
    ];
    const headers = from(
      HOST,
      ...cookies.map((one): [string, string] => ["set-cookie", one]),
      ...others,
      ["clear-site-data", '"cookies"'],
      ["alt-svc", 'h3="evil.example:443"'],
    );
    expect(headers.getSetCookie()).toEqual(cookies.slice(0, 3));
    headers.delete("set-cookie");
    expect([...headers]).toEqual([...others, ["x-robots-tag", "noindex"]].toSorted());
  });

  it.each([
    ["/login?next=%2F#a", "/previews/abc/login?next=%2F#a"],
    ["https://rigger.example.com/login", "/previews/abc/login"],
    ["http://localhost:5173/login", "/previews/abc/login"],
    ["http://127.0.0.1:5173/", "/previews/abc/"],
    ["http://localhost:8080/", "http://localhost:8080/"],
    ["http://localhost/", "http://localhost/"],
    ["login", "login"],
    ["//other.example/x", "//other.example/x"],
    ["/\\other.example", "/\\other.example"],
    ["https://other.example/x", "https://other.example/x"],
    ["javascript:alert(1)", "javascript:alert(1)"],
  ])("that redirects to %s does so to %s", (location, returned) => {
    expect(from(PATH, ["location", location]).get("location")).toBe(returned);
    const atHost = from(HOST, ["location", location]).get("location");
    const isMoved = returned.startsWith("/previews/") && !location.includes("rigger.example.com");
    expect(atHost).toBe(isMoved ? returned.slice("/previews/abc".length) : location);
  });
});
