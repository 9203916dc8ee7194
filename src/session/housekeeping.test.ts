import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { ALICE, createSession, sessionOf, value } from "../testing/sessions";
import { housekeep } from "./housekeeping";

const DAY = 86_400_000;
const tombstones = async (id: string) =>
  (await env.DB.prepare("SELECT id FROM session_tombstones WHERE id = ?").bind(id).all()).results;

it("a tombstone is kept for seven days and then forgotten", async () => {
  const id = await createSession();
  value(await sessionOf(id).remove(ALICE));
  await housekeep(env.DB, Date.now() + 6 * DAY);
  expect(await tombstones(id)).toHaveLength(1);
  await housekeep(env.DB, Date.now() + 8 * DAY);
  expect(await tombstones(id)).toEqual([]);
});
