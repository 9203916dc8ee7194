import type { Context } from "hono";
import type { Caller } from "../session/rpc";

/** What every handler finds on its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: { requestId: string; caller: Caller };
}

/** A request on its way through the app. */
export type AppContext = Context<AppEnv>;
