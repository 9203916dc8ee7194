import { accountOf } from "../account/address";
import type { OwnerLimits } from "../account/limits";
import { callAccount } from "./call";
import { Remembered } from "./remembered";

/** What this isolate knows of the limits of owners. */
const known = new Remembered<OwnerLimits>();
/** The owners whose accounts are being asked. */
const asked = new Set<string>();

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

/** Asks for the limits of an owner, unless that is being done. Never rejects. */
export async function learnLimitsOf(env: Env, owner: string): Promise<void> {
  if (asked.has(owner)) return;
  asked.add(owner);
  await limitsOf(env, owner).catch(() => {});
  asked.delete(owner);
}

/** Remembers the limits of an owner that came with another answer. */
export const rememberLimitsOf = (owner: string, limits: OwnerLimits): void =>
  known.put(owner, limits, Date.now());

/** Forgets the limits of an owner, after a change of them. */
export const forgetLimitsOf = (owner: string): void => known.forget((_, key) => key === owner);
