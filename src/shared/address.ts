import type { Lookup } from "./lookup";
import { isPublicHost } from "./public-host";

/** Returns why requests can't be sent to a URL that a client gave; null if they can, as far as the URL shows. */
export function addressProblem(text: string, allowPrivate: boolean): string | null {
  const url = URL.parse(text);
  if (!url) return "is not a URL";
  if (url.username !== "" || url.password !== "") return "must not contain credentials";
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) {
    return "must begin with https://";
  }
  if (!allowPrivate && !isPublicHost(url.hostname)) {
    return `${url.hostname} is not on the public internet`;
  }
  return null;
}

/**
 * Returns why a URL can't be reached now, as a sentence; null if it can. A name may lead elsewhere than when the URL was
 * given. Never rejects.
 */
export async function reachProblem(
  url: string,
  { lookup, allowPrivate }: { lookup?: Lookup | undefined; allowPrivate: boolean },
  signal: AbortSignal,
): Promise<string | null> {
  const problem = addressProblem(url, allowPrivate);
  if (problem !== null) return `The URL ${problem}.`;
  const { hostname } = new URL(url);
  const isName = !/^[\d.]+$|^\[/.test(hostname);
  if (allowPrivate || !lookup || !isName) return null;
  const where = await lookup(hostname, signal);
  return where && `The URL can't be used: ${where}.`;
}
