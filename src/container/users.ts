import { textOf } from "./state.ts";

/** A user of the machine. */
export interface User {
  uid: number;
  gid: number;
  home: string;
}

/** Returns the user of a name, where there is one of that name and this process may become another. */
export function findUser(name: string): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = textOf("/etc/passwd")
    ?.split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid, , home] = line?.split(":") ?? [];
  if (home === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid), home };
}
