import { textOf } from "./state.ts";

/** A user of the container. */
export interface User {
  uid: number;
  gid: number;
  home: string;
}

/** Returns the user with a name; undefined if there is none or this process may not change its user. */
export function findUser(name: string): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = textOf("/etc/passwd")
    ?.split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid, , home] = line?.split(":") ?? [];
  if (home === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid), home };
}
