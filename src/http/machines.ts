import { Hono } from "hono";
import { answerMachine } from "../sandbox/machines/requests";
import type { Settings } from "../settings";
import { isSessionId } from "../shared/session-id";
import type { AppEnv } from "./context";
import { notFound } from "./errors";

/** Routes for programs in vendors' machines. They have tokens of their own and no API key. */
export const machines = ({ PUBLIC_URL }: Settings) =>
  new Hono<AppEnv>().all("/:session/*", async (c) => {
    const id = c.req.param("session");
    // Without a public address there are no machines, and nobody may wake sessions.
    if (PUBLIC_URL === undefined || !isSessionId(id)) throw notFound("path");
    const path = new URL(c.req.url).pathname.replace(/^\/machines\/[^/]+/, "");
    const session = c.env.SESSIONS.getByName(id);
    const answer = await answerMachine(c.req.raw, path, session, c.env.SNAPSHOTS);
    // Headers of an answer from elsewhere can't be changed, and each answer gets an id.
    return new Response(answer.body, answer);
  });
