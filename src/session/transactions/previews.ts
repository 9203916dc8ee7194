import { portProblem } from "../../sandbox/providers";
import { ok, type Result, refuse } from "../../shared/result";
import type { PreviewRequest, PreviewRow } from "../rpc";
import { isEnded } from "../rules/lifecycle";
import type { StoredPreview } from "../storage/previews";
import type { SessionStore } from "../storage/store";
import { refuseEnded } from "./messages";

/** The most previews of a session that can be used. */
const MAX_PREVIEWS = 20;

/** Returns the previews that can be used, without their hashes. */
export function previewRows(store: SessionStore, now: number): PreviewRow[] {
  if (isEnded(store.state.lifecycle)) return [];
  return store.previews.every().filter(isOpen(now)).map(rowOf);
}

/** Returns the preview with the hash of a token; null if there is none that can be used. */
export function openPreview(store: SessionStore, hash: string, now: number): PreviewRow | null {
  if (isEnded(store.state.lifecycle)) return null;
  const preview = store.previews.byHash(hash);
  return preview && isOpen(now)(preview) ? rowOf(preview) : null;
}

/** Makes a preview, and forgets those that have expired. A repeat returns it, and another one with its id is refused. */
export function addPreview(
  store: SessionStore,
  request: PreviewRequest,
  now: number,
): Result<PreviewRow> {
  const known = store.previews.get(request.id);
  if (known?.hash === request.hash) return ok(rowOf(known));
  if (known) {
    const message = "This Idempotency-Key has made a preview, whose address is not shown again.";
    return refuse("idempotency_mismatch", message, { previewId: known.id });
  }
  if (isEnded(store.state.lifecycle)) return refuseEnded(store);
  const problem = portProblem(store.state.sandbox.provider, request.port);
  if (problem !== null) return refuse("invalid_request", problem, { path: "port" });
  for (const preview of store.previews.every()) {
    if (!isOpen(now)(preview)) store.previews.remove(preview.id);
  }
  if (store.previews.every().length >= MAX_PREVIEWS) {
    const message = `The session has ${MAX_PREVIEWS} previews already: delete one first.`;
    return refuse("too_many_previews", message);
  }
  const { expiresInMs, ...rest } = request;
  const preview: StoredPreview = { ...rest, createdAt: now, expiresAt: now + expiresInMs };
  store.previews.add(preview);
  note(store, "preview.created", preview, now);
  return ok(rowOf(preview));
}

/** Removes a preview. Does nothing if there is none with this id. */
export function removePreview(store: SessionStore, previewId: string, now: number): void {
  const preview = store.previews.get(previewId);
  if (!preview) return;
  store.previews.remove(previewId);
  // Nothing follows the last event of a session.
  if (!isEnded(store.state.lifecycle)) note(store, "preview.removed", preview, now);
}

function note(
  store: SessionStore,
  type: "preview.created" | "preview.removed",
  { id, port, expiresAt }: PreviewRow,
  now: number,
): void {
  const event = { type, previewId: id, port, expiresAt: new Date(expiresAt).toISOString() };
  store.log.append(event, {}, now);
}

const isOpen =
  (now: number) =>
  ({ expiresAt }: PreviewRow): boolean =>
    now < expiresAt;

const rowOf = ({ hash: _, ...row }: StoredPreview): PreviewRow => row;
