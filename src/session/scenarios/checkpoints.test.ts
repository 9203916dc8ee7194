import { runDurableObjectAlarm } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  bashIn,
  createInContainer,
  loseBoth,
  losses,
  type Made,
  savedKeys,
} from "../../testing/container-sessions";
import {
  addFakeContainer,
  containerError,
  type FakeContainer,
  installFakeContainers,
  loseContainer,
} from "../../testing/fake-containers";
import { at, withoutPauses } from "../../testing/faults";
import { isSaved } from "../../testing/losses";
import {
  ALICE,
  aSpec,
  ask,
  call,
  eventsOf,
  lose,
  objectOf,
  read,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import type { SessionSpec } from "../rpc";
import { SAVE_PATIENCE_MS } from "../rules/container-state";

const MINUTE = 60_000;

beforeAll(installFakeContainers);
afterAll(() => {
  vi.restoreAllMocks();
});

const create = (
  changes: Partial<SessionSpec> = {},
  disturb: (machine: FakeContainer) => void = () => {},
): Promise<Made> => createInContainer({ pattern: "long-running", ...changes }, disturb);

/** Sends a command until it is answered: a request fails if its object is lost. */
async function insist(id: string, command: string, said: RegExp): Promise<string> {
  let answer = "";
  await until(async () => {
    answer = await bashIn(id, command).catch(() => "");
    return said.test(answer);
  });
  return answer;
}
const checkpoints = ({ machine }: Made) =>
  machine.steps.filter((step) => step === "checkpoint").length;
const wake = ({ id }: Made) => runDurableObjectAlarm(objectOf(id)).catch(() => {});

/** Waits until a checkpoint is complete, and the one before it is removed. */
async function saved(made: Made, count = 1): Promise<void> {
  await until(() => checkpoints(made) >= count);
  await until(() => isSaved(made.id));
  await until(async () => (await savedKeys(made.id)).length === 1);
}

describe("a session with a container", () => {
  it("saves its files after a message that may have changed them, and goes on with them after a loss", async () => {
    const made = await create();
    await bashIn(made.id, "mkdir d; cd d; echo one > a.txt");
    await saved(made);
    expect(await read(made.id)).toMatchObject({ status: "active", sandbox: { state: "ready" } });
    loseContainer(made.machine);
    expect(await bashIn(made.id, "cat a.txt")).toMatch(/lost.* with the files as they were at 20/);
    expect(await bashIn(made.id, "pwd; cat a.txt")).toMatch(/\/workspace\/d\s+one/);
    expect(await losses(made.id)).toMatchObject([{ savedAt: expect.stringMatching(/^20.*Z$/) }]);
    expect(made.machine.names).toHaveLength(2);
  });

  it("keeps one checkpoint, the last", async () => {
    const made = await create();
    await bashIn(made.id, "echo one > a.txt");
    await saved(made);
    const first = await savedKeys(made.id);
    await bashIn(made.id, "echo two > a.txt");
    await saved(made, 2);
    await until(async () => (await savedKeys(made.id))[0] !== first[0]);
    loseContainer(made.machine);
    await bashIn(made.id, "true");
    expect(await bashIn(made.id, "cat a.txt")).toContain("two");
  });

  it("takes none if nothing can have changed, if it is ephemeral, or while a message runs", async () => {
    const made = await create();
    await ask(made.id, "hello");
    await ask(made.id, '/Read {"file_path":"a.txt"}');
    const ephemeral = await create({ pattern: "ephemeral" });
    await bashIn(ephemeral.id, "echo one > a.txt");
    await until(() => ephemeral.machine.name === null);
    expect([checkpoints(made), checkpoints(ephemeral)]).toEqual([0, 0]);

    const asked = bashIn(made.id, "echo one > a.txt; sleep 0.3");
    await until(() => made.machine.steps.includes("run"));
    await scheduler.wait(100);
    expect(checkpoints(made)).toBe(0);
    await asked;
    await saved(made);
    const steps = made.machine.steps.length;
    await ask(made.id, "hello");
    await scheduler.wait(50);
    expect(made.machine.steps).toHaveLength(steps);
  });

  it("saves again what changes while a checkpoint is taken", async () => {
    const made = await create();
    let open = false;
    made.machine.before = (step) => (step === "checkpoint" ? until(() => open) : undefined);
    await bashIn(made.id, "echo one > a.txt");
    await until(() => checkpoints(made) === 1);
    const asked = bashIn(made.id, "echo two > a.txt");
    await until(() => made.machine.steps.filter((step) => step === "run").length === 2);
    open = true;
    await asked;
    await saved(made, 2);
    loseContainer(made.machine);
    await bashIn(made.id, "true");
    expect(await bashIn(made.id, "cat a.txt")).toContain("two");
  });

  it("tries again if a checkpoint fails or gives way, and answers messages meanwhile", async () => {
    await withoutPauses(async () => {
      const made = await create({}, (machine) => {
        machine.takesCheckpoints = false;
      });
      let left = 3;
      made.machine.before = (step) => {
        if (step === "checkpoint" && left-- > 0) throw containerError("the bucket is away");
      };
      expect(await bashIn(made.id, "echo one > a.txt; echo done")).toContain("done");
      expect(await bashIn(made.id, "cat a.txt")).toContain("one");
      made.machine.takesCheckpoints = true;
      await saved(made, 4);
      expect(await losses(made.id)).toEqual([]);
    });
  });

  it("notices with a checkpoint that its container is lost", async () => {
    const made = await create({}, (machine) => {
      machine.before = (step) => {
        if (step === "checkpoint") loseContainer(machine);
      };
    });
    await bashIn(made.id, "echo one > a.txt");
    await until(async () => (await losses(made.id)).length === 1);
    expect(await losses(made.id)).toMatchObject([{ savedAt: null }]);
    expect((await read(made.id)).sandbox.state).toBe("lost");
    made.machine.before = () => {};
    expect(await bashIn(made.id, "echo again")).toContain("again");
  });

  it("has the last checkpoint if its files can't be saved when it ends", async () => {
    await withoutPauses(async () => {
      const made = await create();
      await bashIn(made.id, "echo one > a.txt");
      await saved(made);
      made.machine.before = (step) => {
        if (step === "snapshot") throw containerError("the bucket is away");
      };
      value(await sessionOf(made.id).terminate(ALICE, "enough"));
      await until(async () => (await read(made.id)).sandbox.saveFailed !== undefined);
      await at(Date.now() + SAVE_PATIENCE_MS + 3 * MINUTE, async () => {
        await until(() => made.machine.name === null);
      });
      const spec = aSpec({ config: { resumeSessionId: made.id } });
      addFakeContainer(spec.id);
      value(await sessionOf(spec.id).create(ALICE, spec));
      expect(await bashIn(spec.id, "cat a.txt")).toContain("one");
    });
  });

  it("keeps the last checkpoint if its files are given up during the next one", async () => {
    const made = await create();
    await bashIn(made.id, "echo one > a.txt");
    await saved(made);
    const keys = await savedKeys(made.id);
    made.machine.before = (step) => (step === "checkpoint" ? scheduler.wait(50) : undefined);
    await bashIn(made.id, "echo two > a.txt");
    await until(() => checkpoints(made) === 2);
    const session = sessionOf(made.id);
    value(await session.terminate(ALICE, "enough", { discardWorkspace: true }));
    await until(() => made.machine.name === null);
    expect(await savedKeys(made.id)).toEqual(expect.arrayContaining(keys));
    const spec = aSpec({ config: { resumeSessionId: made.id } });
    addFakeContainer(spec.id);
    value(await sessionOf(spec.id).create(ALICE, spec));
    expect(await bashIn(spec.id, "cat a.txt")).toContain("one");
  });

  it("takes one while messages run if the last save is ten minutes old", async () => {
    const made = await create();
    const later = Date.now() + 11 * MINUTE;
    await bashIn(made.id, "echo one > a.txt");
    await saved(made);
    const asked = ask(made.id, `${call("Bash", { command: "echo two > a.txt" })}\n/delay 60000`);
    await until(() => made.machine.steps.filter((step) => step === "run").length === 2);
    await at(later, async () => {
      await runDurableObjectAlarm(objectOf(made.id));
      await until(() => checkpoints(made) === 2);
    });
    value(await sessionOf(made.id).interrupt(ALICE));
    await asked;
  });

  it.each<[string, (id: string) => Promise<unknown>, number]>([
    ["is terminated", (id) => sessionOf(id).terminate(ALICE, "enough"), 1],
    ["is deleted", (id) => sessionOf(id).remove(ALICE), 0],
  ])("leaves no container if it %s during a checkpoint", async (_, end, saves) => {
    const made = await create();
    made.machine.before = (step) => (step === "checkpoint" ? scheduler.wait(50) : undefined);
    await bashIn(made.id, "echo one > a.txt");
    await until(() => checkpoints(made) === 1);
    await end(made.id);
    await until(() => made.machine.name === null);
    await until(async () => (await savedKeys(made.id)).length === saves);
  });

  it.each<[string, "before" | "after", (made: Made) => unknown, boolean]>([
    ["its object is lost before", "before", ({ id }) => lose(id), true],
    ["its object is lost after", "after", ({ id }) => lose(id), true],
    ["its container is lost before", "before", ({ machine }) => loseContainer(machine), false],
    ["its container is lost after", "after", ({ machine }) => loseContainer(machine), false],
    ["both are lost before", "before", (made) => loseBoth(made), false],
    ["both are lost after", "after", (made) => loseBoth(made), false],
  ])(
    "has its files, or an event of their loss, if %s its checkpoint",
    async (_, moment, strike, isWhole) => {
      const made = await create();
      await bashIn(made.id, "echo one > a.txt");
      await saved(made);
      let [isDue, struck] = [true, false];
      made.machine[moment] = async (step) => {
        if (!isDue || step !== "checkpoint") return;
        isDue = false;
        // The answer to the message is under way.
        await scheduler.wait(20);
        struck = true;
        await strike(made);
        // A lost object does not continue.
        await scheduler.wait(20);
      };
      await bashIn(made.id, "echo two >> a.txt; touch b.txt");
      await until(() => struck);
      await scheduler.wait(30);
      await wake(made);
      const files = await insist(made.id, "cat a.txt", /one/);
      const told = await losses(made.id);
      expect(told.length).toBe(isWhole ? 0 : 1);
      if (isWhole) expect(files).toMatch(/one\s+two/);
      await bashIn(made.id, "echo more > c.txt");
      await until(async () => {
        await wake(made);
        return (await savedKeys(made.id)).length === 1;
      });
    },
  );
});

describe("a container that is about to be stopped", () => {
  const prepareStop = ({ id }: Made, name: string | null, isFinal = false) =>
    sessionOf(id).prepareStop(name ?? "", isFinal);

  it("is replaced by another with the same files, if no message runs", async () => {
    const made = await create();
    await bashIn(made.id, "mkdir d; cd d; echo one > a.txt");
    await saved(made);
    const { name } = made.machine;
    expect(await prepareStop(made, name)).toBe(true);
    await until(() => made.machine.names.length === 2);
    expect(await bashIn(made.id, "cat a.txt")).toContain("one");
    expect(await losses(made.id)).toEqual([]);
    expect(await prepareStop(made, name)).toBe(true);
    expect(made.machine.names).toHaveLength(2);
  });

  it("is kept until the running message has ended", async () => {
    const made = await create();
    await bashIn(made.id, "true");
    const { name } = made.machine;
    const asked = bashIn(
      made.id,
      "echo one > a.txt; until [ -e go ]; do sleep 0.05; done; echo done",
    );
    await until(() => made.machine.steps.filter((step) => step === "run").length === 2);
    const ready = prepareStop(made, name);
    await scheduler.wait(700);
    expect(made.machine.name).toBe(name);
    await made.machine.touch("/workspace/go");
    expect(await asked).toContain("done");
    expect(await ready).toBe(true);
    expect(await bashIn(made.id, "cat a.txt")).toContain("one");
    expect(await losses(made.id)).toEqual([]);
  });

  it("is saved as it is if the message does not end", async () => {
    const made = await create({}, (machine) => {
      machine.takesCheckpoints = false;
    });
    await bashIn(made.id, "echo one > a.txt");
    const asked = ask(made.id, "/delay 60000");
    await until(async () => (await eventsOf(made.id)).at(-1)?.type === "turn.started");
    expect(await prepareStop(made, made.machine.name, true)).toBe(true);
    loseContainer(made.machine);
    await sessionOf(made.id).interrupt(ALICE);
    await asked;
    expect(await bashIn(made.id, "cat a.txt")).toMatch(/lost.* with the files as they were at 20/);
    expect(await bashIn(made.id, "cat a.txt")).toContain("one");
    expect(await losses(made.id)).toHaveLength(1);
  });

  it("is not stopped while it is being saved", async () => {
    const made = await create();
    await bashIn(made.id, "echo one > a.txt");
    const { name } = made.machine;
    let open = false;
    made.machine.before = (step) => (step === "snapshot" ? until(() => open) : undefined);
    const first = prepareStop(made, name);
    await until(() => made.machine.steps.includes("snapshot"));
    let isOver = false;
    const last = prepareStop(made, name, true).finally(() => {
      isOver = true;
    });
    await scheduler.wait(600);
    expect(isOver).toBe(false);
    open = true;
    expect(await Promise.all([first, last])).toEqual([true, true]);
    expect(await bashIn(made.id, "cat a.txt")).toContain("one");
    expect(await losses(made.id)).toEqual([]);
  });

  it("may be stopped at once if its session has another or none", async () => {
    const made = await create();
    expect(await prepareStop(made, "another")).toBe(true);
    value(await sessionOf(made.id).remove(ALICE));
    expect(await prepareStop(made, made.machine.name, true)).toBe(true);
  });
});
