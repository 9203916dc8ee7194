import { isPublicHost } from "../shared/public-host";

/** Returns why events can't be sent to a URL; null if they can, as far as the URL shows. */
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
