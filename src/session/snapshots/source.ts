import { type Caller, ok, type Result, refuse } from "../../shared/result";
import { isSessionId } from "../../shared/session-id";
import { indexOf } from "../deployment";
import type { SessionRpc, SessionSpec } from "../rpc";
import {
  isLiveSnapshotId,
  type Manifest,
  newCopyKey,
  SnapshotBucket,
  snapshotKey,
} from "../storage/snapshot-bucket";

/** The source that a session starts from. */
export type ResumeSource =
  | { from: "session"; name: string; fork: boolean }
  | { from: "conversation"; fork: boolean }
  | { from: "snapshot"; id: string };

/** A copy to start from. A temporary one was made for this session and is removed after it was read. */
export interface Copy {
  key: string;
  manifest: Manifest;
  temporary: boolean;
  /** The `sessionId` of the session that starts from the copy; null if that gets a new one. */
  sessionId: string | null;
}

/**
 * Returns the source that a config names; null for none. `resumeSessionId` takes precedence over `continueSession`, and
 * that over `snapshotId`.
 */
export function resumeSourceOf({ config }: Pick<SessionSpec, "config">): ResumeSource | null {
  const { resumeSessionId, continueSession, snapshotId, forkSession: fork = false } = config;
  if (resumeSessionId !== undefined) return { from: "session", name: resumeSessionId, fork };
  if (continueSession) return { from: "conversation", fork };
  return snapshotId === undefined ? null : { from: "snapshot", id: snapshotId };
}

/** Copies the source session in its current state, or finds the snapshot. Returns a refusal if that is not possible. */
export function copySource(
  env: Env,
  caller: Caller,
  spec: SessionSpec,
  source: ResumeSource,
): Promise<Result<Copy>> {
  return source.from === "snapshot"
    ? findSnapshot(env, caller, source.id)
    : copySession(env, caller, spec, source);
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
  source: Exclude<ResumeSource, { from: "snapshot" }>,
): Promise<Result<Copy>> {
  const path = source.from === "session" ? "config.resumeSessionId" : "config.continueSession";
  const { conversationId } = spec;
  if (source.from === "conversation" && conversationId === null) {
    return refuse("invalid_request", "needs a conversationId", { path });
  }
  const unknown = refuse(
    "not_found",
    source.from === "session"
      ? `There is no session "${source.name}" to resume.`
      : `There is no session of conversation ${conversationId} to continue.`,
  );
  const id =
    source.from === "session"
      ? await idOf(env, caller, source.name)
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
  const sessionId = source.fork ? null : manifest.sessionId;
  return ok({ key, manifest, temporary: true, sessionId });
}

/** Returns the id of the session that a client names by its id or by its `sessionId`; null for any other name. */
async function idOf(env: Env, caller: Caller, name: string): Promise<string | null> {
  if (isSessionId(name)) return name;
  if (!name.startsWith("sdk_sess_")) return null;
  const owner = caller.admin ? null : caller.owner;
  return (await indexOf(env).newestBySessionId(owner, name))?.id ?? null;
}

// Conversation ids are chosen by each owner, so an admin's call looks only at the admin's own conversations.
const newestId = async (env: Env, { owner }: Caller, conversationId: number) =>
  (await indexOf(env).newestOfConversation(owner, conversationId))?.id ?? null;
