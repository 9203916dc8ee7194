// Gives a container access to the objects of a saved workspace while it is saved or restored. Its requests to
// `ARCHIVE_HOST` are answered from the bucket, so that the bytes do not pass through the session's object.

import { isObjectName } from "../container/archive-format";
import { randomHex } from "../shared/bytes";
import { type Bucket, MAX_OBJECT_BYTES } from "./archive";

/** What a token gives access to: the objects below a prefix, and how many bytes may still be stored there. */
export interface Grant {
  prefix: string;
  bytesLeft: number;
}

/** The grants of this isolate, by token. They end with the object that has opened them. */
const grants = new Map<string, Grant>();

/** Gives access to objects. Call `close` when the transfer has ended. */
export function openTransfer(grant: Grant): { token: string; close: () => void } {
  const token = randomHex();
  grants.set(token, grant);
  return { token, close: () => grants.delete(token) };
}

/** Returns what a token gives access to, after counting bytes that are stored; null if it is not valid, or used up. */
export function grantOf(token: string, bytes: number): Grant | null {
  const grant = grants.get(token);
  if (!grant || grant.bytesLeft < bytes) return null;
  grant.bytesLeft -= bytes;
  return { ...grant };
}

/**
 * Answers a request of a container for an object: `GET` or `PUT` of `/<token>/<name>`. What is stored must have its
 * name as its SHA-256, so that nobody can change an object that others need; and whoever knows a name has seen the
 * index that contains it.
 */
export async function serveTransfer(
  request: Request,
  bucket: Bucket,
  findGrant: (token: string, bytes: number) => Promise<Grant | null> | Grant | null,
): Promise<Response> {
  const [, token = "", name = ""] = new URL(request.url).pathname.split("/");
  if (request.method === "PUT") {
    if (!isObjectName(name)) return said(400, "an object is named by its SHA-256");
    const length = Number(request.headers.get("content-length") ?? Number.NaN);
    if (!request.body || !(length > 0)) return said(411, "an object needs a length");
    if (length > MAX_OBJECT_BYTES) return said(413, "the object is too large");
    const grant = await findGrant(token, length);
    if (!grant) return said(403, "the transfer has ended, or may store no more");
    const body = request.body.pipeThrough(new FixedLengthStream(length));
    await bucket.put(grant.prefix + name, body, { sha256: name });
    return new Response(null, { status: 204 });
  }
  if (request.method !== "GET") return said(405, "objects are read or stored");
  const grant = await findGrant(token, 0);
  if (!grant) return said(403, "the transfer has ended");
  const object = /^[0-9a-z.]+$/.test(name) ? await bucket.get(grant.prefix + name) : null;
  return object ? new Response(object.body) : said(404, "there is no such object");
}

const said = (status: number, text: string): Response => new Response(text, { status });
