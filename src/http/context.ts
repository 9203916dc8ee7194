import type { Context } from "hono";
import type { Caller } from "../shared/result";

/** The bindings and variables on the context of every handler. */
export interface AppEnv {
  Bindings: Env;
  Variables: { requestId: string; caller: Caller };
}

/** The context of a request. */
export type AppContext = Context<AppEnv>;
