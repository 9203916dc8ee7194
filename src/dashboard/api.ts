import { effect, signal } from "@preact/signals";
import { type Me, Rigger, RiggerError } from "../client/rigger.ts";

// Who uses the page, and the client that it uses.

const KEY = "rigger.key";
const SHARED = "rigger.shared";

/** The caller: undefined while it is asked for, null if a key is needed. */
export const me = signal<Me | null | undefined>(undefined);
/** Why the page can't be used, if that is not for lack of a key. */
export const refusal = signal<string | null>(null);
/** Whether the browser has a network. */
export const isOnline = signal(navigator.onLine);
/** The time, to the second: what is shown as "3 s ago" stays true. */
export const now = signal(Date.now());

export let rigger = newClient();

function newClient(): Rigger {
  return new Rigger({
    key: storedKey,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      // A key that was revoked meanwhile.
      if (response.status === 401 && me.peek()) void identify();
      return response;
    },
  });
}

/** The session that a share link is for; null for other callers. */
export const sharedSession = signal<string | null>(sessionStorage.getItem(SHARED));

/** Asks who the caller is. A key that is refused is forgotten. */
export async function identify(): Promise<void> {
  try {
    me.value = await rigger.get("/api/me");
    refusal.value = null;
  } catch (error) {
    const isRefused = error instanceof RiggerError && error.status === 401;
    const had = storedKey() !== "";
    me.value = null;
    refusal.value = isRefused && !had ? null : messageOf(error);
    if (isRefused) forget(sessionStorage.getItem(KEY) === null ? localStorage : sessionStorage);
  }
}

/** Signs in with a key, which is kept for this tab, or on this computer. */
export async function signIn(key: string, keep: boolean): Promise<void> {
  forget(sessionStorage);
  (keep ? localStorage : sessionStorage).setItem(KEY, key);
  rigger = newClient();
  await identify();
}

/** Signs in with the token of a share link, in this tab only. A key that is kept on this computer stays. */
export async function openShared(token: string, session: string): Promise<void> {
  sessionStorage.setItem(KEY, token);
  sessionStorage.setItem(SHARED, session);
  sharedSession.value = session;
  rigger = newClient();
  await identify();
}

/** Forgets the key: that of a share link only, if there is one. */
export function signOut(): void {
  const isShared = sharedSession.value !== null;
  if (isShared) {
    // What the link has shown may be closed to whoever comes next.
    me.value = undefined;
    location.hash = "/";
  }
  forget(sessionStorage);
  if (isShared) {
    void identify();
    return;
  }
  forget(localStorage);
  me.value = null;
}

function forget(storage: Storage): void {
  storage.removeItem(KEY);
  storage.removeItem(SHARED);
  if (storage === sessionStorage) sharedSession.value = null;
  rigger = newClient();
}

function storedKey(): string {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";
}

/** Returns whether the caller has the session as its owner has it, and may change it: not by a share link. */
export const owns = (): boolean => may("sessions:write") && sharedSession.value === null;

/** Returns whether the caller may do what needs a scope. */
export function may(scope: Me["scopes"][number]): boolean {
  const scopes = me.value?.scopes ?? [];
  return (
    scopes.includes("admin") ||
    scopes.includes(scope) ||
    (scope === "sessions:read" && scopes.includes("sessions:write"))
  );
}

/** Returns an error as a sentence. */
export function messageOf(error: unknown): string {
  if (error instanceof RiggerError && error.status === undefined) {
    return isOnline.value ? "The server can't be reached." : "You are offline.";
  }
  return error instanceof Error ? error.message : String(error);
}

// Another tab has signed in or out.
addEventListener("storage", ({ key }) => {
  if (key === KEY || key === null) {
    rigger = newClient();
    void identify();
  }
});
addEventListener("online", () => {
  isOnline.value = true;
});
addEventListener("offline", () => {
  isOnline.value = false;
});
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

const THEME = "rigger.theme";
/** The theme: that of the system, unless the reader has chosen one. */
export const theme = signal<"system" | "light" | "dark">(
  (localStorage.getItem(THEME) as "light" | "dark" | null) ?? "system",
);
effect(() => {
  document.documentElement.dataset.theme = theme.value;
  if (theme.value === "system") localStorage.removeItem(THEME);
  else localStorage.setItem(THEME, theme.value);
});
