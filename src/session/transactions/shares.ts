import type { Actor } from "../../account/audit";
import { ok, type Result, refuse } from "../../shared/result";
import type { ShareRequest, ShareRow } from "../rpc";
import type { StoredShare } from "../storage/shares";
import type { SessionStore } from "../storage/store";
import { audit } from "./audit";

/** The most share links of a session that can be used. */
const MAX_SHARES = 100;

/** Returns the share links that can be used, without their hashes. */
export const shareRows = (store: SessionStore, now: number): ShareRow[] =>
  store.shares.every().filter(isOpen(now)).map(rowOf);

/** Returns the share link with the hash of a token; null if there is none that can be used. */
export function openShare(store: SessionStore, hash: string, now: number): ShareRow | null {
  const share = store.shares.byHash(hash);
  return share && isOpen(now)(share) ? rowOf(share) : null;
}

/** Returns whether a share link can be used. */
export function isShareOpen(store: SessionStore, id: string, now: number): boolean {
  const share = store.shares.get(id);
  return share !== undefined && isOpen(now)(share);
}

/** Makes a share link, and forgets those that have expired. A repeat returns it, and another one with its id is refused. */
export function addShare(
  store: SessionStore,
  request: ShareRequest,
  by: Actor | undefined,
  now: number,
): Result<ShareRow> {
  const known = store.shares.get(request.id);
  if (known?.hash === request.hash) return ok(rowOf(known));
  if (known) {
    const message = "This Idempotency-Key has made a share link, whose token is not shown again.";
    return refuse("idempotency_mismatch", message, { shareId: known.id });
  }
  for (const share of store.shares.every()) {
    if (!isOpen(now)(share)) store.shares.remove(share.id);
  }
  if (store.shares.every().length >= MAX_SHARES) {
    const message = `The session has ${MAX_SHARES} share links already: revoke one first.`;
    return refuse("too_many_shares", message);
  }
  const { expiresInMs, ...rest } = request;
  const share: StoredShare = { ...rest, createdAt: now, expiresAt: now + expiresInMs };
  store.shares.add(share);
  const { access, expiresAt } = share;
  if (by)
    audit(store, "share.created", share.id, { ...aboutSession(store), access, expiresAt }, by, now);
  return ok(rowOf(share));
}

/** Revokes a share link. Does nothing if there is none with this id. */
export function removeShare(
  store: SessionStore,
  shareId: string,
  by: Actor | undefined,
  now: number,
): void {
  if (!store.shares.get(shareId)) return;
  store.shares.remove(shareId);
  if (by) audit(store, "share.revoked", shareId, aboutSession(store), by, now);
}

const aboutSession = ({ identity }: SessionStore) => ({ sessionId: identity.id });

const isOpen =
  (now: number) =>
  ({ expiresAt }: ShareRow): boolean =>
    now < expiresAt;

const rowOf = ({ hash: _, ...row }: StoredShare): ShareRow => row;
