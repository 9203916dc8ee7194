import { hostProblem } from "../egress";

/** Returns the address of a repository in one form, in which no part is given twice. */
export const canonicalUrl = (url: string): string =>
  URL.canParse(url) ? new URL(url).href.replace(/\/+$/, "") : url;

/** Returns why an address is not that of a repository that can be cloned; null if it is. */
export function repositoryUrlProblem(text: string): string | null {
  const url = URL.parse(text);
  if (url?.protocol !== "https:") return "must be an https URL";
  if (url.username || url.password) return "must have no user and no password: give a token";
  if (url.port || url.search || url.hash) return "must have no port, no query and no fragment";
  if (hostProblem(url.hostname) !== null) return "must be on a host of the public internet";
  return /^(\/[\w.~@%+-]+)+$/.test(url.pathname.replace(/\/+$/, ""))
    ? null
    : "must name a repository";
}

/** Returns the name of the directory that git clones a repository into; null if its address has none that is usable. */
export function directoryOf(url: string): string | null {
  const name =
    url
      .replace(/\/+$/, "")
      .replace(/\.git$/, "")
      .split("/")
      .at(-1) ?? "";
  return /^[\w-][\w.-]*$/.test(name) ? name : null;
}
