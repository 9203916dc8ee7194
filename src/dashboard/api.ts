import { effect, signal } from "@preact/signals";
import { type Me, Rigger, RiggerError } from "../client/rigger.ts";

// Who uses the page, and the client that it uses.

const KEY = "rigger.key";

/** The caller: undefined while it is asked for, null if a key is needed. */
export const me = signal<Me | null | undefined>(undefined);
/** Why the page can't be used, if that is not for lack of a key. */
export const refusal = signal<string | null>(null);
/** Whether the browser has a network. */
export const isOnline = signal(navigator.onLine);
/** The time, to the second: what is shown as "3 s ago" stays true. */
export const now = signal(Date.now());

export let rigger = new Rigger({ key: storedKey });

/** The session that a share link is for; null for other callers. */
export const sharedSession = signal<string | null>(sessionStorage.getItem("rigger.shared"));

/** Asks who the caller is. A key that is refused is forgotten. */
export async function identify(): Promise<void> {
  try {
    me.value = await rigger.get("/api/me");
    refusal.value = null;
  } catch (error) {
    if (error instanceof RiggerError && error.status === 401) {
      const had = storedKey() !== "";
      forgetKey();
      me.value = null;
      refusal.value = had ? error.message : null;
    } else {
      me.value = null;
      refusal.value = messageOf(error);
    }
  }
}

/** Signs in with a key, or the token of a share link, which is kept for this tab, or until it is forgotten. */
export async function signIn(
  key: string,
  options: { keep?: boolean; session?: string } = {},
): Promise<void> {
  forgetKey();
  (options.keep ? localStorage : sessionStorage).setItem(KEY, key);
  if (options.session !== undefined) sessionStorage.setItem("rigger.shared", options.session);
  sharedSession.value = options.session ?? null;
  rigger = new Rigger({ key: storedKey });
  await identify();
}

/** Forgets the key. */
export function signOut(): void {
  forgetKey();
  me.value = null;
}

function forgetKey(): void {
  for (const storage of [localStorage, sessionStorage]) storage.removeItem(KEY);
  sessionStorage.removeItem("rigger.shared");
  sharedSession.value = null;
  rigger = new Rigger({ key: storedKey });
}

function storedKey(): string {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";
}

/** Whether the caller may do what needs a scope. */
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
