import { sha256, toHex } from "../shared/bytes";

/** Number of hex digits of an account's name. Keys contain it. */
export const ACCOUNT_DIGITS = 20;

/** Returns the name of an owner's account. */
export const accountOf = async (owner: string): Promise<string> =>
  toHex(await sha256(JSON.stringify(["account", owner]))).slice(0, ACCOUNT_DIGITS);
