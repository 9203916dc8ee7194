import { Hono } from "hono";
import { answerMachine } from "../sandbox/machines/requests";
import { isSessionId } from "../shared/session-id";
import type { AppEnv } from "./context";
import { notFound } from "./errors";

/** Routes for programs in vendors' machines. They have tokens of their own and no API key. */
export const machines = new Hono<AppEnv>().all("/:session/*", async (c) => {
  const { req, env } = c;
  const id = req.param("session");
  if (!isSessionId(id)) throw notFound("session");
  const path = new URL(req.url).pathname.replace(/^\/machines\/[^/]+/, "");
  const session = env.SESSIONS.getByName(id);
  const answer = await answerMachine(req.raw, path, session, env.SNAPSHOTS);
  // Headers of an answer from elsewhere can't be changed, and each answer gets an id.
  return new Response(answer.body, answer);
});
