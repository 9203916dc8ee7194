import { Hono } from "hono";
import { callSession, sessionIdOf } from "./call";
import type { AppContext, AppEnv } from "./context";
import { ApiError, notFound } from "./errors";
import { hashOf, isScheduleId, newScheduleId } from "./ids";
import { byteLength, idempotencyKey, readBody } from "./parse";
import { CreateSchedule, PatchSchedule, scheduleRequest } from "./schemas";
import { scheduleView } from "./views";

/** Each run of a schedule stores its prompt again. */
const MAX_PROMPT_BYTES = 64 * 1024;

/** Routes of a session's schedules. */
export const schedules = new Hono<AppEnv>()
  .post("/:id/schedules", async (c) => {
    const sessionId = sessionIdOf(c);
    const key = idempotencyKey(c);
    const body = await readBody(c, CreateSchedule);
    if (byteLength(JSON.stringify(body.prompt)) > MAX_PROMPT_BYTES) {
      throw new ApiError("request_too_large", "The prompt is larger than 64 KiB as JSON.");
    }
    const id = await newScheduleId(sessionId, key);
    const request = scheduleRequest(body, { id, requestHash: await hashOf(body) });
    const row = await callSession(c, (s, caller) => s.addSchedule(caller, request));
    return c.json(scheduleView(row), 201);
  })

  .get("/:id/schedules", async (c) => {
    const rows = await callSession(c, (s, caller) => s.schedules(caller));
    return c.json({ schedules: rows.map(scheduleView) });
  })

  .patch("/:id/schedules/:scheduleId", async (c) => {
    const scheduleId = scheduleIdOf(c);
    const patch = await readBody(c, PatchSchedule);
    const row = await callSession(c, (s, caller) => s.updateSchedule(caller, scheduleId, patch));
    return c.json(scheduleView(row));
  })

  .delete("/:id/schedules/:scheduleId", async (c) => {
    const scheduleId = scheduleIdOf(c);
    await callSession(c, (s, caller) => s.removeSchedule(caller, scheduleId));
    return c.body(null, 204);
  });

function scheduleIdOf(c: AppContext): string {
  const id = c.req.param("scheduleId");
  if (id === undefined || !isScheduleId(id)) throw notFound("schedule");
  return id;
}
