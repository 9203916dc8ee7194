// The addresses of previews: a host name of its own, or a path of the deployment's host.

/** The first segment of the paths of previews. */
const FOLDER = "previews";

/** A request for a preview. */
export interface PreviewAddress {
  /** The token as it was sent: any text. */
  token: string;
  /** What precedes the path of the preview's server: empty if it has a host of its own. */
  base: string;
}

/** Returns the address of a new preview. Its scheme and port are those of the request that creates it. */
export function addressOf(token: string, requestUrl: string, domain: string | undefined): string {
  const url = new URL(domain === undefined ? `/${FOLDER}/${token}/` : "/", requestUrl);
  if (domain !== undefined) url.hostname = `${token}.${domain}`;
  return url.href;
}

/**
 * Returns the preview that a request is for; null if it is for none. With a domain, every host below it is for previews,
 * and nothing else is.
 */
export function previewIn({ hostname, pathname }: URL, domain?: string): PreviewAddress | null {
  if (domain !== undefined) {
    // A name may end with a dot.
    const host = hostname.replace(/\.$/, "");
    if (!host.endsWith(`.${domain}`)) return null;
    return { token: host.slice(0, -domain.length - 1), base: "" };
  }
  if (!pathname.startsWith(`/${FOLDER}/`)) return null;
  const [, , token = ""] = pathname.split("/", 3);
  return { token, base: `/${FOLDER}/${token}` };
}
