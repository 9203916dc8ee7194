import { sha256, toBase64 } from "../../shared/bytes";
import type { Block, Message } from "../messages";
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
  const seen = new Set<number>();
  return [newest, 0].flatMap((from) => {
    let count = 0;
    const replaced = messages.map((message, index) => {
      const content =
        index >= from && isContent(message) ? withoutMedia(message.content, note) : undefined;
      if (!content) return message;
      count += 1;
      return { ...message, content };
    });
    if (count === 0 || seen.has(count)) return [];
    seen.add(count);
    return [replaced];
  });
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
      if (message === after[index] || !isContent(message)) continue;
      for (const block of mediaIn(message.content)) {
        this.#reasons.set(await hashOf(block), reason);
      }
    }
  }

  /** Returns messages with notes in place of what was refused before. */
  async removeFrom(messages: readonly SentMessage[]): Promise<readonly SentMessage[]> {
    if (this.#reasons.size === 0) return messages;
    return Promise.all(
      messages.map(async (message) => {
        if (!isContent(message)) return message;
        const hashes = await Promise.all(mediaIn(message.content).map(hashOf));
        const reason = hashes.map((hash) => this.#reasons.get(hash)).find(Boolean);
        if (reason === undefined) return message;
        return { ...message, content: withoutMedia(message.content, noteOf(reason)) };
      }),
    );
  }
}

const isContent = (message: SentMessage): message is Message => Array.isArray(message.content);

const mediaIn = (content: readonly Block[]): object[] =>
  content.flatMap((block): object[] => {
    if (block.type === "tool_result" && Array.isArray(block.content)) {
      return mediaIn(block.content as Block[]);
    }
    return block.type === "image" || block.type === "document" ? [block] : [];
  });

/** Returns the hash of an image or document; marks for the cache, which move from call to call, do not count. */
async function hashOf(block: object): Promise<string> {
  const { cache_control: _, ...rest } = block as { cache_control?: unknown };
  return toBase64(await sha256(JSON.stringify(rest)));
}
