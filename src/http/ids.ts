import { ACCOUNT_DIGITS, accountOf } from "../account/address";
import { randomHex, sha256, toBase64, toHex } from "../shared/bytes";
import { canonicalJson } from "../shared/canonical-json";

/** Returns whether a text is a message id. */
export const isMessageId = (text: string): boolean => /^msg_[0-9a-f]{32}$/.test(text);

/** Returns whether a text is a schedule id. */
export const isScheduleId = (text: string): boolean => /^sched_[0-9a-f]{32}$/.test(text);

/** Returns whether a text is a webhook's id. */
export const isWebhookId = (text: string): boolean => /^hook_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new webhook of an account: random, or derived from the owner and the `Idempotency-Key`. */
export async function newWebhookId(owner: string, key: string | undefined): Promise<string> {
  const own = key === undefined ? randomHex() : await derivedHex("webhook", owner, key);
  return `hook_${await accountOf(owner)}${own.slice(ACCOUNT_DIGITS)}`;
}

/** Returns the account that a webhook's id names. */
export const accountOfWebhookId = (id: string): string => id.slice(5, 5 + ACCOUNT_DIGITS);

/** Returns a new secret of a webhook, as Standard Webhooks writes it. */
export const newWebhookSecret = (): string =>
  `whsec_${toBase64(crypto.getRandomValues(new Uint8Array(24)))}`;

/** Returns whether a text is an automation's id. */
export const isAutomationId = (text: string): boolean => /^auto_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new automation of an account: random, or derived from the owner and the `Idempotency-Key`. */
export async function newAutomationId(owner: string, key: string | undefined): Promise<string> {
  const own = key === undefined ? randomHex() : await derivedHex("automation", owner, key);
  return `auto_${await accountOf(owner)}${own.slice(ACCOUNT_DIGITS)}`;
}

/** Returns the account that an automation's id names. */
export const accountOfAutomationId = (id: string): string => id.slice(5, 5 + ACCOUNT_DIGITS);

/** Returns the id of a new run: random, or derived from the automation and the `Idempotency-Key`. */
export const newRunId = async (automationId: string, key: string | undefined): Promise<string> =>
  `run_${key === undefined ? randomHex() : await derivedHex("run", automationId, key)}`;

/** Returns a new token that fires an automation. */
export const newFireToken = (id: string): string =>
  `rf_${id.slice("auto_".length)}_${randomHex(24)}`;

/** Returns the automation that a token fires; undefined for any other text. */
export function automationOfToken(text: string): string | undefined {
  const [, id] = /^rf_([0-9a-f]{32})_[0-9a-f]{48}$/.exec(text) ?? [];
  return id && `auto_${id}`;
}

/** Returns whether a text is an approval's id. */
export const isApprovalId = (text: string): boolean => /^appr_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new session: random, or derived from the owner and its `Idempotency-Key`. */
export const newSessionId = async (owner: string, key: string | undefined): Promise<string> =>
  `sess_${key === undefined ? randomHex() : await derivedHex("session", owner, key)}`;

/** Returns the id of a new message: random, or derived from the session and the `Idempotency-Key`. */
export const newMessageId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `msg_${key === undefined ? randomHex() : await derivedHex("message", sessionId, key)}`;

/** Returns the id of a new schedule: random, or derived from the session and the `Idempotency-Key`. */
export const newScheduleId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `sched_${key === undefined ? randomHex() : await derivedHex("schedule", sessionId, key)}`;

/** Returns whether a text is a share link's id. */
export const isShareId = (text: string): boolean => /^share_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new share link: random, or derived from the session and the `Idempotency-Key`. */
export const newShareId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `share_${key === undefined ? randomHex() : await derivedHex("share", sessionId, key)}`;

/** Returns a new token of a share link of a session. */
export const newShareToken = (sessionId: string): string =>
  `rs_${sessionId.slice("sess_".length)}_${randomHex(24)}`;

/** Returns the session that the token of a share link names; undefined for any other text. */
export function sessionOfToken(text: string): string | undefined {
  const [, id] = /^rs_([0-9a-f]{32})_[0-9a-f]{48}$/.exec(text) ?? [];
  return id && `sess_${id}`;
}

/** Returns whether a text is a key's id. */
export const isKeyId = (text: string): boolean => /^key_[0-9a-f]{32}$/.test(text);

/** Returns the id of a new key of an account: random, or derived from the owner and the `Idempotency-Key`. */
export async function newKeyId(owner: string, key: string | undefined): Promise<string> {
  const own = key === undefined ? randomHex() : await derivedHex("key", owner, key);
  return `key_${await accountOf(owner)}${own.slice(ACCOUNT_DIGITS)}`;
}

/** Returns the account that a key's id names. */
export const accountOfKeyId = (id: string): string => id.slice(4, 4 + ACCOUNT_DIGITS);

/** Returns a new secret of a key of an account, as its client sends it. */
export const newSecret = (account: string): string => `rk_${account}_${randomHex(24)}`;

/** Returns the account that the secret of a key names; undefined for any other text. */
export const accountOfSecret = (text: string): string | undefined =>
  /^rk_([0-9a-f]{20})_[0-9a-f]{48}$/.exec(text)?.[1];

/** Returns the SHA-256 digest of a text in UTF-8, as lower-case hex. */
export const sha256Hex = async (text: string): Promise<string> => toHex(await sha256(text));

/** Returns a hash of a JSON value. The order of keys does not matter. */
export const hashOf = (value: unknown): Promise<string> => sha256Hex(canonicalJson(value));

// JSON separates the parts, so that no two pairs of owner and key give the same text.
const derivedHex = async (...parts: string[]): Promise<string> =>
  (await sha256Hex(JSON.stringify(parts))).slice(0, 32);
