// Decides which URLs the agent may fetch: the public web, on its usual ports. It looks at the URL only;
// `lookup.ts` checks where a public name leads.

import { isPublicHost } from "../../shared/public-host";

/** A URL that may be fetched, or why it may not. */
export type Address = { ok: true; url: URL } | { ok: false; why: string };

/** Parses a URL, relative to `base` for a redirect, and makes it https. */
export function readAddress(text: string, base?: URL): Address {
  const url = URL.parse(text, base);
  if (!url) return refused("it is not a URL");
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return refused("only http and https are fetched");
  }
  if (url.username !== "" || url.password !== "") return refused("it holds credentials");
  if (!["", "80", "443"].includes(url.port))
    return refused("only the ports 80 and 443 are fetched");
  if (!isPublicHost(url.hostname)) return refused(`${url.hostname} is not on the public web`);
  url.protocol = "https:";
  return { ok: true, url };
}

/** Returns whether two URLs have the same host, with or without "www.". */
export function isSameSite(one: URL, other: URL): boolean {
  return bare(one) === bare(other);
}

function bare(url: URL): string {
  return `${url.hostname.replace(/^www\./, "")}:${url.port}`;
}

function refused(why: string): Address {
  return { ok: false, why };
}
