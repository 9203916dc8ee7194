import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { embedded } from "../sandbox/embedded";
import { providers } from "../sandbox/providers";
import { FakeMachine } from "../testing/fake-claude-code";
import { ask, createSession, eventsOf } from "../testing/sessions";

const machines = new Map<string, FakeMachine>();
const machineOf = (id: string): FakeMachine => {
  const machine = machines.get(id) ?? new FakeMachine(id);
  machines.set(id, machine);
  return machine;
};

beforeAll(() => {
  vi.spyOn(providers, "embedded").mockImplementation((env, { id }, options) =>
    machineOf(id).inside(embedded(env.EMBEDDED_SANDBOXES, id, options)),
  );
});
afterAll(() => {
  vi.restoreAllMocks();
});

describe("a message to Claude Code", () => {
  it("has the events of the loop", async () => {
    const id = await createSession({ config: { runtime: "claude-code" } });
    const message = await ask(id, '/Bash {"command":"echo hi"}\nall done');
    console.log(JSON.stringify(message), machineOf(id).statuses);
    for (const e of await eventsOf(id)) console.log(JSON.stringify(e).slice(0, 300));
    expect(message).toMatchObject({ status: "completed" });
  });
});
