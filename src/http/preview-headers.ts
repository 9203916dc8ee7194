// The headers of requests to servers in sandboxes, and of their answers. A server in a sandbox may be hostile: it gets
// nothing that identifies somebody to Rigger, and nothing that it answers concerns other hosts and paths than its own.

import type { PreviewAddress } from "./preview-address";

/** Headers of a connection, of the platform, and of Rigger's own servers. */
const NOT_PASSED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|content-length|expect|host|cf-.*|cdn-loop|true-client-ip|mf-.*|x-forwarded-.*|x-real-ip|x-rigger-.*|sec-websocket-(key|version|extensions))$/;

/** A secret of Rigger's that a client sends by mistake, and a token of Cloudflare Access. */
const OWN_SECRET = /^bearer +r[ksf]_/i;
const OWN_COOKIE = /^\s*CF_(Authorization|AppSession)=/;

/** Returns the headers with which a request is sent to a preview's server. */
export function headersTo(request: Request, { base }: PreviewAddress): Headers {
  const { headers, url } = request;
  const { host, protocol } = new URL(url);
  const passed = new Headers([...headers].filter(([name]) => !NOT_PASSED.test(name)));
  const address = headers.get("cf-connecting-ip");
  if (address !== null) passed.set("x-forwarded-for", address);
  passed.set("x-forwarded-host", host);
  passed.set("x-forwarded-proto", protocol.slice(0, -1));
  if (base !== "") passed.set("x-forwarded-prefix", base);
  // On the deployment's own host, these are for the deployment.
  const isForeign = base === "" && !OWN_SECRET.test(headers.get("authorization") ?? "");
  if (!isForeign) passed.delete("authorization");
  const cookies = (headers.get("cookie") ?? "").split(";").filter((one) => !OWN_COOKIE.test(one));
  const cookie = base === "" ? cookies.join(";").trim() : "";
  if (cookie === "") passed.delete("cookie");
  else passed.set("cookie", cookie);
  return passed;
}

/** Headers of a connection, of the way to the server, and those that browsers apply to a whole domain. */
const NOT_RETURNED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|via|fly-.*|x-rigger-.*|alt-svc|clear-site-data|set-cookie)$/;

/** What may be returned on the deployment's own host: what describes the body, and what browsers know nothing of. */
const RETURNED_ON_OWN_HOST =
  /^(accept-ranges|age|allow|cache-control|content-(disposition|encoding|language|length|range|type)|date|etag|expires|last-modified|location|retry-after|sec-websocket-protocol|server-timing|vary|x-.*|content-security-policy)$/;

/**
 * What pages on the deployment's own host may do. They have an origin of their own, which shares no storage and no cookies
 * with the deployment, and can't read its answers.
 */
const SANDBOX =
  "sandbox allow-downloads allow-forms allow-modals allow-pointer-lock allow-popups allow-presentation allow-scripts";

/** Returns the headers with which the answer of a preview's server is returned. */
export function headersFrom(
  answer: Response,
  request: Request,
  { base, port }: PreviewAddress & { port: number },
): Headers {
  const { host, hostname } = new URL(request.url);
  const isReturned = (name: string) =>
    !NOT_RETURNED.test(name) && (base === "" || RETURNED_ON_OWN_HOST.test(name));
  const headers = new Headers([...answer.headers].filter(([name]) => isReturned(name)));
  const location = answer.headers.get("location");
  if (location !== null) headers.set("location", locationFor(location, { base, port, host }));
  if (!headers.has("x-robots-tag")) headers.set("x-robots-tag", "noindex");
  // An address is a secret, which links and images would tell to other sites.
  if (!headers.has("referrer-policy")) headers.set("referrer-policy", "same-origin");
  if (base === "") {
    const cookies = answer.headers.getSetCookie().filter((one) => isOwnCookie(one, hostname));
    for (const cookie of cookies) headers.append("set-cookie", cookie);
  } else {
    headers.append("content-security-policy", SANDBOX);
    // Its pages have no origin, so they could not load their own modules and data otherwise. Who has the address may.
    headers.set("access-control-allow-origin", "*");
    headers.set("access-control-expose-headers", "*");
  }
  return headers;
}

/** Returns whether a cookie is for this host alone, and not for a domain above it, which other previews share. */
function isOwnCookie(cookie: string, hostname: string): boolean {
  const domains = [...cookie.matchAll(/;\s*domain\s*=\s*\.?([^;]*)/gi)];
  return domains.every(([, domain = ""]) => domain.trim().toLowerCase() === hostname);
}

/** Returns where an answer redirects to: what names the server itself, at whatever address, stays below the preview's. */
function locationFor(
  location: string,
  { base, port, host }: { base: string; port: number; host: string },
): string {
  if (/^\/(?![/\\])/.test(location)) return base + location;
  const url = URL.parse(location);
  const defaultPort = { "http:": 80, "https:": 443 }[url?.protocol ?? ""];
  if (!url || defaultPort === undefined) return location;
  const isLoopback = /^(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])$/.test(url.hostname);
  const isServer = isLoopback && Number(url.port || defaultPort) === port;
  if (url.host !== host && !isServer) return location;
  return `${base}${url.pathname}${url.search}${url.hash}`;
}
