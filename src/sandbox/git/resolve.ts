// Asks a git server for the commit of a ref, over the smart HTTP protocol, before anything is cloned.

import { readUpTo } from "../../shared/body";
import { toBase64 } from "../../shared/bytes";
import { SandboxError } from "../sandbox";
import {
  candidatesOf,
  findRevision,
  isCommit,
  packetOf,
  type Refs,
  type Revision,
  readAdvertised,
  readListed,
} from "./refs";

/** A repository to ask about. Without `ref`, its `HEAD` is meant. */
export interface Remote {
  url: string;
  ref?: string | undefined;
  token?: string | undefined;
}

const TIMEOUT_MS = 20_000;
/** The most bytes of an answer. A server that knows version 2 is asked for a few refs only. */
const MAX_BYTES = 16 * 1024 ** 2;
const MAX_REDIRECTS = 3;

/** Returns the header with which git sends a token. */
export const authorizationOf = (token: string): string =>
  `Basic ${toBase64(new TextEncoder().encode(`x-access-token:${token}`))}`;

/**
 * Returns the commit that a repository's ref is at, and makes sure that the repository can be read. Rejects with a
 * `SandboxError`, whose `transient` says whether another attempt may help. No text of it contains the token.
 */
export async function resolveRevision(
  { url, ref, token }: Remote,
  fetcher: typeof fetch,
): Promise<Revision> {
  const { host } = new URL(url);
  const headers: Record<string, string> = {
    "git-protocol": "version=2",
    // Some servers answer only what says that it is git.
    "user-agent": "git/rigger",
    ...(token !== undefined && { authorization: authorizationOf(token) }),
  };
  const first = await request(fetcher, `${url}/info/refs?service=git-upload-pack`, { headers });
  const advertised = readable(host, () => readAdvertised(first.bytes));
  if (ref !== undefined && isCommit(ref)) return { commit: ref, ref: null };
  let refs: Refs;
  if (advertised.version === 0) refs = advertised.refs;
  else {
    const listed = await request(fetcher, `${first.base}/git-upload-pack`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/x-git-upload-pack-request" },
      body: listRequest(candidatesOf(ref), advertised.objectFormat),
    });
    refs = readable(host, () => readListed(listed.bytes));
  }
  const found = findRevision(refs, ref);
  if (found) return found;
  const isShort = ref !== undefined && /^[0-9a-f]{4,39}$/.test(ref);
  const advice = isShort ? "; a commit has to be given in full" : "";
  const what =
    ref === undefined ? "it has no commits" : `it has no branch or tag "${ref}"${advice}`;
  throw new SandboxError(`${url}: ${what}`, { transient: false });
}

/** Returns the request of `ls-refs` for refs with these names. */
function listRequest(names: readonly string[], objectFormat: string | null): string {
  return [
    packetOf("command=ls-refs"),
    ...(objectFormat === null ? [] : [packetOf(`object-format=${objectFormat}`)]),
    "0001",
    ...["peel", "symrefs", ...names.map((name) => `ref-prefix ${name}`)].map(packetOf),
    "0000",
  ].join("");
}

/** Sends a request. Follows redirects on the same host only: another one must not get the token. */
async function request(
  fetcher: typeof fetch,
  url: string,
  init: RequestInit,
): Promise<{ bytes: Uint8Array; base: string }> {
  let at = new URL(url);
  const { host } = at;
  for (let redirects = 0; ; redirects++) {
    let response: Response;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      response = await fetcher(at.href, { ...init, redirect: "manual", signal });
      const location = response.headers.get("location");
      if (response.status === 200) {
        const bytes = await bytesOf(response);
        return { bytes, base: at.href.replace(/\/info\/refs\?.*$/, "") };
      }
      await response.body?.cancel();
      if (response.status >= 301 && response.status <= 308 && location !== null) {
        const to = new URL(location, at);
        const isSame = to.protocol === at.protocol && to.host === host && init.method !== "POST";
        if (!isSame || redirects >= MAX_REDIRECTS)
          throw refused(`${host} redirects to ${to.host}${to.pathname}: give that address`);
        at = to;
        continue;
      }
    } catch (cause) {
      if (cause instanceof SandboxError) throw cause;
      throw new SandboxError(`${host} could not be reached`, { transient: true, cause });
    }
    throw refusalOf(url, response.status);
  }
}

function refusalOf(url: string, status: number): SandboxError {
  const { host } = new URL(url);
  const repository = url.replace(/\/(info\/refs\?.*|git-upload-pack)$/, "");
  if ([401, 403, 404].includes(status)) {
    return refused(
      `${host} answered ${status}: there is no repository ${repository}, or the token can't read it`,
    );
  }
  const transient = status >= 500 || status === 429 || status === 408;
  return new SandboxError(`${host} answered ${status}`, { transient });
}

const refused = (message: string): SandboxError => new SandboxError(message, { transient: false });

function readable<T>(host: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = `${host} has no git repository there that can be cloned over HTTPS`;
    throw new SandboxError(message, { transient: false, cause });
  }
}

async function bytesOf({ body }: Response): Promise<Uint8Array> {
  const { bytes, isCut } = await readUpTo(body, MAX_BYTES);
  if (isCut) throw refused("the repository has more refs than can be read");
  return bytes;
}
