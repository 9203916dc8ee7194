import { readUpTo } from "../../shared/body";
import type { Lookup } from "../../shared/lookup";
import { isSameSite, readAddress } from "./web-address";

const MAX_REDIRECTS = 5;
const MAX_BYTES = 10 * 1024 ** 2;

const HEADERS = {
  "user-agent": "Rigger/0.1 (fetch on behalf of a user)",
  accept: "text/markdown, text/html;q=0.9, text/plain;q=0.9, application/json;q=0.9, */*;q=0.5",
};

/** A downloaded page, or why there is none. */
export type Download =
  | { ok: true; url: URL; status: string; type: string; bytes: Uint8Array; isCut: boolean }
  | { ok: false; why: string };

/** The dependencies of a download. */
export interface Web {
  fetch: typeof globalThis.fetch;
  /** Checks a host before each request; absent if none is checked. */
  lookup?: Lookup | undefined;
}

/**
 * Downloads a page and follows redirects within its site. A redirect to another site is reported instead, so
 * that the call that follows it is checked against the permission rules. The platform connects by name: a name
 * that changes its address after the check is not noticed.
 */
export async function download(
  address: string,
  { fetch, lookup }: Web,
  signal: AbortSignal,
): Promise<Download> {
  const start = readAddress(address);
  if (!start.ok) return { ok: false, why: `${address} can't be fetched: ${start.why}.` };

  let url = start.url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const problem = lookup && !isAddress(url) ? await lookup(url.hostname, signal) : null;
    signal.throwIfAborted();
    if (problem) return { ok: false, why: `${url.href} can't be fetched: ${problem}.` };
    const response = await fetch(url.href, { redirect: "manual", headers: HEADERS, signal });
    const location = response.headers.get("location");
    if (!location || response.status < 300 || response.status > 399) {
      return { ok: true, url, ...(await readBody(response, signal)) };
    }
    await response.body?.cancel();
    const next = readAddress(location, url);
    if (!next.ok) return { ok: false, why: `${url.href} redirects to ${location}: ${next.why}.` };
    if (!isSameSite(url, next.url)) {
      return {
        ok: false,
        why: `${url.href} redirects to another site. If you want that page, fetch ${next.url.href}`,
      };
    }
    url = next.url;
  }
  return { ok: false, why: `${address} redirects more than ${MAX_REDIRECTS} times.` };
}

/** Returns whether a URL's host is an IP address, which `readAddress` has checked. */
const isAddress = ({ hostname }: URL): boolean => /^([\d.]+|\[.*\])$/.test(hostname);

async function readBody({ status, statusText, headers, body }: Response, signal: AbortSignal) {
  const { bytes, isCut } = await readUpTo(body, MAX_BYTES, signal);
  const type = headers.get("content-type") ?? "";
  return { status: `${status} ${statusText}`.trim(), type, bytes, isCut };
}
