import type { Context } from "hono";
import type { Actor } from "../account/audit";
import type { Powers } from "../account/keys";
import type { Caller } from "../shared/result";

/** Who sends a request, how that is known, and what they may do. */
export interface Identity extends Powers {
  owner: string;
  /** The share link, if that is how the session is reached. */
  share?: { id: string; sessionId: string };
  /** The automation, if its token is sent: it is for firing it only. */
  fires?: string;
  key: { id: string; name: string } | null;
  via: "key" | "secret" | "oidc" | "share" | "fire" | "anonymous";
}

/** The bindings and variables on the context of every handler. */
export interface AppEnv {
  Bindings: Env;
  Variables: { requestId: string; identity: Identity; caller: Caller };
}

/** The context of a request. */
export type AppContext = Context<AppEnv>;

/** Returns who sends a request, as it is recorded. */
export function actorOf(c: AppContext): Actor {
  const { owner, via, key } = c.var.identity;
  const address = c.req.header("CF-Connecting-IP") ?? null;
  return { owner, via, keyId: key?.id ?? null, address, requestId: c.var.requestId };
}
