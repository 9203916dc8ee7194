import { randomHex, sha256, toHex } from "../shared/bytes";

/** Tells a message's id from any other text. */
export const isMessageId = (text: string): boolean => /^msg_[0-9a-f]{32}$/.test(text);

/** Tells a schedule's id from any other text. */
export const isScheduleId = (text: string): boolean => /^sched_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new session: its owner's `Idempotency-Key` always names the same one. */
export const newSessionId = async (owner: string, key: string | undefined): Promise<string> =>
  `sess_${key === undefined ? randomHex() : await derivedHex("session", owner, key)}`;

/** Returns the id of a new message: the same key names the same message of its session. */
export const newMessageId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `msg_${key === undefined ? randomHex() : await derivedHex("message", sessionId, key)}`;

/** Returns the id of a new schedule: the same key names the same schedule of its session. */
export const newScheduleId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `sched_${key === undefined ? randomHex() : await derivedHex("schedule", sessionId, key)}`;

/** Returns the SHA-256 digest of a text in UTF-8, as lower-case hex. */
export const sha256Hex = async (text: string): Promise<string> => toHex(await sha256(text));

/** Names a JSON value: equal for equal values, in whatever order their keys came. */
export const hashOf = (value: unknown): Promise<string> =>
  sha256Hex(JSON.stringify(canonical(value)));

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
}

// JSON keeps the parts apart: no owner and key together read like another owner and key.
const derivedHex = async (...parts: string[]): Promise<string> =>
  (await sha256Hex(JSON.stringify(parts))).slice(0, 32);
