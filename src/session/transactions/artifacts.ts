import { parseRules, type Rules } from "../../agent/permissions/rules";
import { publish } from "../../agent/tools/publish";
import { artifactBounds } from "../deployment";
import type { ArtifactPage, ArtifactPageRequest, ArtifactRow, SessionConfig } from "../rpc";
import type { StoredArtifact } from "../storage/artifacts";
import type { SessionStore } from "../storage/store";
import { scopeOf } from "./state";

// What agents publish. Call the functions that change something within a transaction.

/** Returns whether the tool Publish is offered to an agent with these rules: only if the config asks for it in some way. */
export const offersPublish = (
  config: Pick<SessionConfig, "artifacts">,
  { allowedTools, askTools }: Rules,
): boolean =>
  config.artifacts !== undefined ||
  [allowedTools, askTools].some((rules) =>
    parseRules(rules).some(({ tool }) => tool === publish.name),
  );

/** Returns whether something may be published in a session with a config. */
export const mayPublish = (
  config: Pick<SessionConfig, "artifacts" | "allowedTools" | "askTools" | "customAgents">,
): boolean =>
  [config, ...Object.values(config.customAgents ?? {})].some((rules) =>
    offersPublish(config, rules),
  );

/** A file to publish, by its absolute path. `toolUseId` is the call of Publish; null for a file that a pattern names. */
export interface PublishRequest
  extends Pick<StoredArtifact, "messageId" | "toolUseId" | "agent" | "path" | "description"> {}

/** The id of the artifact that a file is, whether it was published just now or before; or why it can't be published. */
export type Published =
  | { ok: true; id: string; sizeBytes: number }
  | { ok: false; message: string };

/**
 * Records an artifact whose bytes are stored. If it is recorded already, or the newest one of its path has the same content,
 * returns that one and changes nothing. Returns a message if the session can't have more.
 */
export function recordArtifact(
  store: SessionStore,
  artifact: Omit<StoredArtifact, "position">,
  now: number,
): Published {
  const { id, toolUseId, path, contentType, sizeBytes, sha256 } = artifact;
  const known = store.artifacts.get(id) ?? store.artifacts.newestOf(path);
  if (known?.sha256 === sha256) return { ok: true, id: known.id, sizeBytes };
  const message = excessOf(store, sizeBytes);
  if (message !== undefined) return { ok: false, message };
  store.artifacts.add(artifact);
  const event = { artifactId: id, toolUseId, path, contentType, sizeBytes, sha256 };
  store.log.append({ type: "artifact.published", ...event }, scopeOf(artifact), now);
  return { ok: true, id, sizeBytes };
}

/** Returns why the session can't have another artifact of a size; undefined if it can. */
export function excessOf({ artifacts }: SessionStore, sizeBytes: number): string | undefined {
  const { maxBytes, maxCount, maxTotalBytes } = artifactBounds;
  if (sizeBytes > maxBytes) return `it has ${bytes(sizeBytes)}, of ${bytes(maxBytes)} at most`;
  const total = artifacts.total();
  if (total.count >= maxCount) return `the session has ${maxCount} artifacts, which is the limit`;
  if (total.sizeBytes + sizeBytes <= maxTotalBytes) return undefined;
  const left = bytes(maxTotalBytes - total.sizeBytes);
  return `it has ${bytes(sizeBytes)}, and the artifacts of the session may have ${left} more`;
}

const bytes = (count: number): string => `${Math.max(0, count).toLocaleString("en-US")} bytes`;

/** A file or pattern that could not be published when a message ended. */
export interface FailedArtifact {
  path: string;
  reason: string;
}

/** Records what could not be published when a message ends. */
export function recordFailures(
  store: SessionStore,
  messageId: string,
  failures: readonly FailedArtifact[],
  now: number,
): void {
  for (const failed of failures) {
    store.log.append({ type: "artifact.failed", ...failed }, { messageId }, now);
  }
}

/** Returns a page of the session's artifacts. */
export function artifactPage(store: SessionStore, request: ArtifactPageRequest): ArtifactPage {
  const { limit } = request;
  const rows = store.artifacts.rowsBefore({ ...request, limit: limit + 1 });
  const artifacts = rows.slice(0, limit).map((row) => artifactRow(store, row));
  const next = rows.length > artifacts.length ? (artifacts.at(-1)?.position ?? null) : null;
  return { artifacts, next };
}

/** Returns an artifact as the session returns it. */
export const artifactRow = (
  { identity }: SessionStore,
  { stamp: _, ...row }: StoredArtifact,
): ArtifactRow => ({ ...row, sessionId: identity.id });
