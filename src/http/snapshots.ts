import { Hono } from "hono";
import { callSession } from "./call";
import type { AppEnv } from "./context";
import { readBody } from "./parse";
import { NoFields } from "./schemas";
import { snapshotView } from "./views";

/** Routes of a session's snapshots: create and list them. */
export const snapshots = new Hono<AppEnv>()
  .post("/:id/snapshots", async (c) => {
    await readBody(c, NoFields);
    const row = await callSession(c, (s, caller) => s.snapshot(caller));
    return c.json(snapshotView(row), 201);
  })

  .get("/:id/snapshots", async (c) => {
    const rows = await callSession(c, (s, caller) => s.snapshots(caller));
    return c.json({ snapshots: rows.map(snapshotView) });
  });
