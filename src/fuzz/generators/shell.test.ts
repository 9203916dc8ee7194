import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { aCommand } from "../../sandbox/contract";
import { embedded } from "../../sandbox/embedded";
import { randomFrom } from "../../soak/random.ts";
import { HOSTILE_COMMANDS } from "./hostile-commands.ts";
import { shellScript } from "./shell.ts";

const make = () =>
  embedded(env.EMBEDDED_SANDBOXES, crypto.randomUUID(), { workspace: "/workspace" });

const TIMEOUT_MS = 300;

describe("a random script", () => {
  it.each([1, 2, 3, 4])(
    "ends, and leaves a shell that works (seed %i)",
    async (seed) => {
      const random = randomFrom(seed);
      for (let i = 0; i < 10; i++) {
        const sandbox = make();
        const script = shellScript(random);
        const { ended } = await sandbox.run(aCommand(script, { timeoutMs: TIMEOUT_MS }));
        const next = await sandbox.run(aCommand("echo fine"));
        expect({ script, ended, next }).toMatchObject({
          ended: expect.stringMatching(/^(exited|timed_out)$/),
          next: { stdout: "fine\n", exitCode: 0 },
        });
      }
    },
    60_000,
  );
});

describe("a hostile command", () => {
  it("ends, and leaves a shell that works", async () => {
    for (const command of HOSTILE_COMMANDS) {
      const sandbox = make();
      await sandbox.run(aCommand(command, { timeoutMs: TIMEOUT_MS }));
      const next = await sandbox.run(aCommand("echo fine"));
      expect({ command, next }).toMatchObject({ next: { stdout: "fine\n", exitCode: 0 } });
    }
  }, 60_000);
});
