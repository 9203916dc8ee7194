import { addressOf } from "../../sandbox/machines/requests";
import { sandboxOptions } from "../machines";
import type { SessionStore } from "../storage/store";

/** How programs in a vendor's machine reach their session: its address, and the token that it knows them by. */
export interface MachineAccess {
  url: string;
  token: string;
}

/** Returns how a session's machine reaches it; undefined if it has no machine of a vendor. */
export function machineAccess({ identity }: SessionStore): MachineAccess | undefined {
  const { machineToken: token, id } = identity;
  const { machines } = sandboxOptions;
  return token === undefined || !machines
    ? undefined
    : { url: addressOf(machines.publicUrl, id), token };
}
