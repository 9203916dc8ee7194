import { sha256, toBase64 } from "../../shared/bytes";
import type { Message } from "../messages";
import { blocksOf } from "../pricing/prompt-bounds";
import { noteOf, withoutMedia } from "../withdraw";

/** A message of a model call, as Claude Code sends it. */
export interface SentMessage {
  role: string;
  content?: unknown;
}

/**
 * Returns what to replace in messages that the API refused, the least first: the images and documents after the newest
 * reply, then all of them. An earlier one was accepted once, unless this object has not seen it refused: after a loss,
 * and in a session that was started from another.
 */
export function withdrawnMedia(messages: readonly SentMessage[], reason: string): SentMessage[][] {
  const newest = messages.findLastIndex(({ role }) => role === "assistant") + 1;
  const note = noteOf(reason);
  const without = (from: number): SentMessage[] =>
    messages.map((message, index) => (index < from ? message : withNotes(message, note)));
  const hasMedia = (sent: readonly SentMessage[]) => sent.flatMap(mediaIn).length > 0;
  return [
    ...(hasMedia(messages.slice(newest)) ? [without(newest)] : []),
    ...(hasMedia(messages.slice(0, newest)) ? [without(0)] : []),
  ];
}

/** Returns a message with notes in place of its images and documents; the same message if it has none. */
function withNotes(message: SentMessage, note: (what: string) => string): SentMessage {
  const content = isContent(message) ? withoutMedia(message.content, note) : undefined;
  return content ? { ...message, content } : message;
}

/** The images and documents that the API has refused, so that later calls leave them out at once. */
export class RefusedMedia {
  /** The reasons, by the hash of the block. */
  readonly #reasons = new Map<string, string>();

  /** Adds what `after` no longer has of the images and documents in `before`. */
  async add(
    before: readonly SentMessage[],
    after: readonly SentMessage[],
    reason: string,
  ): Promise<void> {
    for (const [index, message] of before.entries()) {
      if (message === after[index]) continue;
      for (const block of mediaIn(message)) this.#reasons.set(await hashOf(block), reason);
    }
  }

  /** Returns messages with notes in place of what was refused before. */
  async removeFrom(messages: readonly SentMessage[]): Promise<readonly SentMessage[]> {
    if (this.#reasons.size === 0) return messages;
    return Promise.all(
      messages.map(async (message) => {
        const hashes = await Promise.all(mediaIn(message).map(hashOf));
        const reason = hashes.map((hash) => this.#reasons.get(hash)).find(Boolean);
        return reason === undefined ? message : withNotes(message, noteOf(reason));
      }),
    );
  }
}

const isContent = (message: SentMessage): message is Message => Array.isArray(message.content);

const mediaIn = (message: SentMessage): object[] =>
  blocksOf(message).filter(({ type }) => type === "image" || type === "document");

/** Returns the hash of an image or document; marks for the cache, which move from call to call, do not count. */
async function hashOf(block: object): Promise<string> {
  const { cache_control: _, ...rest } = block as { cache_control?: unknown };
  return toBase64(await sha256(JSON.stringify(rest)));
}
