// The bytes of artifacts in R2, one object each, under a prefix of their session. The records are in the session's object:
// see storage/artifacts.ts. Bytes are stored before their record, so no record lacks them.

import { list, removeKeys } from "../sandbox/archive";
import { sha256, toHex } from "../shared/bytes";
import type { ArtifactRow } from "./rpc";

const ARTIFACTS = "artifacts/";

/**
 * Returns the id of an artifact: the digits of its session's id, then those of a hash of its content, its path and what
 * published it, a call or a message. So a repeat stores the same bytes at the same key.
 */
export async function newArtifactId(
  sessionId: string,
  {
    messageId,
    toolUseId,
    path,
    sha256: hash,
  }: Pick<ArtifactRow, "messageId" | "toolUseId" | "path" | "sha256">,
): Promise<string> {
  const digest = await sha256(JSON.stringify([messageId, toolUseId, path, hash]));
  return `art_${sessionId.replace(/^sess_/, "")}${toHex(digest).slice(0, 32)}`;
}

const prefixOf = (sessionId: string): string => `${ARTIFACTS}${sessionId}/`;

/** Returns the key of an artifact, which its id contains. */
const keyOf = (id: string): string => `${prefixOf(`sess_${id.slice(4, 36)}`)}${id}`;

/** The deployment's artifacts. */
export class ArtifactBucket {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  /**
   * Stores the bytes of an artifact. Rejects if they don't have its hash. With the object is its owner, so that another
   * session of the owner can be given the bytes without asking this one.
   */
  async put(
    owner: string,
    artifact: Pick<ArtifactRow, "id" | "contentType" | "sizeBytes" | "sha256">,
    content: Uint8Array | ReadableStream<Uint8Array>,
  ): Promise<void> {
    const { id, contentType, sizeBytes, sha256 } = artifact;
    // The length has to be known beforehand.
    const bytes =
      content instanceof Uint8Array
        ? content
        : content.pipeThrough(new FixedLengthStream(sizeBytes));
    await this.#bucket.put(keyOf(id), bytes, {
      sha256,
      httpMetadata: { contentType },
      // Metadata has to be ASCII.
      customMetadata: { owner: encodeURIComponent(owner) },
    });
  }

  /** Returns the SHA-256 of an artifact, as hex; null if the owner has none with this id. */
  async hashOf(owner: string, id: string): Promise<string | null> {
    const found = await this.#bucket.head(keyOf(id));
    const hash = found?.checksums.sha256;
    const isOwners = found?.customMetadata?.owner === encodeURIComponent(owner);
    return hash && isOwners ? toHex(new Uint8Array(hash)) : null;
  }

  /** Returns the bytes of an artifact, or a range of them; null if there are none. */
  get(id: string, range?: R2Range): Promise<R2ObjectBody | null> {
    return this.#bucket.get(keyOf(id), range && { range });
  }

  /** Removes the bytes of an artifact that was not recorded. Idempotent. */
  remove(id: string): Promise<void> {
    return this.#bucket.delete(keyOf(id));
  }

  /** Removes the bytes of all artifacts of a session. Idempotent. */
  async removeAll(sessionId: string): Promise<void> {
    const keys = await list(this.#bucket, prefixOf(sessionId));
    await removeKeys(
      this.#bucket,
      keys.map(({ key }) => key),
    );
  }
}
