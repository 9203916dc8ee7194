import { newestBySessionId, newestOfConversation } from "../../db/sessions";
import { isSessionId } from "../../shared/session-id";
import { type Caller, ok, type Result, refuse, type SessionRpc, type SessionSpec } from "../rpc";
import {
  isLiveSnapshotId,
  type Manifest,
  newCopyKey,
  SnapshotBucket,
  snapshotKey,
} from "../storage/snapshot-bucket";

/** What a session is to start from. */
export type ResumeSource =
  | { from: "session"; name: string; fork: boolean }
  | { from: "conversation"; fork: boolean }
  | { from: "snapshot"; id: string };

/** A copy to start from. One on its way between two sessions is removed when it has been read. */
export interface Copy {
  key: string;
  manifest: Manifest;
  temporary: boolean;
  /** The `sessionId` of whoever starts from it; null for one of its own. */
  sessionId: string | null;
}

/** Returns what a config asks to start from; the first that is present decides. Null for nothing. */
export function resumeSourceOf({ config }: Pick<SessionSpec, "config">): ResumeSource | null {
  const { resumeSessionId, continueSession, snapshotId, forkSession: fork = false } = config;
  if (resumeSessionId !== undefined) return { from: "session", name: resumeSessionId, fork };
  if (continueSession) return { from: "conversation", fork };
  return snapshotId === undefined ? null : { from: "snapshot", id: snapshotId };
}

/** Has the origin copied as it is now, or finds its snapshot; refuses what can't be started from. */
export function copySource(
  env: Env,
  caller: Caller,
  spec: SessionSpec,
  origin: ResumeSource,
): Promise<Result<Copy>> {
  return origin.from === "snapshot"
    ? findSnapshot(env, caller, origin.id)
    : copySession(env, caller, spec, origin);
}

async function findSnapshot(env: Env, caller: Caller, id: string): Promise<Result<Copy>> {
  const key = snapshotKey(id);
  const live = isLiveSnapshotId(id, Date.now());
  const manifest = live ? await new SnapshotBucket(env.SNAPSHOTS).manifest(key) : null;
  if (!manifest || !(manifest.owner === caller.owner || caller.admin)) {
    return refuse("not_found", `There is no snapshot "${id}".`);
  }
  return ok({ key, manifest, temporary: false, sessionId: null });
}

async function copySession(
  env: Env,
  caller: Caller,
  spec: SessionSpec,
  origin: Exclude<ResumeSource, { from: "snapshot" }>,
): Promise<Result<Copy>> {
  const path = origin.from === "session" ? "config.resumeSessionId" : "config.continueSession";
  const { conversationId } = spec;
  if (origin.from === "conversation" && conversationId === null) {
    return refuse("invalid_request", "needs a conversationId", { path });
  }
  const unknown = refuse(
    "not_found",
    origin.from === "session"
      ? `There is no session "${origin.name}" to resume.`
      : `There is no session of conversation ${conversationId} to continue.`,
  );
  const id =
    origin.from === "session"
      ? await idOf(env, caller, origin.name)
      : await newestId(env, caller, conversationId ?? 0);
  if (id === null) return unknown;

  const key = newCopyKey(Date.now());
  const session = env.SESSIONS.getByName(id) as unknown as Pick<SessionRpc, "copyTo">;
  const copied = await session.copyTo(caller, key);
  if (!copied.ok) {
    const { code, message, details } = copied.failure;
    if (code === "not_found") return unknown;
    return refuse(code, message, {
      ...details,
      ...(code === "invalid_request" ? { path } : { originId: id }),
    });
  }
  const manifest = await new SnapshotBucket(env.SNAPSHOTS).manifest(key);
  if (!manifest) throw new Error("the copy is missing");
  const sessionId = origin.fork ? null : manifest.sessionId;
  return ok({ key, manifest, temporary: true, sessionId });
}

/** Returns the id of the session that a client names by its id or by that of its history. */
async function idOf(env: Env, caller: Caller, name: string): Promise<string | null> {
  if (isSessionId(name)) return name;
  if (!name.startsWith("sdk_sess_")) return null;
  const owner = caller.admin ? null : caller.owner;
  return (await newestBySessionId(env.DB, owner, name))?.id ?? null;
}

// A conversation's number is its owner's own choice: an admin's are not those of others.
const newestId = async (env: Env, { owner }: Caller, conversationId: number) =>
  (await newestOfConversation(env.DB, owner, conversationId))?.id ?? null;
