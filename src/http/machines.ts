import { Hono } from "hono";
import { answerMachine } from "../sandbox/machines/requests";
import { isSessionId } from "../shared/session-id";
import type { AppEnv } from "./context";
import { notFound } from "./errors";

/** Routes for programs in vendors' machines. They have tokens of their own and no API key. */
export const machines = new Hono<AppEnv>().all("/:session/*", (c) => {
  const { req, env } = c;
  const id = req.param("session");
  if (!isSessionId(id)) throw notFound("session");
  const path = new URL(req.url).pathname.replace(/^\/machines\/[^/]+/, "");
  return answerMachine(req.raw, path, env.SESSIONS.getByName(id), env.SNAPSHOTS);
});
