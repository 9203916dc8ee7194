import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";
import { LocalMachine, serveHandler } from "./local-machine.ts";

const machine = new LocalMachine();
afterAll(() => machine.destroy());

const sh = (script: string, env: Record<string, string> = {}) =>
  machine.spawn("/bin/bash", ["-c", script], { env, cwd: "/workspace" });

describe("a local machine", () => {
  it("has its own directories under the machine's paths, in and out", async () => {
    const ran = sh('pwd; echo "$WHERE" > /workspace/file; ls /workspace', { WHERE: "/workspace" });
    expect(await text(ran.stdout)).toBe("/workspace\nfile\n");
    expect(readFileSync(machine.local("/workspace/file"), "utf8")).toBe(
      `${machine.root}/workspace\n`,
    );
    expect(machine.toLocal("/other/workspace /workspace2 '/workspace'")).toBe(
      `/other/workspace /workspace2 '${machine.root}/workspace'`,
    );
  });

  it("translates requests to the runner, also in pieces", async () => {
    const ask = JSON.stringify({ do: "run", command: { command: "cd\n/workspace" } });
    const pieces = { RIGGER_ASK_1: ask.slice(0, 50), RIGGER_ASK_2: ask.slice(50) };
    for (const variables of [{ RIGGER_ASK: ask }, { RIGGER_ASK: '{"pieces":2}', ...pieces }]) {
      const local = machine.variablesToLocal(variables);
      const whole = [local.RIGGER_ASK, local.RIGGER_ASK_1, local.RIGGER_ASK_2].join("");
      expect(whole).toContain(JSON.stringify(`cd\n${machine.root}/workspace`));
    }
  });

  it("is paused with its processes, and killed with them", async () => {
    const ran = sh("echo begun; sleep 0.4; echo ended");
    const began = Date.now();
    const output = text(ran.stdout);
    await new Promise((done) => setTimeout(done, 200));
    machine.freeze();
    setTimeout(() => machine.thaw(), 700);
    expect(await output).toBe("begun\nended\n");
    expect(Date.now() - began).toBeGreaterThan(800);
    const other = sh("setsid sleep 60 & sleep 60");
    await new Promise((done) => setTimeout(done, 100));
    machine.stop();
    expect(await other.exit).toMatchObject({ signal: "SIGKILL" });
  });
});

describe("a served handler", () => {
  it("gets what was sent, streams its answer, and is told when the caller has gone", async () => {
    let isGone = false;
    const { url, close } = await serveHandler(async (request) => {
      request.signal.addEventListener("abort", () => {
        isGone = true;
      });
      return new Response(request.body, { status: 201, headers: { "x-method": request.method } });
    });
    const response = await fetch(url, { method: "POST", body: "sent" });
    expect([response.status, response.headers.get("x-method")]).toEqual([201, "POST"]);
    expect(await response.text()).toBe("sent");
    await expect.poll(() => isGone).toBe(true);
    close();
  });
});
