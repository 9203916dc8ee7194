import { backoffMs, pause } from "../../shared/backoff";
import type { Notifier } from "../../shared/notifier";
import type { PublishFile } from "./publish-call";

/** The first and the longest pause before another attempt, in ms. */
const RESTART_PAUSE_MS = 500;
const MAX_RESTART_PAUSE_MS = 32_000;
/** Maximum number of characters kept of output that is not part of the protocol. */
const MAX_NOISE_CHARACTERS = 500;

/** The state of work on a message. */
export interface Work {
  messageId: string;
  signal: AbortSignal;
  /** Notified whenever a model call was settled, a tool result was stored, or an agent was recorded. */
  settled: Notifier;
  /** Notified when somebody has decided about a call, has changed a limit, or has sent a prompt that is to join. */
  decisions: Notifier;
  /** The last output of the process that was not a line of its protocol. */
  noise: string;
  /** The id of the failed attempt after which the process was last asked to call the model again. */
  askedAfter: string | null;
  /** Aborts the pending model calls of the process when it exits. */
  process: AbortController;
  publishFile: PublishFile;
  /** The calls of MCP servers' tools and of Publish that were made, by their ids. */
  made: Set<string>;
}

/**
 * Why another attempt is needed: the process exited or was lost, it gave up since it could not reach the session, or its
 * output could not be read.
 */
export type Failed = "died" | "unreached" | "unread";

/** Returns the beginning of a text that may be told as the reason of a failure. */
export const noiseOf = (text: string): string => text.slice(0, MAX_NOISE_CHARACTERS);

/** Waits before an attempt, longer before each further one, or until the signal is aborted. */
export const pauseBefore = (attempt: number, signal: AbortSignal): Promise<void> =>
  pause(backoffMs(attempt, RESTART_PAUSE_MS, MAX_RESTART_PAUSE_MS), signal);
