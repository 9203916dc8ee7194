// Gives a container access to the objects of a saved workspace while it is saved or restored. Its requests to
// `ARCHIVE_HOST` are answered from the bucket, so that the bytes do not pass through the session's object.

import { isObjectName } from "../container/archive-format";
import { randomHex } from "../shared/bytes";
import type { Bucket } from "./archive";

/** What a token gives access to: the objects below a prefix, for reading, or for writing too. */
export interface Grant {
  prefix: string;
  mayWrite: boolean;
}

/** The grants of this isolate, by token. They end with the object that has opened them. */
const grants = new Map<string, Grant>();

/** Gives access to objects. Call `close` when the transfer has ended. */
export function openTransfer(grant: Grant): { token: string; close: () => void } {
  const token = randomHex();
  grants.set(token, grant);
  return { token, close: () => grants.delete(token) };
}

/** Returns what a token gives access to; null if it is not valid. */
export const grantOf = (token: string): Grant | null => grants.get(token) ?? null;

/** The maximum size of an object in bytes: a pack that can't be compressed, or a large index. */
const MAX_OBJECT_BYTES = 64 * 1024 ** 2;

/**
 * Answers a request of a container for an object: `GET` or `PUT` of `/<token>/<name>`. What is stored must have its
 * name as its SHA-256, so that nobody can change an object that others need; and whoever knows a name has seen the
 * index that contains it.
 */
export async function serveTransfer(
  request: Request,
  bucket: Bucket,
  findGrant: (token: string) => Promise<Grant | null> | Grant | null,
): Promise<Response> {
  const [, token = "", name = ""] = new URL(request.url).pathname.split("/");
  const grant = await findGrant(token);
  if (!grant) return said(403, "the transfer has ended");
  if (request.method === "PUT" && grant.mayWrite) {
    if (!isObjectName(name)) return said(400, "an object is named by its SHA-256");
    const length = Number(request.headers.get("content-length") ?? Number.NaN);
    if (!request.body || !(length > 0)) return said(411, "an object needs a length");
    if (length > MAX_OBJECT_BYTES) return said(413, "the object is too large");
    const body = request.body.pipeThrough(new FixedLengthStream(length));
    await bucket.put(grant.prefix + name, body, { sha256: name });
    return new Response(null, { status: 204 });
  }
  if (request.method !== "GET") return said(405, "objects are read, or stored by a save");
  const object = /^[0-9a-z.]+$/.test(name) ? await bucket.get(grant.prefix + name) : null;
  return object ? new Response(object.body) : said(404, "there is no such object");
}

const said = (status: number, text: string): Response => new Response(text, { status });
