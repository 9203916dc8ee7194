import { runDurableObjectAlarm } from "cloudflare:test";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { bashIn } from "../../testing/container-sessions";
import { HAS_CONTAINERS } from "../../testing/containers";
import { anAccount } from "../../testing/e2b-account";
import { at } from "../../testing/faults";
import {
  faults,
  forEachSideBySide,
  type Outcome,
  outlineOf,
  plantFaults,
  play,
  type Scenario,
} from "../../testing/losses";
import { eventually, machineSessions } from "../../testing/machine-sessions";
import { answerMachines } from "../../testing/machines";
import {
  ALICE,
  aMessage,
  bash,
  lose,
  NO_LIMITS,
  objectOf,
  read,
  sessionOf,
  value,
} from "../../testing/sessions";
import { sandboxOptions } from "../machines";

// Sessions in machines of E2B's stand-in are lost: after each commit that concerns the machine, and while E2B does what
// they asked for.

vi.setConfig({ testTimeout: 60_000 });

const answering = answerMachines();
afterAll(() => answering.stop());
const { vendors = {} } = sandboxOptions.machines ?? {};
const before = { ...vendors };
afterEach(() => {
  Object.assign(vendors, before);
  vi.restoreAllMocks();
  faults.clear();
});

const stateOf = async (id: string) => (await read(id).catch(() => null))?.sandbox.state;
const alarm = (id: string) => runDurableObjectAlarm(objectOf(id)).catch(() => false);

const SLEEPS: Scenario = {
  spec: { pattern: "hybrid", limits: { ...NO_LIMITS, maxIdleTimeMs: 300 } },
  config: { sandbox: { provider: "e2b" } },
  prompts: [bash("echo one >> log; cat log"), bash("echo two >> log; cat log")],
  between: (id) =>
    eventually(async () => {
      await alarm(id);
      // One that was lost early may not have had a machine before it fell asleep.
      return ["suspended", "none"].includes((await stateOf(id)) ?? "");
    }, 50),
};

/** Commits that do not concern the machine. Other scenarios lose a session after them. */
const OTHERS =
  /^(turn|assistant|tool.completed|message.completed|message.received, session.started)/;
/** Events that a loss may add: another attempt to save the workspace. A session may fall asleep again before its end. */
const EXTRA = ["session.idled", "sandbox.unsaved"];

const comparable = (outcome: Outcome): Outcome => ({
  ...outcome,
  events: outcome.events.filter((event) => !EXTRA.includes(event)),
});

describe.runIf(HAS_CONTAINERS)("a session in a machine that is lost", () => {
  const { machinesOf } = machineSessions("e2b");

  async function remove(id: string): Promise<void> {
    await eventually(async () =>
      Boolean(
        await sessionOf(id)
          .remove(ALICE)
          .catch(() => null),
      ),
    );
    await eventually(async () => {
      await alarm(id);
      return (await machinesOf(id)).length === 0;
    });
  }

  it("after any commit ends like an undisturbed one, in one machine, and runs nothing twice", async () => {
    plantFaults();
    const { id, fault, outcome } = await play(SLEEPS, null, "everything");
    await remove(id);
    const undisturbed = comparable(outcome);
    expect(undisturbed.messages.map(({ result }) => result)).toEqual([
      expect.stringMatching(/returned: one$/),
      expect.stringMatching(/returned: one\ntwo$/),
    ]);
    const commits = [...fault.commits];
    const end = commits.indexOf("message.completed #2");
    const points = commits.slice(0, end).filter((point) => !OTHERS.test(point));
    let losses = 0;
    await forEachSideBySide(points, async (point) => {
      const one = await play(SLEEPS, point, "object before its next commit");
      if (one.fault.dead) losses += 1;
      const told = comparable(one.outcome);
      if (JSON.stringify(told).includes("its effect is unknown")) {
        // It was lost before the command began, or just after.
        expect(outlineOf(told), `lost after ${point}`).toEqual(outlineOf(undisturbed));
        expect(await bashIn(one.id, "cat log"), `lost after ${point}`).toMatch(
          /returned: (one|two|one\ntwo)$/,
        );
      } else expect(told, `lost after ${point}`).toEqual(undisturbed);
      expect(await machinesOf(one.id), `lost after ${point}`).toHaveLength(1);
      await remove(one.id);
    });
    // How many commits without an event there are may differ by some.
    expect(losses).toBeGreaterThan(points.length - 3);
  });
});

describe.runIf(HAS_CONTAINERS).each(["before", "after"] as const)(
  "a session that is lost %s E2B has done what it asked for",
  (when) => {
    const isDone = when === "after";

    /** Returns sessions in machines of an account that nobody else uses. */
    function ownAccount() {
      const account = anAccount();
      Object.assign(vendors, { e2b: account.vendor });
      const sessions = machineSessions("e2b");
      return {
        ...account,
        ...sessions,
        hang: (on: string) => account.inject({ on, when, do: "hang" }),
        /** Loses a session while its request hangs. */
        async loseDuring(id: string, call: string) {
          await eventually(async () => (await account.asked(call)).some(({ status }) => !status));
          await scheduler.wait(50);
          await lose(id);
        },
        async removed(id: string) {
          value(await sessionOf(id).remove(ALICE));
          await eventually(async () => (await account.machines()).length === 0);
        },
      };
    }

    it("has one machine, if that was to make it", async () => {
      const own = ownAccount();
      await own.hang("^POST /v2/sandboxes$");
      const id = await own.create();
      await own.loseDuring(id, "POST /v2/sandboxes");
      expect(await own.machines()).toHaveLength(isDone ? 1 : 0);
      expect(await bashIn(id, "echo x >> log; cat log")).toMatch(/returned: x$/);
      expect(await own.machines()).toHaveLength(1);
      await own.removed(id);
    });

    it("sleeps in its machine, if that was to suspend it", async () => {
      const own = ownAccount();
      const id = await own.create();
      await bashIn(id, "echo x >> log");
      const machine = await own.machineOf(id);
      await own.hang("/pause$");
      await at(Date.now() + 600_000, () => alarm(id));
      await own.loseDuring(id, `POST /sandboxes/${machine.id}/pause`);
      expect((await own.machineOf(id)).state).toBe(isDone ? "suspended" : "running");
      await eventually(async () => {
        await alarm(id);
        return (await own.machineOf(id)).state === "suspended";
      });
      expect(await bashIn(id, "echo y >> log; cat log")).toMatch(/returned: x\ny$/);
      expect(await own.machineOf(id)).toMatchObject({ id: machine.id, state: "running" });
      await own.removed(id);
    });

    it("goes on in its machine, if that was to wake it", async () => {
      const own = ownAccount();
      const id = await own.create();
      await bashIn(id, "echo x >> log");
      const machine = await own.machineOf(id);
      await own.sleep(id);
      await own.hang("/connect$");
      const message = aMessage(bash("echo y >> log"));
      value(await sessionOf(id).send(ALICE, message));
      await own.loseDuring(id, `POST /v2/sandboxes/${machine.id}/connect`);
      expect((await own.machineOf(id)).state).toBe(isDone ? "running" : "suspended");
      // The command had not begun: the agent hears that it was interrupted.
      expect(await bashIn(id, "echo z >> log; cat log")).toMatch(/returned: x\nz$/);
      expect(await own.machineOf(id)).toMatchObject({ id: machine.id, state: "running" });
      await own.removed(id);
    });

    it.each(["terminate", "remove"] as const)(
      "has no machine, if that was to destroy it: %s",
      async (end) => {
        const own = ownAccount();
        const id = await own.create();
        await bashIn(id, "echo x >> log");
        const machine = await own.machineOf(id);
        await own.hang("^DELETE /sandboxes/");
        const session = sessionOf(id);
        const ending =
          end === "remove" ? session.remove(ALICE) : session.terminate(ALICE, "enough");
        ending.catch(() => {});
        await own.loseDuring(id, `DELETE /sandboxes/${machine.id}`);
        expect(await own.machines()).toHaveLength(isDone ? 0 : 1);
        await eventually(async () => {
          await at(Date.now() + 60_000, () => alarm(id));
          return (await own.machines()).length === 0;
        });
      },
    );
  },
);
