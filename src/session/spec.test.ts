import { afterEach, describe, expect, it } from "vitest";
import { PROVIDERS_WITH_PROGRAMS } from "../sandbox/providers";
import { checkConfig } from "./spec";

const SETTINGS = { MODEL_PRICES: {} };
const paths = (config: Parameters<typeof checkConfig>[0]) =>
  checkConfig({ ...config, runtime: "claude-code" }, SETTINGS).map(({ path }) => path);

describe("a session of Claude Code", () => {
  const names = PROVIDERS_WITH_PROGRAMS as string[];
  const before = [...names];
  afterEach(() => {
    names.splice(0, names.length, ...before);
  });

  it("is refused where its sandbox keeps no programs", () => {
    expect(paths({ sandbox: { provider: "embedded" } })).toEqual(["config.runtime"]);
  });

  it("is refused by the name of what Claude Code can't do", () => {
    names.push("embedded");
    const sandbox = { provider: "embedded" };
    expect(paths({ sandbox })).toEqual([]);
    expect(paths({ sandbox, allowedTools: ["Bash", "wake"] })).toEqual(["config.allowedTools.1"]);
    const customAgents = { writer: { allowedTools: ["Bash(git *)"] } };
    expect(paths({ sandbox, customAgents })).toEqual(["config.customAgents.writer.allowedTools.0"]);
    expect(
      paths({ sandbox, outputSchema: { type: "object" }, thinking: { type: "adaptive" } }),
    ).toEqual([]);
  });
});
