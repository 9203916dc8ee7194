import { Hono } from "hono";
import { poolState } from "../pool/client";
import type { AppEnv } from "./context";
import { unavailable } from "./errors";

/** Route of the warm pool: its numbers of sandboxes, and the state of its circuit breaker. Any key may read it. */
export const pool = new Hono<AppEnv>().get("/", async (c) => {
  const { breaker, ...counts } = await poolState(c.env).catch((cause) => {
    throw unavailable("The pool can't be reached at the moment. Try again.", { cause });
  });
  const retryAt = breaker.retryAt === null ? null : new Date(breaker.retryAt).toISOString();
  return c.json({ ...counts, breaker: { ...breaker, retryAt } });
});
