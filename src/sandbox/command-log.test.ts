import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { CommandLog } from "./command-log";
import type { CommandResult } from "./sandbox";

async function withLog(test: (log: CommandLog) => void): Promise<void> {
  const object = env.EMBEDDED_SANDBOXES.getByName(crypto.randomUUID());
  await runInDurableObject(object, (_, { storage }) => {
    CommandLog.format(storage.sql);
    test(new CommandLog(storage.sql));
  });
}

const aResult = (parts: Partial<CommandResult> = {}): CommandResult => ({
  exitCode: 0,
  stdout: "out",
  stderr: "err",
  ended: "exited",
  truncated: false,
  ...parts,
});

describe("the command log", () => {
  it("tells unknown, started and finished apart", () =>
    withLog((log) => {
      expect(log.find("a")).toBeUndefined();
      log.start("a");
      expect(log.find("a")).toBe("started");
      const result = aResult({ exitCode: 137, ended: "killed", truncated: true, cwd: "/x" });
      log.finish("a", result, ["a"]);
      expect(log.find("a")).toEqual(result);
    }));

  it("leaves the directory out where it is not known", () =>
    withLog((log) => {
      log.start("a");
      log.finish("a", aResult(), []);
      expect(log.find("a")).toStrictEqual(aResult());
    }));

  it("forgets the oldest of more than 200 commands, but none that runs", () =>
    withLog((log) => {
      for (const id of ["interrupted", "running"]) log.start(id);
      for (let i = 1; i <= 200; i++) {
        log.start(`${i}`);
        log.finish(`${i}`, aResult(), ["running", `${i}`]);
      }
      expect(log.find("running")).toBe("started");
      expect(log.find("interrupted")).toBeUndefined();
      expect(log.find("1")).toEqual(aResult());

      log.start("201");
      log.finish("201", aResult(), ["running"]);
      expect(log.find("1")).toBeUndefined();
      expect(log.find("201")).toEqual(aResult());
    }));

  it("forgets the oldest output beyond 32 MiB", () =>
    withLog((log) => {
      const stdout = "x".repeat(900_000);
      for (let i = 1; i <= 40; i++) {
        log.start(`${i}`);
        log.finish(`${i}`, aResult({ stdout, stderr: "" }), []);
      }
      expect(log.find("3")).toBeUndefined();
      expect(log.find("4")).toEqual(aResult({ stdout, stderr: "" }));
    }));
});
