import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  bashIn,
  createInContainer,
  loseBoth,
  losses,
  type Made,
  savedKeys,
} from "../../testing/container-sessions";
import { HAS_CONTAINERS, killContainer } from "../../testing/containers";
import {
  addFakeContainer,
  containerError,
  type FakeContainer,
  installFakeContainers,
  loseContainer,
  useRealContainer,
} from "../../testing/fake-containers";
import { at, withoutPauses } from "../../testing/faults";
import {
  ALICE,
  alarmOf,
  aMessage,
  aSpec,
  ask,
  eventsOf,
  lose,
  newSessionId,
  objectOf,
  read,
  sessionOf,
  tablesOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { MAX_ATTEMPTS } from "../container/lifecycle";
import { maintain } from "../maintenance";
import type { SessionSpec } from "../rpc";
import { SAVE_PATIENCE_MS } from "../rules/container-state";

const MINUTE = 60_000;
const IDLE_AFTER_A_MINUTE = {
  maxIdleTimeMs: MINUTE,
  maxLifetimeMs: null,
  maxBudgetNanos: null,
  maxTurns: null,
};

beforeAll(installFakeContainers);
afterAll(() => {
  vi.restoreAllMocks();
});

/** Creates a session with a container, which takes no checkpoints. `disturb` gets its sandbox before the session does. */
const create = (
  changes: Partial<SessionSpec> = {},
  disturb: (machine: FakeContainer) => void = () => {},
): Promise<Made> =>
  createInContainer({ pattern: "hybrid", limits: IDLE_AFTER_A_MINUTE, ...changes }, (machine) => {
    machine.takesCheckpoints = false;
    disturb(machine);
  });

const sandboxState = async (id: string) => (await read(id)).sandbox.state;
const comesToBe = (id: string, state: string) =>
  until(async () => (await sandboxState(id)) === state);
const discard = (id: string) =>
  sessionOf(id).terminate(ALICE, "enough", { discardWorkspace: true });

/** Makes the session idle. */
async function idle(id: string): Promise<void> {
  await at(Date.now() + 2 * MINUTE, () => runDurableObjectAlarm(objectOf(id)));
}

/** Makes a session with files idle, and waits until its container is released. */
async function sleep(id: string): Promise<void> {
  await idle(id);
  await comesToBe(id, "suspended");
  await until(async () => !(await sessionOf(id).needsContainer(id)));
}

describe("a session whose sandbox is a container", () => {
  it("is initializing until its container has started, and then active", async () => {
    let open = false;
    const { id } = await create({}, (machine) => {
      machine.before = () => until(() => open);
    });
    expect(await read(id)).toMatchObject({
      status: "initializing",
      sandbox: { state: "starting" },
    });
    expect(await sessionOf(id).needsContainer(id)).toBe(true);
    open = true;
    await comesToBe(id, "ready");
    expect(await read(id)).toMatchObject({ status: "active" });
    expect(await typesOf(id)).toEqual(["session.created", "session.started"]);
    expect(await sessionOf(id).needsContainer(id)).toBe(true);
  });

  it("calls the model before the container has started, and its tools wait for it", async () => {
    let open = false;
    const { id } = await create({}, (machine) => {
      machine.before = () => until(() => open);
    });
    const asked = bashIn(id, "echo done");
    await until(async () => (await typesOf(id)).includes("tool.started"));
    expect(await read(id)).toMatchObject({ status: "active", sandbox: { state: "starting" } });
    open = true;
    expect(await asked).toContain("done");
  });

  it("starts no container for messages that need no files", async () => {
    const { id, machine } = await create({}, (machine) => {
      machine.before = () => new Promise(() => {});
    });
    expect((await ask(id, "hello")).status).toBe("completed");
    expect(machine.name).toBeNull();
  });

  it("retries a failed start, after removing what the attempt left", async () => {
    const { id, machine } = await withoutPauses(async () => {
      let left = 3;
      const made = await create({}, (machine) => {
        machine.before = (step) => {
          if (step === "start" && left-- > 0) throw containerError("there is no room");
        };
      });
      await comesToBe(made.id, "ready");
      return made;
    });
    expect(machine.steps.join(" ")).toBe("start destroy start destroy start destroy start");
    expect((await read(id)).status).toBe("active");
  });

  it.each<[string, () => Promise<never>, RegExp]>([
    ["fails", () => Promise.reject(containerError("there is no room")), /there is no room/],
    ["hangs", () => new Promise(() => {}), /did not answer for 120 seconds/],
  ])("ends with an error if every start %s", async (_, fault, message) => {
    await withoutPauses(async () => {
      const { id, machine } = await create({}, (machine) => {
        machine.before = (step) => (step === "start" ? fault() : undefined);
      });
      await until(async () => (await read(id)).status === "error");
      const session = await read(id);
      expect(session.error).toMatchObject({ type: "unavailable_error" });
      expect(session.error?.message).toMatch(message);
      expect(machine.steps.filter((step) => step === "start")).toHaveLength(MAX_ATTEMPTS);
      await comesToBe(id, "none");
      expect(machine.steps.at(-1)).toBe("destroy");
      expect((await typesOf(id)).at(-1)).toBe("session.failed");
      expect(await sessionOf(id).needsContainer(id)).toBe(false);
    }, 1 / 5_000);
  });

  it("does not retry a start that can't succeed", async () => {
    const { id, machine } = await create({}, (machine) => {
      machine.before = (step) => {
        if (step === "start") throw containerError("there is no such image", false);
      };
    });
    await until(async () => (await read(id)).status === "error");
    expect(machine.steps.filter((step) => step === "start")).toHaveLength(1);
  });

  it("returns an error to its agent if the container can't start, and tries again with the next call", async () => {
    await withoutPauses(async () => {
      let broken = true;
      const { id } = await create({}, (machine) => {
        machine.before = (step) => {
          if (broken && step === "start") throw containerError("there is no room");
        };
      });
      const message = await ask(id, '/Bash {"command":"echo done"}');
      expect(message).toMatchObject({ status: "completed" });
      const told = (await eventsOf(id)).find(({ type }) => type === "tool.completed");
      expect(told).toMatchObject({
        isError: true,
        content:
          "The sandbox could not do this: its machine could not be started: there is no room. It may work when tried again.",
      });
      expect((await read(id)).status).toBe("active");
      broken = false;
      expect(await bashIn(id, "echo done")).toContain("done");
    });
  });

  it("limits how long a call waits for the container", async () => {
    await withoutPauses(async () => {
      const { id } = await create({}, (machine) => {
        machine.before = () => new Promise(() => {});
      });
      await ask(id, '/Bash {"command":"echo done"}');
      const told = (await eventsOf(id)).find(({ type }) => type === "tool.completed");
      expect(told).toMatchObject({
        content: expect.stringContaining("its machine is still starting"),
      });
    });
  });

  it("starts its container even if the object is lost meanwhile", async () => {
    const { id, machine } = await create({}, (machine) => {
      machine.before = (step) => (step === "start" ? new Promise(() => {}) : undefined);
    });
    await until(() => machine.steps.length > 0);
    await lose(id);
    machine.before = () => {};
    await runDurableObjectAlarm(objectOf(id));
    await comesToBe(id, "ready");
    expect(machine.steps).toEqual(["start", "destroy", "start"]);
  });

  it("stops a command that waits for the container, so that it never runs", async () => {
    let open = false;
    const { id } = await create({}, (machine) => {
      machine.before = () => until(() => open);
    });
    const asked = bashIn(id, "touch never");
    await until(async () => (await typesOf(id)).includes("tool.started"));
    const before = Date.now();
    await sessionOf(id).interrupt(ALICE);
    expect(Date.now() - before).toBeLessThan(1_000);
    await asked;
    open = true;
    expect(await bashIn(id, "ls -a; echo '[end]'")).not.toContain("never");
  });
});

describe("a container that is lost", () => {
  it("during a command is reported to the agent and by one event, and replaced by a new one", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    const asked = ask(id, '/Bash {"command":"sleep 60"} & /Read {"file_path":"a.txt"}');
    await until(() => machine.steps.filter((step) => step === "run").length === 2);
    loseContainer(machine);
    const { result } = await asked;
    expect(result).toContain(
      "its machine is lost, and every file in it. A new, empty one takes its place",
    );
    expect(await losses(id)).toMatchObject([{ savedAt: null, messageId: expect.any(String) }]);
    expect(await bashIn(id, "ls; echo '[end]'")).not.toContain("a.txt");
    expect(machine.names).toHaveLength(2);
    expect(await losses(id)).toHaveLength(1);
    expect((await read(id)).status).toBe("active");
  });

  it("leaves no agent in a directory that the new one lacks", async () => {
    const { id, machine } = await create();
    await bashIn(id, "mkdir d; cd d");
    expect(await bashIn(id, "pwd")).toContain("/workspace/d");
    loseContainer(machine);
    await bashIn(id, "pwd");
    expect(await bashIn(id, "pwd")).toMatch(/\/workspace$/);
  });

  it("after an idle time leaves an agent in its directory, if that was saved", async () => {
    const { id } = await create();
    await bashIn(id, "mkdir d; cd d");
    await sleep(id);
    expect(await bashIn(id, "pwd; cd /tmp")).toContain("/workspace/d");
    await sleep(id);
    expect(await bashIn(id, "pwd")).toMatch(/\/workspace$/);
  });

  it("between two commands is reported by the next one", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    loseContainer(machine);
    expect(await sandboxState(id)).toBe("ready");
    expect(await bashIn(id, "cat a.txt")).toContain("its machine is lost");
    expect(await bashIn(id, "echo again")).toContain("again");
    expect(await losses(id)).toHaveLength(1);
  });

  it("and can't be released either is abandoned, and its loss reported once", async () => {
    await withoutPauses(async () => {
      const { id, machine } = await create();
      await bashIn(id, "echo one > a.txt");
      loseContainer(machine);
      machine.before = (step) => {
        if (step === "destroy") throw containerError("the host is away");
      };
      expect(await bashIn(id, "cat a.txt")).toContain("its machine is lost");
      await until(() => machine.steps.filter((step) => step === "destroy").length === MAX_ATTEMPTS);
      await until(async () => !(await sessionOf(id).needsContainer(id)));
      expect(await losses(id)).toHaveLength(1);
      machine.before = () => {};
      expect(await bashIn(id, "echo again")).toContain("again");
      expect(machine.steps.slice(-3)).toEqual(["destroy", "start", "run"]);
    });
  });

  it("before its files were changed is replaced without an error for a read", async () => {
    const { id, machine } = await create();
    await comesToBe(id, "ready");
    loseContainer(machine);
    await ask(id, '/Read {"file_path":"a.txt"}');
    const told = (await eventsOf(id)).find(({ type }) => type === "tool.completed");
    expect(told).toMatchObject({ content: expect.stringContaining("a.txt") });
    expect(told).toMatchObject({ content: expect.not.stringContaining("lost") });
    expect(await losses(id)).toEqual([]);
    expect(machine.names).toHaveLength(2);
  });

  it("after an idle time is replaced by one with the files that were saved", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    await sleep(id);
    await bashIn(id, "echo two > a.txt");
    loseContainer(machine);
    expect(await bashIn(id, "cat a.txt")).toMatch(/lost.* with the files as they were at 20/);
    expect(await bashIn(id, "cat a.txt")).toContain("one");
    expect(await losses(id)).toMatchObject([{ savedAt: expect.stringMatching(/^20.*Z$/) }]);
  });
});

describe("a hybrid session that becomes idle", () => {
  it("keeps its files without a container, and has them for its next message", async () => {
    const { id, machine } = await create();
    await bashIn(id, "mkdir d; echo one > d/a.txt");
    await sleep(id);
    expect(await read(id)).toMatchObject({ status: "idle", sandbox: { state: "suspended" } });
    expect(machine.name).toBeNull();
    expect(await bashIn(id, "cat d/a.txt")).toContain("one");
    expect(machine.steps.join(" ")).toBe("start run snapshot destroy start restore run");
    expect((await typesOf(id)).filter((type) => type.startsWith("session."))).toEqual([
      "session.created",
      "session.started",
      "session.idled",
      "session.resumed",
    ]);
  });

  it("saves nothing if no file was changed, and otherwise replaces the earlier save", async () => {
    const { id, machine } = await create();
    await comesToBe(id, "ready");
    await idle(id);
    await comesToBe(id, "none");
    await bashIn(id, "echo one > a.txt");
    await sleep(id);
    const saved = await savedKeys(id);
    await ask(id, '/Read {"file_path":"a.txt"}');
    await sleep(id);
    expect(await savedKeys(id)).toEqual(saved);
    await bashIn(id, "echo two > a.txt");
    await sleep(id);
    await until(async () => (await savedKeys(id)).length === saved.length);
    expect(await savedKeys(id)).not.toEqual(saved);
    expect(machine.steps.filter((step) => step === "snapshot")).toHaveLength(2);
    expect(await bashIn(id, "cat a.txt")).toContain("two");
  });

  it("runs a message that arrives during the save, in a new container", async () => {
    let open = false;
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    machine.before = (step) => (step === "snapshot" ? until(() => open) : undefined);
    await idle(id);
    await until(() => machine.steps.includes("snapshot"));
    expect(await sandboxState(id)).toBe("saving");
    const asked = bashIn(id, "cat a.txt");
    await until(
      async () => (await typesOf(id)).filter((type) => type === "tool.started").length > 1,
    );
    open = true;
    expect(await asked).toContain("one");
    expect(machine.names).toHaveLength(2);
  });

  it.each<[string, (made: Made) => Promise<unknown>]>([
    ["its object is lost", ({ id }) => lose(id)],
    ["it fails", () => Promise.reject(containerError("the bucket is away"))],
  ])("goes on with a restore in the same container after %s", async (_, strike) => {
    await withoutPauses(async () => {
      const made = await create();
      await bashIn(made.id, "echo one > a.txt");
      await sleep(made.id);
      let struck = false;
      made.machine.before = async (step) => {
        if (struck || step !== "restore") return;
        struck = true;
        await strike(made);
        await scheduler.wait(20);
      };
      await bashIn(made.id, "true").catch(() => {});
      await runDurableObjectAlarm(objectOf(made.id));
      await until(async () => /one/.test(await bashIn(made.id, "cat a.txt").catch(() => "")));
      expect(made.machine.steps.join(" ")).toContain("destroy start restore restore run");
      expect(made.machine.names).toHaveLength(2);
    });
  });

  it("restores in a new container after three failures in one", async () => {
    await withoutPauses(async () => {
      const { id, machine } = await create();
      await bashIn(id, "echo one > a.txt");
      await sleep(id);
      let left = 3;
      machine.before = (step) => {
        if (step === "restore" && left-- > 0) throw containerError("the disk is broken");
      };
      expect(await bashIn(id, "cat a.txt")).toContain("one");
      const again = "start restore restore restore destroy start restore run";
      expect(machine.steps.join(" ")).toContain(again);
    });
  });

  it("keeps the saved workspace as long as it is idle", async () => {
    const { id } = await create();
    await bashIn(id, "echo one > a.txt");
    await sleep(id);
    await at(Date.now() + 400 * 86_400_000, () => maintain(env, Date.now()));
    expect(await bashIn(id, "cat a.txt")).toContain("one");
  });

  it("whose files can't be saved keeps its container for an hour, says so, and then reports their loss", async () => {
    await withoutPauses(async () => {
      const { id, machine } = await create();
      await bashIn(id, "echo one > a.txt");
      machine.before = (step) => {
        if (step === "snapshot") throw containerError("the bucket is away");
      };
      await idle(id);
      const saves = () => machine.steps.filter((step) => step === "snapshot").length;
      await until(() => saves() > MAX_ATTEMPTS);
      expect((await read(id)).sandbox).toMatchObject({
        state: "saving",
        saveFailed: { message: "the bucket is away" },
      });
      const events = await eventsOf(id);
      expect(events.filter(({ type }) => type === "sandbox.unsaved").length).toBeGreaterThan(1);
      expect(machine.name).not.toBeNull();
      await at(Date.now() + SAVE_PATIENCE_MS + 3 * MINUTE, async () => {
        await comesToBe(id, "lost");
        expect(await losses(id)).toMatchObject([{ savedAt: null }]);
        await until(() => machine.name === null);
      });
      expect((await read(id)).sandbox).not.toHaveProperty("saveFailed");
      expect(await bashIn(id, "ls; echo '[end]'")).not.toContain("a.txt");
    });
  });

  it.each(["its object is lost", "nothing is lost"])(
    "saves its files as soon as that works again (%s meanwhile)",
    async (loss) => {
      await withoutPauses(async () => {
        const { id, machine } = await create();
        await bashIn(id, "echo one > a.txt");
        let isAway = true;
        machine.before = (step) => {
          if (step === "snapshot" && isAway) throw containerError("the bucket is away");
        };
        await idle(id);
        await until(async () => (await typesOf(id)).includes("sandbox.unsaved"));
        if (loss === "its object is lost") await lose(id);
        isAway = false;
        await until(async () => {
          await runDurableObjectAlarm(objectOf(id));
          return (await sandboxState(id)) === "suspended";
        });
        expect(await bashIn(id, "cat a.txt")).toContain("one");
        expect(await losses(id)).toEqual([]);
      });
    },
  );

  it("goes on in its container when a message comes between two attempts to save it", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    machine.before = (step) => {
      if (step === "snapshot") throw containerError("the bucket is away");
    };
    await idle(id);
    await until(async () => (await typesOf(id)).includes("sandbox.unsaved"));
    expect(await bashIn(id, "cat a.txt")).toContain("one");
    expect(await losses(id)).toEqual([]);
    expect(machine.names).toHaveLength(1);
  });

  it.each(["a running", "an ended"])(
    "gives up files that nobody wants when %s session is terminated with discardWorkspace",
    async (which) => {
      await withoutPauses(async () => {
        const { id, machine } = await create();
        await bashIn(id, "echo one > a.txt");
        machine.before = (step) => {
          if (step === "snapshot") throw containerError("the bucket is away");
        };
        const session = sessionOf(id);
        if (which === "an ended") {
          value(await session.terminate(ALICE, "done"));
          await until(async () => (await read(id)).sandbox.saveFailed !== undefined);
        }
        value(await session.terminate(ALICE, "done", { discardWorkspace: true }));
        await until(() => machine.name === null);
        await comesToBe(id, "none");
        expect((await read(id)).sandbox).not.toHaveProperty("saveFailed");
        expect(await savedKeys(id)).toEqual([]);
      });
    },
  );

  it("keeps a container that can't be saved if it is requested again", async () => {
    await withoutPauses(async () => {
      const { id, machine } = await create();
      await bashIn(id, "echo one > a.txt");
      let open = false;
      machine.before = async (step) => {
        if (step !== "snapshot") return;
        await until(() => open);
        throw containerError("the bucket is away");
      };
      await idle(id);
      await until(() => machine.steps.includes("snapshot"));
      const asked = bashIn(id, "cat a.txt");
      await until(async () => (await read(id)).status === "active");
      open = true;
      expect(await asked).toContain("one");
      expect(await losses(id)).toEqual([]);
    });
  });

  it.each<[string, "before" | "after", (made: Made) => unknown, boolean]>([
    ["its object is lost before", "before", ({ id }) => lose(id), true],
    ["its object is lost after", "after", ({ id }) => lose(id), true],
    ["its container is lost before", "before", ({ machine }) => loseContainer(machine), false],
    ["its container is lost after", "after", ({ machine }) => loseContainer(machine), false],
    ["both are lost before", "before", (made) => loseBoth(made), false],
    ["both are lost after", "after", (made) => loseBoth(made), false],
  ])(
    "has its files or an event of their loss if %s any step",
    async (_, moment, lose, whole) => {
      const undisturbed = await create();
      await round(undisturbed, () => {});
      const steps = [...undisturbed.machine.steps];
      expect(steps.join(" ")).toBe("start run snapshot destroy start restore readFile");
      for (let n = 3; n <= steps.length; n++) {
        const where = `${moment} ${steps[n - 1]}`;
        const made = await create();
        let struck = false;
        await round(made, (machine) => {
          machine[moment] = async () => {
            if (struck || machine.steps.length !== n) return;
            struck = true;
            await lose(made);
            // A lost object does not continue.
            await scheduler.wait(20);
          };
        });
        expect(struck, where).toBe(true);
        const files = await bashIn(made.id, "cat a.txt; ls | wc -l");
        const told = await losses(made.id);
        if (whole) expect(told, where).toEqual([]);
        if (told.length === 0) expect(files, where).toMatch(/one\s+1/);
        expect(told.length, where).toBeLessThan(2);
        await bashIn(made.id, "echo more > b.txt");
        await sleep(made.id);
        await until(async () => new Set((await savedKeys(made.id)).map(saveOf)).size === 1);
      }
    },
    60_000,
  );

  const saveOf = (key: string) => key.split("/")[2];

  /** Writes a file, becomes idle and is resumed. It is disturbed from the moment it should become idle. */
  async function round(
    { id, machine }: Made,
    disturb: (machine: FakeContainer) => void,
  ): Promise<void> {
    await bashIn(id, "echo one > a.txt");
    disturb(machine);
    await idle(id).catch(() => {});
    await until(async () => {
      await runDurableObjectAlarm(objectOf(id)).catch(() => {});
      return machine.name === null && (await isIdle(id));
    });
    const request = aMessage('/Read {"file_path":"a.txt"}');
    await until(async () => {
      const sent = await sessionOf(id)
        .send(ALICE, request)
        .catch(() => null);
      return sent?.ok === true && sent.value.endedAt !== null;
    });
  }

  const isIdle = async (id: string) =>
    /^(suspended|lost|none)$/.test(await sandboxState(id).catch(() => ""));
});

describe("a session that ends", () => {
  it("saves its files, releases its container, and can be resumed with them", async () => {
    const { id, machine } = await create({ pattern: "long-running" });
    await bashIn(id, "echo one > a.txt");
    expect(value(await sessionOf(id).terminate(ALICE, "enough"))).toMatchObject({
      status: "terminated",
    });
    const spec = aSpec({ config: { resumeSessionId: id } });
    const next = addFakeContainer(spec.id);
    value(await sessionOf(spec.id).create(ALICE, spec));
    expect(machine.name).toBeNull();
    expect(machine.steps.join(" ")).toBe("start run snapshot destroy");
    expect(await bashIn(spec.id, "cat a.txt")).toContain("one");
    expect(next.steps.join(" ")).toMatch(/^start restore run/);
    expect(await sessionOf(id).needsContainer(id)).toBe(false);
    expect((await typesOf(id)).at(-1)).toBe("session.terminated");
  });

  it("saves only after its running commands have ended", async () => {
    const { id, machine } = await create();
    const asked = bashIn(id, "echo one > a.txt; sleep 60; echo two > a.txt");
    await until(() => machine.steps.includes("run"));
    const over: string[] = [];
    machine.before = (step) => {
      if (step === "snapshot") over.push("saves");
      return step === "kill" ? scheduler.wait(50) : undefined;
    };
    machine.after = (step) => {
      over.push(step);
    };
    value(await sessionOf(id).terminate(ALICE, "enough"));
    await asked;
    await comesToBe(id, "suspended");
    expect(over.indexOf("run")).toBeLessThan(over.indexOf("saves"));
  });

  it("continues its save and release after a loss of the object", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    machine.before = (step) => (step === "snapshot" ? new Promise(() => {}) : undefined);
    value(await sessionOf(id).terminate(ALICE, "enough"));
    await until(() => machine.steps.includes("snapshot"));
    await lose(id);
    machine.before = () => {};
    await runDurableObjectAlarm(objectOf(id));
    await comesToBe(id, "suspended");
    await until(() => machine.name === null);
  });

  it("reports that its files are lost if they could not be saved", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    loseContainer(machine);
    value(await sessionOf(id).terminate(ALICE, "enough"));
    await comesToBe(id, "lost");
    expect((await typesOf(id)).at(-1)).toBe("session.terminated");
  });

  it.each<[string, SessionSpec["pattern"], (id: string) => Promise<unknown>]>([
    ["terminated", "hybrid", (id) => sessionOf(id).terminate(ALICE, "enough")],
    ["terminated, with its files discarded", "hybrid", (id) => discard(id)],
    ["terminated while ephemeral", "ephemeral", (id) => sessionOf(id).terminate(ALICE, "enough")],
    ["deleted", "hybrid", (id) => sessionOf(id).remove(ALICE)],
  ])(
    "ends a running command before its container is destroyed, and starts no other, when it is %s",
    async (_, pattern, end) => {
      const { id, machine } = await create({ pattern });
      let running = false;
      machine.after = (step) => {
        if (step === "run") running = false;
      };
      machine.before = (step) => {
        if (step === "run") running = true;
        if (step === "destroy") expect(running).toBe(false);
      };
      const asked = bashIn(id, "sleep 100").catch(() => {});
      await until(() => running);
      await end(id);
      await until(() => machine.name === null);
      await asked;
      expect(machine.steps.filter((step) => step === "start")).toHaveLength(1);
      expect(machine.steps.filter((step) => step === "kill")).toHaveLength(1);
      expect(machine.steps.at(-1)).toBe("destroy");
    },
  );

  it("leaves no workspace if it was ephemeral", async () => {
    const { id, machine } = await create({ pattern: "ephemeral" });
    await bashIn(id, "echo one > a.txt");
    await until(() => machine.name === null);
    expect(machine.steps.join(" ")).toBe("start run destroy");
    expect(await savedKeys(id)).toEqual([]);
    expect(await sandboxState(id)).toBe("none");
  });

  it("during the start releases the container", async () => {
    let open = false;
    const { id, machine } = await create({}, (machine) => {
      machine.before = () => until(() => open);
    });
    value(await sessionOf(id).terminate(ALICE, "enough"));
    open = true;
    await comesToBe(id, "none");
    await until(() => machine.steps.at(-1) === "destroy" && machine.name === null);
  });
});

describe("a session that is deleted", () => {
  it.each<[string, (made: Made) => Promise<unknown>]>([
    ["with a container", ({ id }) => bashIn(id, "echo one > a.txt")],
    [
      "in the idle state",
      async ({ id }) => {
        await bashIn(id, "echo one > a.txt");
        await sleep(id);
      },
    ],
    [
      "while its container is being saved",
      async ({ id, machine }) => {
        await bashIn(id, "echo one > a.txt");
        machine.before = (step) => (step === "snapshot" ? scheduler.wait(50) : undefined);
        await idle(id);
        await until(() => machine.steps.includes("snapshot"));
      },
    ],
    [
      "while its container is starting",
      async ({ id, machine }) => {
        loseContainer(machine);
        await bashIn(id, "echo lost");
        machine.before = (step) => (step === "start" ? scheduler.wait(50) : undefined);
        value(await sessionOf(id).send(ALICE, aMessage('/Bash {"command":"ls"}')));
        await until(() => machine.steps.filter((step) => step === "start").length === 2);
      },
    ],
  ])("%s leaves neither a container nor a saved workspace", async (_, prepare) => {
    const made = await create();
    await prepare(made);
    value(await sessionOf(made.id).remove(ALICE));
    await until(async () => (await sessionOf(made.id).needsContainer(made.id)) === false);
    await until(() => made.machine.name === null);
    await until(async () => (await savedKeys(made.id)).length === 0);
    expect((await sessionOf(made.id).read(ALICE)).ok).toBe(false);
  });

  it("retries to destroy its container if that fails at first", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    machine.before = (step) => {
      if (step === "destroy") throw containerError("the host is away");
    };
    value(await sessionOf(id).remove(ALICE));
    expect(machine.name).not.toBeNull();
    machine.before = () => {};
    await at(Date.now() + MINUTE, () => runDurableObjectAlarm(objectOf(id)));
    await until(() => machine.name === null);
  });
});

describe("a session that has no container at the moment", () => {
  it("can be forked and snapshotted without starting one", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    await sleep(id);
    const before = machine.steps.length;
    const spec = aSpec({ config: { resumeSessionId: id, forkSession: true } });
    addFakeContainer(spec.id);
    value(await sessionOf(spec.id).create(ALICE, spec));
    const snapshot = value(await sessionOf(id).snapshot(ALICE));
    expect(snapshot.sizeBytes).toBeGreaterThan(1_000);
    const other = aSpec({ config: { snapshotId: snapshot.id } });
    addFakeContainer(other.id);
    value(await sessionOf(other.id).create(ALICE, other));
    expect(machine.steps).toHaveLength(before);
    for (const made of [spec.id, other.id, id]) {
      expect(await bashIn(made, "cat a.txt")).toContain("one");
    }
  });

  it("has an empty workspace for other sessions if it was never used", async () => {
    const { id, machine } = await create();
    await comesToBe(id, "ready");
    const { id: snapshotId } = value(await sessionOf(id).snapshot(ALICE));
    const spec = aSpec({ config: { snapshotId } });
    addFakeContainer(spec.id);
    value(await sessionOf(spec.id).create(ALICE, spec));
    expect(await bashIn(spec.id, "ls -A | wc -l")).toContain("0");
    expect(machine.steps).toEqual(["start"]);
  });

  it("can start from a session with a running container, without releasing that", async () => {
    const { id, machine } = await create();
    await bashIn(id, "echo one > a.txt");
    const spec = aSpec({ config: { resumeSessionId: id } });
    value(await sessionOf(spec.id).create(ALICE, spec));
    expect(machine.steps.join(" ")).toBe("start run snapshot");
    expect(machine.name).not.toBeNull();
    expect(await bashIn(spec.id, "cat a.txt")).toContain("one");
  });
});

describe("a container that asks whether it is needed", () => {
  it("is not needed by a session that does not exist, and leaves no storage for it", async () => {
    const id = newSessionId();
    expect(await sessionOf(id).needsContainer(id)).toBe(false);
    expect(await tablesOf(objectOf(id))).toEqual([]);
    expect(await alarmOf(objectOf(id))).toBeNull();
  });
});

describe("a session in a container", () => {
  it.runIf(HAS_CONTAINERS)(
    "keeps its files while idle, and reports their loss if it is killed during a command",
    async () => {
      const id = newSessionId();
      await useRealContainer(id);
      const spec = aSpec({ id, pattern: "hybrid", limits: IDLE_AFTER_A_MINUTE });
      value(await sessionOf(id).create(ALICE, spec));
      await bashIn(id, "echo one > a.txt; echo started");
      await sleep(id);
      expect(await bashIn(id, "cat a.txt")).toContain("one");

      const asked = bashIn(id, "touch here; sleep 30");
      await scheduler.wait(700);
      await killContainer(id);
      expect(await asked).toContain("its machine is lost");
      expect(await losses(id)).toHaveLength(1);
      expect(await bashIn(id, "cat a.txt; ls")).toMatch(/one\s+a.txt$/);
      value(await sessionOf(id).remove(ALICE));
    },
    20_000,
  );
});
