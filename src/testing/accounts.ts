import { env } from "cloudflare:workers";
import { accountOf } from "../account/address";
import type { Actor } from "../account/audit";
import type { GivenLimits } from "../account/limits";
import type { AccountRpc } from "../account/rpc";

/** Somebody who acts on keys and limits. */
export const ACTOR: Actor = {
  ...{ owner: "ops", via: "key", keyId: null, address: null, requestId: "req_1" },
};

let owners = 0;

/** Returns an owner that no other test has. */
export const newOwner = (): string => `owner_${Date.now()}_${owners++}`;

/** Returns the object of an owner's account, and its methods. */
export const accountObject = async (owner: string) =>
  env.ACCOUNTS.getByName(await accountOf(owner));
export const accountFor = async (owner: string): Promise<AccountRpc> =>
  (await accountObject(owner)) as unknown as AccountRpc;

/** Sets the limits of an owner. */
export const limit = async (owner: string, limits: GivenLimits): Promise<void> => {
  await (await accountFor(owner)).setLimits(limits, [], { owner, actor: ACTOR, details: {} });
};
