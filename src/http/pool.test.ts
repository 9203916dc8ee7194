import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { readSettings } from "../settings";
import { aClient } from "../testing/api-client";
import { aFleet, emptyPool, failing } from "../testing/fleet";
import { until } from "../testing/sessions";
import { sha256Hex } from "./ids";

const client = aClient();
const NONE = {
  target: 0,
  ready: 0,
  starting: 0,
  leaving: 0,
  handedOut: 0,
  missed: 0,
  breaker: { state: "closed", failures: 0, retryAt: null },
};
const read = async () => (await client.get("/api/pool")).body as typeof NONE;

afterEach(() => vi.restoreAllMocks());

it("a pool that is off reports its state without a call of its object", async () => {
  const asked = vi.spyOn(env.WARM_POOL, "getByName");
  expect(await client.get("/api/pool")).toMatchObject({ status: 200, body: NONE });
  expect(asked).not.toHaveBeenCalled();
});

it("a pool reports its numbers, and when it retries after failed starts", async () => {
  const fleet = aFleet(2);
  await env.WARM_POOL.getByName("pool").tend();
  await until(async () => (await read()).ready === 2);
  const before = await read();
  expect(before).toMatchObject({ target: 2, starting: 0, breaker: { state: "closed" } });
  fleet.before.start = failing;
  await client.create();
  await until(async () => (await read()).breaker.state === "open");
  const { breaker, handedOut } = await read();
  expect(handedOut).toBe(before.handedOut + 1);
  expect(breaker.retryAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  await emptyPool();
  fleet.stop();
});

it("any key may read the state, and no request without a key", async () => {
  const keys = [{ name: "a", owner: "a", sha256: await sha256Hex("key-a") }];
  const settings = readSettings({ API_KEYS: JSON.stringify(keys) });
  expect(await aClient(settings).get("/api/pool")).toMatchObject({ status: 401 });
  const known = aClient(settings, { Authorization: "Bearer key-a" });
  expect(await known.get("/api/pool")).toMatchObject({ status: 200, body: NONE });
});

it("a pool that can't be reached is a 503", async () => {
  const fleet = aFleet(1);
  vi.spyOn(env.WARM_POOL, "getByName").mockImplementation(() => {
    throw new Error("unreachable");
  });
  expect(await client.get("/api/pool")).toMatchObject({ status: 503 });
  fleet.stop();
});
