import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { SessionEvent } from "../../events/event";
import { approvalsOf, decide } from "../../testing/approvals";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { withoutPauses } from "../../testing/faults";
import { faults, forEachSideBySide, plantFaults, play, type Scenario } from "../../testing/losses";
import {
  ALICE,
  aMessage,
  ask,
  bash,
  createSession,
  ended,
  eventsOf,
  lose,
  messageOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";
import type { MessageRequest, SessionConfig } from "../rpc";

// Prompts that join the message that Claude Code works on. The real program adds them to the results of its calls, and
// reports that it has.

let uproot = () => {};
beforeAll(() => {
  uproot = plantPrograms();
});
afterAll(() => uproot());
afterEach(() => faults.clear());

const claudeCode = (config: SessionConfig = {}) =>
  createSession({ config: { ...config, runtime: "claude-code" } });
const send = async (id: string, prompt: string, changes: Partial<MessageRequest> = {}) =>
  value(await sessionOf(id).send(ALICE, aMessage(prompt, changes)));
const steer = (id: string, prompt: string) => send(id, prompt, { onBusy: "steer" });
const reached = (id: string, type: SessionEvent["type"]) =>
  until(async () => (await eventsOf(id)).some((event) => event.type === type));

/** Returns how often the newest call of the process has a text. The replies of the offline model repeat results. */
function heard(id: string, text: string): number {
  const messages = containerOf(id).sent.at(-1)?.messages as { role: string }[];
  const told = messages.filter(({ role }) => role === "user");
  return JSON.stringify(told).split(text).length - 1;
}
/** A command that runs until `release` is called. */
const HELD = bash("while [ ! -f go ]; do sleep 0.05; done; echo said");
const release = (id: string) =>
  env.EMBEDDED_SANDBOXES.getByName(id).writeFile("/workspace/go", new Uint8Array());

/** Waits until the process was told so many lines. */
const told = (id: string, lines: number) =>
  until(() => (containerOf(id).program?.lines.size ?? 0) >= lines);

describe("a prompt that steers Claude Code", () => {
  it("joins its message with the call that has the results", async () => {
    const id = await claudeCode();
    const running = await send(id, `${HELD}\nall done`);
    await reached(id, "tool.started");
    const answers = [await steer(id, "mind the gap"), await steer(id, "/and the step")];
    for (const answer of answers) expect(answer.id).toBe(running.id);
    await told(id, 3);
    await release(id);
    expect(await ended(id, running.id)).toMatchObject({ stopReason: "end_turn", numTurns: 2 });
    expect([heard(id, "mind the gap"), heard(id, "/and the step")]).toEqual([1, 1]);
    const types = (await eventsOf(id)).map(({ type }) => type);
    expect(types.slice(types.indexOf("tool.completed"))).toEqual([
      ...["tool.completed", "message.steered", "message.joined", "message.steered"],
      ...["message.joined", "turn.started", "assistant.text", "turn.completed"],
      "message.completed",
    ]);
    const joined = await messageOf(id, answers[0]?.steerId ?? "");
    expect(joined).toMatchObject({ status: "joined", joinedMessageId: running.id, costNanos: 0 });
    expect(containerOf(id).started).toHaveLength(1);
  });

  it("lets a message that is about to end go on", async () => {
    const id = await claudeCode();
    const running = await send(id, "/delay 100\n/say first");
    await reached(id, "turn.started");
    await steer(id, "/say second");
    expect(await ended(id, running.id)).toMatchObject({ result: "second", numTurns: 2 });
    const events = (await eventsOf(id)).filter(({ messageId }) => messageId === running.id);
    expect(events.map(({ type }) => type).slice(-5)).toEqual([
      ...["message.steered", "turn.started", "assistant.text", "turn.completed"],
      "message.completed",
    ]);
  });

  it("is told with the answer for which the message waits", async () => {
    const id = await claudeCode({ askTools: ["Bash"] });
    const running = await ask(id, `${bash("echo one")}\nall done`);
    expect(running.status).toBe("waiting");
    await steer(id, "mind the gap");
    const [approval] = await approvalsOf(id, "pending");
    const allowed = { decision: "allow", note: null, remember: false } as const;
    value(await decide(id, approval?.id ?? "", allowed));
    expect(await ended(id, running.id)).toMatchObject({ stopReason: "end_turn" });
    expect(heard(id, "mind the gap")).toBe(1);
  });

  it.each([
    ["is interrupted", {}, "interrupted"],
    ["reaches its turns", { maxTurns: 1 }, "max_turns"],
  ] as const)("runs by itself, and once, if the message %s", async (_, limits, stopReason) => {
    const id = await claudeCode();
    const running = await send(id, `${HELD}\nall done`, limits);
    await reached(id, "tool.started");
    const answers = [await steer(id, "/say A"), await steer(id, "/say B")];
    if (stopReason === "interrupted") {
      await told(id, 3);
      value(await sessionOf(id).interrupt(ALICE));
    } else await release(id);
    expect(await ended(id, running.id)).toMatchObject({ stopReason });
    for (const [n, result] of ["A", "B"].entries()) {
      const message = await ended(id, answers[n]?.steerId ?? "");
      expect(message).toMatchObject({ status: "completed", result, joinedMessageId: null });
    }
    expect((await eventsOf(id)).some(({ type }) => type === "message.steered")).toBe(false);
    expect([heard(id, "/say A"), heard(id, "/say B")]).toEqual([1, 1]);
  });

  it("leaves a message that had ended as it was, if there is no money for another turn", async () => {
    const prompt = "/delay 100\n/tokens 3000\nfirst";
    const { costNanos } = await ask(await claudeCode(), prompt);
    const id = await claudeCode();
    const running = await send(id, prompt, { maxBudgetNanos: costNanos + 3_000_000 });
    await reached(id, "turn.started");
    const { steerId = "" } = await steer(id, "/say second");
    expect(await ended(id, running.id)).toMatchObject({ stopReason: "end_turn" });
    expect(await ended(id, steerId)).toMatchObject({ status: "completed" });
    expect(heard(id, "/say second")).toBe(1);
  });
});

describe("a process that is lost", () => {
  it.each([
    ["before it has added the prompt", false],
    ["after it has added the prompt", true],
  ])("%s leaves it in the conversation once", async (_, isAdded) => {
    const id = await claudeCode();
    const running = await send(id, `${HELD}\n${bash("sleep 60")}\nall done`);
    await reached(id, "tool.started");
    const { steerId = "" } = await steer(id, "mind the gap");
    const { program } = containerOf(id);
    await told(id, 2);
    if (isAdded) {
      await release(id);
      await reached(id, "message.steered");
      await until(async () => {
        const started = (await eventsOf(id)).filter(({ type }) => type === "tool.started");
        return started.length === 2;
      });
    }
    if (program) program.dead = true;
    await withoutPauses(() => ended(id, running.id));
    expect(await messageOf(id, steerId)).toMatchObject({ status: "joined" });
    expect(containerOf(id).started).toHaveLength(2);
    expect(heard(id, "mind the gap")).toBe(1);
    const steered = (await eventsOf(id)).filter(({ type }) => type === "message.steered");
    expect(steered).toHaveLength(1);
  });
});

const STEERED: Scenario = {
  config: { runtime: "claude-code" },
  prompts: [`${HELD}\n${bash("echo more")}\nall is done`, "that is all"],
  async meanwhile(id) {
    const { events } = value(await sessionOf(id).events(ALICE, { after: 0, limit: 1_000 }));
    if (!events.some(({ type }) => type === "tool.started")) return;
    const steered = { id: id.replace("sess", "msg"), onBusy: "steer" as const };
    value(await sessionOf(id).send(ALICE, aMessage("mind the gap", steered)));
    // Once the process has it: then it joins with the results of this command.
    const told = [...(containerOf(id).program?.lines.values() ?? [])];
    if (told.some((line) => line.includes("mind the gap"))) await release(id);
  },
  async lose(id, loss) {
    if (loss === "everything") containerOf(id).replace();
    void lose(id);
  },
};

/**
 * Returns the commits from the one that starts the first command on, those without events until the prompt joins. The others
 * are those of any session.
 */
function pointsOf(commits: ReadonlySet<string>): string[] {
  const points = [...commits];
  const at = (event: string) => points.findIndex((point) => point.includes(event));
  const until = at("message.steered");
  return points
    .filter((point, index) => index < until || !point.startsWith(" "))
    .slice(at("tool.started"));
}

describe("a steered session of Claude Code whose object is lost", () => {
  it("after any commit ends like an undisturbed one", async () => {
    const planted = plantFaults();
    try {
      const { fault, outcome: undisturbed } = await play(STEERED, null, "object at once");
      expect(undisturbed.events.filter((event) => event === "message.steered")).toHaveLength(1);
      await forEachSideBySide(pointsOf(fault.commits), async (point) => {
        const { id, outcome } = await play(STEERED, point, "object at once");
        expect(outcome, `lost after ${point}`).toEqual(undisturbed);
        expect(heard(id, "mind the gap"), `lost after ${point}`).toBe(1);
      });
    } finally {
      planted();
    }
  }, 60_000);

  it("together with its container keeps the prompt, and has it once", async () => {
    const planted = plantFaults();
    try {
      const { fault } = await play(STEERED, null, "object at once");
      const points = pointsOf(fault.commits).filter((_, index) => index % 2 === 0);
      await withoutPauses(
        () =>
          forEachSideBySide(points, async (point) => {
            const { id } = await play(STEERED, point, "everything");
            expect(heard(id, "mind the gap"), `lost after ${point}`).toBe(1);
            const steers = (await eventsOf(id)).filter(({ type }) => type === "message.steered");
            expect(steers, `lost after ${point}`).toHaveLength(1);
          }),
        1 / 50,
      );
    } finally {
      planted();
    }
  }, 60_000);
});
