import { ACCOUNT_DIGITS, accountOf } from "../account/address";
import { randomHex, sha256, toBase64, toHex } from "../shared/bytes";
import { canonicalJson } from "../shared/canonical-json";

const matcher = (prefix: string, digits = 32) => {
  const pattern = new RegExp(`^${prefix}_[0-9a-f]{${digits}}$`);
  return (text: string): boolean => pattern.test(text);
};

/** Each returns whether a text is an id of a kind. */
export const isMessageId = matcher("msg");
export const isScheduleId = matcher("sched");
export const isApprovalId = matcher("appr");
export const isArtifactId = matcher("art", 64);
export const isShareId = matcher("share");
export const isPreviewId = matcher("prev");
export const isKeyId = matcher("key");
export const isWebhookId = matcher("hook");
export const isAutomationId = matcher("auto");

/** Returns the id of a new session: random, or derived from the owner and its `Idempotency-Key`. */
export const newSessionId = async (owner: string, key: string | undefined): Promise<string> =>
  `sess_${await newHex("session", owner, key)}`;

/** Returns the id of a new message: random, or derived from the session and the `Idempotency-Key`. */
export const newMessageId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `msg_${await newHex("message", sessionId, key)}`;

/** Returns the id of a new schedule: random, or derived from the session and the `Idempotency-Key`. */
export const newScheduleId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `sched_${await newHex("schedule", sessionId, key)}`;

/** Returns the id of a new share link: random, or derived from the session and the `Idempotency-Key`. */
export const newShareId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `share_${await newHex("share", sessionId, key)}`;

/** Returns the id of a new preview: random, or derived from the session and the `Idempotency-Key`. */
export const newPreviewId = async (sessionId: string, key: string | undefined): Promise<string> =>
  `prev_${await newHex("preview", sessionId, key)}`;

/** Returns the id of a new run: random, or derived from the automation and the `Idempotency-Key`. */
export const newRunId = async (automationId: string, key: string | undefined): Promise<string> =>
  `run_${await newHex("run", automationId, key)}`;

/** Returns the id of a new key of an account: random, or derived from the owner and the `Idempotency-Key`. */
export const newKeyId = async (owner: string, key: string | undefined): Promise<string> =>
  `key_${await newHexOfAccount("key", owner, key)}`;

/** Returns the id of a new webhook of an account: random, or derived from the owner and the `Idempotency-Key`. */
export const newWebhookId = async (owner: string, key: string | undefined): Promise<string> =>
  `hook_${await newHexOfAccount("webhook", owner, key)}`;

/** Returns the id of a new automation of an account: random, or derived from the owner and the `Idempotency-Key`. */
export const newAutomationId = async (owner: string, key: string | undefined): Promise<string> =>
  `auto_${await newHexOfAccount("automation", owner, key)}`;

/** Returns the account that the id of a key, a webhook or an automation names. */
export const accountOfId = (id: string): string => hexOf(id).slice(0, ACCOUNT_DIGITS);

/** Returns a new secret of a webhook, as Standard Webhooks writes it. */
export const newWebhookSecret = (): string =>
  `whsec_${toBase64(crypto.getRandomValues(new Uint8Array(24)))}`;

/** Returns a new token that fires an automation. */
export const newFireToken = (automationId: string): string =>
  `rf_${hexOf(automationId)}_${randomHex(24)}`;

/** Returns the automation that a token fires; undefined for any other text. */
export function automationOfToken(text: string): string | undefined {
  const [, hex] = /^rf_([0-9a-f]{32})_[0-9a-f]{48}$/.exec(text) ?? [];
  return hex && `auto_${hex}`;
}

/** Returns a new token of a share link of a session. */
export const newShareToken = (sessionId: string): string =>
  `rs_${hexOf(sessionId)}_${randomHex(24)}`;

/** Returns the session that the token of a share link names; undefined for any other text. */
export function sessionOfToken(text: string): string | undefined {
  const [, hex] = /^rs_([0-9a-f]{32})_[0-9a-f]{48}$/.exec(text) ?? [];
  return hex && `sess_${hex}`;
}

/** Returns a new token of a preview of a session: the session, and a secret of 120 bits. It is the label of a host name. */
export const newPreviewToken = (sessionId: string): string => `${hexOf(sessionId)}${randomHex(15)}`;

/** Returns the session that the token of a preview names; undefined for any other text. */
export function sessionOfPreview(token: string): string | undefined {
  const [, hex] = /^([0-9a-f]{32})[0-9a-f]{30}$/.exec(token) ?? [];
  return hex && `sess_${hex}`;
}

/** Returns a new secret of a key of an account, as its client sends it. */
export const newSecret = (account: string): string => `rk_${account}_${randomHex(24)}`;

/** Returns the account that the secret of a key names; undefined for any other text. */
export const accountOfSecret = (text: string): string | undefined =>
  /^rk_([0-9a-f]{20})_[0-9a-f]{48}$/.exec(text)?.[1];

/** Returns the SHA-256 digest of a text in UTF-8, as lower-case hex. */
export const sha256Hex = async (text: string): Promise<string> => toHex(await sha256(text));

/** Returns a hash of a JSON value. The order of keys does not matter. */
export const hashOf = (value: unknown): Promise<string> => sha256Hex(canonicalJson(value));

const hexOf = (id: string): string => id.slice(id.indexOf("_") + 1);

/** Returns 32 digits: random ones, or those that a kind, what it belongs to and a key always give. */
async function newHex(kind: string, of: string, key: string | undefined): Promise<string> {
  if (key === undefined) return randomHex();
  // JSON separates the parts, so that no two pairs of owner and key give the same text.
  return (await sha256Hex(JSON.stringify([kind, of, key]))).slice(0, 32);
}

/** Returns 32 digits of which the first name the account of an owner. */
const newHexOfAccount = async (
  kind: string,
  owner: string,
  key: string | undefined,
): Promise<string> =>
  `${await accountOf(owner)}${(await newHex(kind, owner, key)).slice(ACCOUNT_DIGITS)}`;
