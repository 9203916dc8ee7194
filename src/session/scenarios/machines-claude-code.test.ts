import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../http/app";
import type { VendorName } from "../../sandbox/providers";
import { bashIn } from "../../testing/container-sessions";
import { HAS_CONTAINERS } from "../../testing/containers";
import { eventually, machineSessions, VENDORS_HERE } from "../../testing/machine-sessions";
import { answerMachines } from "../../testing/machines";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  eventsOf,
  lose,
  NO_LIMITS,
  read,
  sessionOf,
  value,
} from "../../testing/sessions";
import { upstream } from "../deployment";
import type { SessionConfig, SessionSpec } from "../rpc";

// Claude Code in machines of vendors: a process that calls the model at the deployment's public URL. What stands in for
// it is src/testing/vendors/claude.ts.

vi.setConfig({ testTimeout: 30_000 });

const answering = answerMachines();
const app = createApp();
/** The model calls that reached the API. */
const made: { body: string; key: string | null }[] = [];

beforeEach(() => {
  if (!upstream) throw new Error("there is no model");
  made.length = 0;
  const original = upstream.fetch;
  vi.spyOn(upstream, "fetch").mockImplementation((input, init) => {
    made.push({ body: String(init?.body), key: new Headers(init?.headers).get("x-api-key") });
    return original(input, init);
  });
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => answering.stop());

/** A command that prints the id of the process that runs it. */
const WHO = "echo process $PPID";
const processIn = (said: string | null) => said?.match(/process (\d+)/)?.[1];

/** Calls the model of a session with a token, as programs in its machine do. */
const callModel = (id: string, token: string, path = "/v1/messages"): Promise<Response> =>
  Promise.resolve(
    app.request(
      `${env.PUBLIC_URL}/machines/${id}/model${path}`,
      {
        method: "POST",
        headers: { "x-api-key": token },
        body: JSON.stringify({
          model: "claude-sonnet-5-5",
          max_tokens: 100,
          stream: true,
          messages: [{ role: "user", content: "hi" }],
        }),
      },
      env,
    ),
  );

describe.runIf(HAS_CONTAINERS).each<VendorName>(VENDORS_HERE)(
  "Claude Code in a machine of %s",
  (provider) => {
    const { create, sleep, machinesOf, machineOf } = machineSessions(provider);
    const claudeCode = (config: SessionConfig = {}, changes: Partial<SessionSpec> = {}) =>
      create({ config: { ...config, runtime: "claude-code" }, ...changes });

    it("sleeps and wakes with its session, and goes on with the conversation", async () => {
      const id = await claudeCode();
      const first = await bashIn(id, `${WHO}; echo kept > file`);
      const second = await bashIn(id, WHO);
      expect(processIn(first)).toBeDefined();
      expect(processIn(second)).toBe(processIn(first));
      const before = await machineOf(id);
      await sleep(id);
      const look = bash(`${WHO}; cat file; kill -0 ${processIn(first)} && echo still there`);
      const third = await ask(id, `the third\n${look}`);
      expect(third).toMatchObject({ status: "completed", numTurns: 2 });
      expect(third.result).toContain("kept");
      // A suspended machine may keep its processes or not: the session ends this one in any case.
      expect(processIn(third.result)).not.toBe(processIn(first));
      expect(third.result).toContain("No such process");
      expect((await machineOf(id)).id).toBe(before.id);
      expect(made.at(-1)?.body).toMatch(/echo kept > file.*the third/s);
      value(await sessionOf(id).remove(ALICE));
      await eventually(async () => (await machinesOf(id)).length === 0);
    });
  },
);

describe.runIf(HAS_CONTAINERS)("Claude Code in a vendor's machine", () => {
  const { vendor, create, sleep, machinesOf, machineOf } = machineSessions("e2b");
  const claudeCode = (config: SessionConfig = {}, changes: Partial<SessionSpec> = {}) =>
    create({ config: { ...config, runtime: "claude-code" }, ...changes });
  const tokenOf = async (id: string): Promise<string> =>
    (await bashIn(id, "echo token $ANTHROPIC_API_KEY")).match(/token (\w+)/)?.[1] ?? "";

  it("pays for its model calls from the session's budget, which ends it", async () => {
    const maxBudgetNanos = 40_000_000;
    const limits = { ...NO_LIMITS, maxBudgetNanos };
    const id = await claudeCode({}, { limits });
    const message = await ask(id, `/tokens 900\n${bash("true")}\n`.repeat(9));
    expect(message).toMatchObject({ status: "completed", stopReason: "budget_limit" });
    const session = await read(id);
    expect(session).toMatchObject({ status: "terminated", terminationReason: "budget_limit" });
    expect(session.totalCostNanos).toBeGreaterThan(maxBudgetNanos / 2);
    expect(session.totalCostNanos).toBeLessThanOrEqual(maxBudgetNanos);
    const costs = (await eventsOf(id)).map((event) =>
      event.type === "turn.completed" ? Math.round(event.cost * 1e9) : 0,
    );
    expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(session.totalCostNanos);
    await eventually(async () => (await machinesOf(id)).length === 0);
  });

  it("has a key of its session only, for model calls only, and while a message runs", async () => {
    const id = await claudeCode();
    const other = await claudeCode();
    const [token, token2] = [await tokenOf(id), await tokenOf(other)];
    expect(token2).not.toBe(token);
    made.length = 0;
    for (const wrong of [token2, "", "none", `${token} `.repeat(2)]) {
      expect((await callModel(id, wrong)).status).toBe(401);
    }
    expect((await callModel(other, token)).status).toBe(401);
    // The key is right, and nothing is running that it could be for.
    expect((await callModel(id, token)).status).toBe(402);
    expect((await callModel(id, token, "/v1/models")).status).toBe(404);
    value(await sessionOf(id).terminate(ALICE, "enough"));
    expect((await callModel(id, token)).status).toBe(402);
    value(await sessionOf(id).remove(ALICE));
    expect((await callModel(id, token)).status).toBe(401);
    expect(made).toEqual([]);
    value(await sessionOf(other).remove(ALICE));
  });

  it("knows nothing of the deployment's keys", async () => {
    if (!upstream) throw new Error("there is no model");
    const key = "sk-ant-of-the-deployment";
    const before = upstream.apiKey;
    upstream.apiKey = key;
    try {
      const id = await claudeCode({ env: { MINE: "mine" } });
      const token = await tokenOf(id);
      await bashIn(id, 'env; tr "\\0" "\\n" < /proc/$PPID/environ');
      // The events have the whole output.
      const said = JSON.stringify(await eventsOf(id));
      expect(said).toContain(`ANTHROPIC_BASE_URL=${env.PUBLIC_URL}/machines/${id}/model`);
      expect(said).toContain("MINE=mine");
      const { E2B_API_KEY, DAYTONA_API_KEY, FLY_API_TOKEN } = env as unknown as Record<
        string,
        string
      >;
      for (const secret of [key, E2B_API_KEY, DAYTONA_API_KEY, FLY_API_TOKEN]) {
        expect(secret).toBeTruthy();
        expect(said).not.toContain(secret);
      }
      expect(new Set(made.map((one) => one.key))).toEqual(new Set([key]));
      // Only the answer to the command that printed it has the machine's token.
      expect(made[0]?.body).not.toContain(token);
      value(await sessionOf(id).remove(ALICE));
    } finally {
      upstream.apiKey = before;
    }
  });

  it("goes on when the object of its session is lost, in the same process", async () => {
    const id = await claudeCode();
    const first = await bashIn(id, WHO);
    const message = aMessage(`${bash("echo x >> ran; sleep 2; wc -l < ran")}\n${bash(WHO)}\nend`);
    value(await sessionOf(id).send(ALICE, message));
    const isRunning = async () => (await eventsOf(id)).some(({ type }) => type === "tool.started");
    await eventually(isRunning);
    await scheduler.wait(500);
    await lose(id);
    await eventually(
      async () => value(await sessionOf(id).message(ALICE, message.id)).endedAt !== null,
    );
    const { result, numTurns } = value(await sessionOf(id).message(ALICE, message.id));
    expect(result).toMatch(/returned: 1\n/);
    expect(processIn(result)).toBe(processIn(first));
    expect(numTurns).toBe(3);
    value(await sessionOf(id).remove(ALICE));
  });

  it("wakes in another machine if its own is gone, with its conversation", async () => {
    const id = await claudeCode();
    await bashIn(id, "echo kept > file");
    await sleep(id);
    const before = await machineOf(id);
    await vendor.destroy(before);
    expect(await bashIn(id, "cat file")).toContain("kept");
    expect((await machineOf(id)).id).not.toBe(before.id);
    expect(made.at(-1)?.body).toContain("echo kept > file");
    value(await sessionOf(id).remove(ALICE));
  });
});
