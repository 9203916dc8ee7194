// Workspaces that set-ups have made, for other sessions with the same set-up. Each is a saved workspace under a key of its
// owner, which names the objects that the session has saved; nothing is stored twice.
//
//   setups/<owner>/<hash>/archive.json    see src/sandbox/archive.ts
//   expiring/<day>/setups/<owner>/<hash>  what was made on a day

import { type Bucket, copyArchive, noteRemoval, removeKeys } from "../../sandbox/archive";

const DAY_MS = 86_400_000;
/** How long it can be used, in ms. After that, what a set-up fetches may have newer versions. */
export const SETUP_MS = 7 * DAY_MS;

/** Maximum number of set-ups that one call of `removeExpiredSetups` looks at. */
const AT_ONCE = 200;

const EXPIRING = "expiring/";

/** Returns the key of what a set-up has made, by hashes of its owner and of all that it depends on. */
export const setupKey = (owner: string, setup: string): string => `setups/${owner}/${setup}`;

const expiryKey = (key: string, at: number): string =>
  `${EXPIRING}${String(Math.floor(at / DAY_MS)).padStart(8, "0")}/${key}`;

/**
 * Copies what a set-up has made to a key of a session, if there is something that can be used. Returns when it was made, in
 * ms since 1970, or null.
 */
export async function takeSetup(
  bucket: R2Bucket,
  key: string,
  to: string,
  now: number,
): Promise<number | null> {
  const record = await bucket.head(`${key}/archive.json`);
  const madeAt = record?.uploaded.getTime();
  if (madeAt === undefined || madeAt <= now - SETUP_MS) return null;
  await copyArchive(bucket, key, to);
  return madeAt;
}

/** Keeps a session's saved workspace as what a set-up has made. It replaces an earlier one in one step. */
export async function keepSetup(
  bucket: Bucket,
  from: string,
  key: string,
  now: number,
): Promise<void> {
  await bucket.put(expiryKey(key, now), "");
  await copyArchive(bucket, from, key);
}

/** Removes what set-ups have made and nobody can use any more, oldest first. One call removes a limited number. */
export async function removeExpiredSetups(bucket: R2Bucket, now: number): Promise<void> {
  const { objects } = await bucket.list({ prefix: EXPIRING, limit: AT_ONCE });
  const before = expiryKey("", now - SETUP_MS);
  const marks = objects.filter(({ key }) => key < before).map(({ key }) => key);
  const expired: string[] = [];
  for (const mark of marks) {
    const key = mark.split("/").slice(2).join("/");
    const record = await bucket.head(`${key}/archive.json`);
    // It may have been made again.
    if (record && record.uploaded.getTime() <= now - SETUP_MS) expired.push(key);
  }
  const holders = await noteRemoval(bucket, expired, now);
  const records = expired.map((key) => `${key}/archive.json`);
  await removeKeys(bucket, [...holders, ...records, ...marks]);
}
