import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { withoutPauses } from "../../testing/faults";
import { faults, outlineOf, plantFaults, play, type Scenario } from "../../testing/losses";
import {
  ALICE,
  ask,
  bash,
  call,
  createSession,
  lose,
  sessionOf,
  value,
} from "../../testing/sessions";
import type { SessionConfig } from "../rpc";

// Claude Code keeps its conversation after a loss of the object, the container, or both, and in another session.

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());
afterEach(() => faults.clear());

const claudeCode = (config: SessionConfig = {}) =>
  createSession({ config: { ...config, runtime: "claude-code" } });
const told = (id: string) => JSON.stringify(containerOf(id).sent.at(-1)?.messages);

describe("a resumed session of Claude Code", () => {
  it.each([true, false])(
    "continues the conversation of the first one (fork: %s)",
    async (forkSession) => {
      const first = await claudeCode();
      await ask(first, `${bash("echo once > file")}\nthe first`);
      const id = await claudeCode({ resumeSessionId: first, forkSession });
      const message = await ask(id, `${bash("cat file")}\nthe second`);
      expect(message.result).toContain("once");
      expect(told(id)).toMatch(/the first.*the second/s);
      const ids = await Promise.all(
        [first, id].map(async (name) => value(await sessionOf(name).read(ALICE)).sessionId),
      );
      expect(ids[0] === ids[1]).toBe(!forkSession);
      // Its transcript is named after its own `sessionId`.
      const [program] = containerOf(id).programs.values();
      expect(program?.transcriptPath).toContain(String(ids[1]).replace("sdk_sess_", ""));
    },
  );

  it("starts from a snapshot, without later messages", async () => {
    const first = await claudeCode();
    await ask(first, "before");
    const snapshot = value(await sessionOf(first).snapshot(ALICE));
    await ask(first, "afterwards");
    const id = await claudeCode({ snapshotId: snapshot.id });
    await ask(id, "here");
    expect(told(id)).toMatch(/before.*here/s);
    expect(told(id)).not.toContain("afterwards");
  });

  it("with the runtime of the loop has the conversation", async () => {
    const first = await claudeCode();
    await ask(first, `${bash("echo out")}\nthe first`);
    const id = await createSession({ config: { resumeSessionId: first } });
    const message = await ask(id, "the second");
    expect(message).toMatchObject({ status: "completed", stopReason: "end_turn" });
  });

  it("can't continue a conversation of the loop", async () => {
    const first = await createSession();
    await ask(first, "hi");
    const spec = { runtime: "claude-code", resumeSessionId: first } as const;
    await expect(createSession({ config: spec })).rejects.toThrow(
      "a conversation that it has not had",
    );
  });
});

const TASK = call("Agent", {
  subagent_type: "writer",
  prompt: `${bash("echo once >> log")}\nwritten`,
});
const SCENARIO: Scenario = {
  config: { runtime: "claude-code", customAgents: { writer: {} } },
  prompts: [
    `${TASK}\n${bash("echo once >> log; echo said")}\nall is done`,
    `${bash("cat log")}\nthat is all`,
  ],
  async lose(id, loss) {
    if (loss === "everything") containerOf(id).replace();
    void lose(id);
  },
};

describe("a session of Claude Code whose object is lost", () => {
  it("after any commit ends like an undisturbed one", async () => {
    const planted = plantFaults();
    try {
      const { fault, outcome: undisturbed } = await play(SCENARIO, null, "object at once");
      expect(undisturbed.messages).toMatchObject([{ numTurns: 5 }, { numTurns: 2 }]);
      for (const point of fault.commits) {
        const { outcome } = await play(SCENARIO, point, "object at once");
        expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      }
    } finally {
      planted();
    }
  }, 60_000);

  it("together with its container ends its message, and keeps its conversation", async () => {
    const planted = plantFaults();
    try {
      const { fault } = await play(SCENARIO, null, "object at once");
      const points = [...fault.commits].filter((_, index) => index % 3 === 0);
      for (const point of points) {
        const { outcome } = await withoutPauses(() => play(SCENARIO, point, "everything"), 1 / 50);
        const ends = outlineOf(outcome).messages.map(({ status, stopReason }) => [
          status,
          stopReason,
        ]);
        expect(ends, `lost after ${point}`).toEqual([
          ["completed", "end_turn"],
          ["completed", "end_turn"],
        ]);
      }
    } finally {
      planted();
    }
  }, 60_000);
});
