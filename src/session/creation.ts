import { takeWarmSandbox } from "../pool/client";
import { openSandbox } from "../sandbox/providers";
import { errorText, log } from "../shared/log";
import {
  type Caller,
  ok,
  type Refusal,
  type Result,
  refuse,
  refuseForNow,
  refuseReusedKey,
} from "../shared/result";
import type { AccountLink } from "./account-link";
import { ArtifactBucket } from "./artifact-bucket";
import type { SessionContext } from "./context";
import { sandboxOptions } from "./machines";
import { newMcpServers } from "./mcp/configs";
import type { InitialFile, SessionSpec } from "./rpc";
import type { Membership } from "./rules/leases";
import {
  givenEnv,
  hasSecrets,
  newEnv,
  newRequestHash,
  refusalOf,
  type SessionEnv,
} from "./session-env";
import type { SessionRestore } from "./snapshots/restore-session";
import { resumeSourceOf } from "./snapshots/source";
import { newState } from "./storage/store";
import { createSession } from "./transactions/session";

/** The parts of a session that its creation uses. */
export interface CreationDeps {
  sessionEnv: SessionEnv;
  restore: SessionRestore;
  account: AccountLink;
}

/**
 * Creates a session, empty or from a copy of another. If the session exists, a repeat with the same request changes
 * nothing, and another request is refused.
 */
export async function create(
  caller: Caller,
  given: SessionSpec,
  context: SessionContext,
  deps: CreationDeps,
): Promise<Result<null>> {
  const { store } = context;
  const { account } = deps;
  // Asked first: what is refused must have taken nothing.
  const member = store.exists() ? null : await account.claim(caller.owner, given);
  if (member && "failure" in member) return member;
  try {
    return await createClaimed(caller, given, member, context, deps);
  } finally {
    if (member && !store.exists()) await account.unclaim(caller.owner, given, member);
  }
}

/** Creates a session that the owner's account has admitted, if the owner has limits. */
async function createClaimed(
  caller: Caller,
  request: SessionSpec,
  member: Membership | null,
  context: SessionContext,
  deps: CreationDeps,
): Promise<Result<null>> {
  const { store, commit } = context;
  const { restore } = deps;
  if (!store.exists()) {
    // A repeat is answered although an artifact may have been deleted meanwhile.
    const refused = await refusalOfArtifacts(caller.owner, request, context.env);
    if (refused && !store.exists()) return refused;
  }
  const spec = store.exists() ? request : await withWarmSandbox(context.env, request);
  const { id, config } = spec;
  const isEmpty = resumeSourceOf(spec) === null;
  const given = givenEnv(config);
  // What a set-up writes may contain placeholders, and other sessions of the owner may start with it.
  const namesake = config.setup ? caller.owner : undefined;
  // Awaited before `store.exists()`: no `await` may come between this check and the transaction.
  const env = isEmpty ? await newEnv(id, given, undefined, namesake) : {};
  const mcpServers = await newMcpServers(id, config.mcpServers);
  const requestHash = await newRequestHash(id, spec.requestHash, hasSecrets(config));
  while (restore.busy) await restore.settle();
  if (store.exists()) return repeat(spec, context, deps);
  const { start } = openSandbox(context.env, newState(spec, 0).sandbox, sandboxOptions);
  const shared = { caller, spec, requestHash, member, mcpServers };
  const beginning = { ...shared, starts: start !== undefined };
  if (isEmpty) {
    const begin = (done = () => {}) =>
      commit((now) => {
        createSession(store, { ...beginning, env, source: null }, now);
        done();
      });
    const { files = [] } = config;
    // A sandbox that has to be started gets them when it is.
    if (!start && files.length > 0) return restore.makeWithFiles(spec, files, begin);
    begin();
    return ok(null);
  }
  return restore.make(caller, spec, ({ sessionId, manifest }, env, done) => {
    const source = { sessionId, createdAt: manifest.createdAt };
    commit((now) => {
      createSession(store, { ...beginning, env, source }, now);
      done();
    });
  });
}

/** Returns why a new session can't have a file: the owner has no such artifact. Null if it can have all. */
async function refusalOfArtifacts(
  owner: string,
  spec: SessionSpec,
  env: Env,
): Promise<Refusal | null> {
  const { files = [] } = spec.config;
  if (resumeSourceOf(spec) !== null || !files.some((file) => "artifactId" in file)) return null;
  const artifacts = new ArtifactBucket(env.SNAPSHOTS);
  try {
    const isMissing = async (file: InitialFile) =>
      "artifactId" in file && (await artifacts.hashOf(owner, file.artifactId)) === null;
    const n = (await Promise.all(files.map(isMissing))).indexOf(true);
    const path = `config.files.${n}.artifactId`;
    return n < 0 ? null : refuse("invalid_request", "is no artifact that you have", { path });
  } catch (error) {
    log("session.files_failed", { session: spec.id, error: errorText(error) });
    return refuseForNow("The artifacts can't be read at the moment. Try again.");
  }
}

/** Returns the spec, with a sandbox of the warm pool if one is available. */
async function withWarmSandbox(env: Env, spec: SessionSpec): Promise<SessionSpec> {
  const sandboxId = await takeWarmSandbox(env, spec.id, spec.provider);
  return sandboxId === null ? spec : { ...spec, sandboxId };
}

async function repeat(
  spec: SessionSpec,
  { store }: SessionContext,
  { sessionEnv }: CreationDeps,
): Promise<Result<null>> {
  if (store.state.removed) return refuseForNow("The session is being deleted.");
  const compared = await sessionEnv.requestHash().then((hash) => ok(hash), refusalOf);
  if (!compared.ok) return compared;
  if (!store.exists()) return refuseForNow("The session was deleted.");
  if (compared.value === spec.requestHash) return ok(null);
  return refuseReusedKey({ sessionId: spec.id });
}
