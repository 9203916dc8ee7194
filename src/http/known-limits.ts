import { accountOf } from "../account/address";
import type { OwnerLimits } from "../account/limits";
import { callAccount } from "./call";
import { Remembered } from "./remembered";

/** What this isolate knows of the limits of owners. */
const known = new Remembered<OwnerLimits>();
/** When accounts were last asked beside a request, in ms since 1970, by owner: that may be cut off with the request. */
const asked = new Map<string, number>();
const ASKED_AGAIN_MS = 1_000;
const MAX_ASKED = 1_000;

/** Returns the limits of an owner, as they were within the last 30 s. */
export const limitsOf = (env: Env, owner: string): Promise<OwnerLimits> =>
  known.find(
    owner,
    async () => (await callAccount(env, await accountOf(owner), (account) => account.use())).limits,
    Date.now(),
  );

/** Returns the limits of an owner if this isolate knows them, without a call. */
export const knownLimitsOf = (owner: string): OwnerLimits | undefined =>
  known.get(owner, Date.now());

/** Asks for the limits of an owner, unless that was done a moment ago. Never rejects. */
export async function learnLimitsOf(env: Env, owner: string): Promise<void> {
  const now = Date.now();
  if (now < (asked.get(owner) ?? 0) + ASKED_AGAIN_MS) return;
  if (asked.size >= MAX_ASKED) asked.clear();
  asked.set(owner, now);
  await limitsOf(env, owner).catch(() => {});
}

/** Remembers the limits of an owner that came with another answer. */
export const rememberLimitsOf = (owner: string, limits: OwnerLimits): void =>
  known.put(owner, limits, Date.now());

/** Forgets the limits of an owner, after a change of them. */
export const forgetLimitsOf = (owner: string): void => known.forget((_, key) => key === owner);
