/** What a key may be allowed. `sessions:write` includes `sessions:read`; `admin` is all of it, for every owner. */
export const SCOPES = [
  "sessions:read",
  "sessions:write",
  "approvals:write",
  "webhooks:write",
  "automations:write",
  "usage:read",
  "keys:write",
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];

/** The scopes of a key that is created without any. */
export const DEFAULT_SCOPES: readonly Scope[] = ["sessions:write", "usage:read"];

/** Returns the scopes of a caller who has all of its owner's rights, and those of an admin if it is one. */
export const scopesOf = (isAdmin: boolean): readonly Scope[] =>
  SCOPES.filter((scope) => scope !== "admin" || isAdmin);

/** Returns whether the holder of scopes has one of them, itself or as a part of another. */
export const holds = (held: readonly Scope[], scope: Scope): boolean =>
  held.includes("admin") ||
  held.includes(scope) ||
  (scope === "sessions:read" && held.includes("sessions:write"));
