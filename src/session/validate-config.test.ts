import { describe, expect, it } from "vitest";
import type { SessionConfig } from "./rpc";
import { checkConfig } from "./validate-config";

const issuesOf = (config: SessionConfig, CONTAINERS = false) =>
  checkConfig(config, { MODEL_PRICES: {}, CONTAINERS });
const TOKEN = { secret: "x", hosts: ["api.github.com", "*.example.com"] };

describe("a config", () => {
  it.each<SessionConfig>([
    {},
    { sandbox: { network: "none" } },
    { env: { TOKEN } },
    { sandbox: { network: "none" }, env: { TOKEN } },
  ])("of an embedded sandbox, which has no network, can be %j", (config) => {
    expect(issuesOf(config)).toEqual([]);
  });

  it.each(["open", { allow: [] }, { allow: ["default"] }] as const)(
    "with an embedded sandbox can't have the network %j",
    (network) => {
      const message = 'a sandbox of "embedded" has no network: only "none" is possible';
      expect(issuesOf({ sandbox: { network } })).toEqual([
        { path: "config.sandbox.network", message },
      ]);
    },
  );

  it.each(["none", "open", { allow: ["default", "*.example.com"] }] as const)(
    "with a container can have the network %j",
    (network) => {
      expect(issuesOf({ sandbox: { network } }, true)).toEqual([]);
    },
  );

  it("has an issue for each invalid host", () => {
    const env = { TOKEN: { secret: "x", hosts: ["api.github.com", "https://x.com"] } };
    const allow = ["default", "example.com", "Example.com"];
    const sandbox = { provider: "elsewhere", network: { allow } };
    expect(issuesOf({ env, sandbox }).map(({ path }) => path)).toEqual([
      "config.sandbox.provider",
      "config.sandbox.network.allow.2",
      "config.env.TOKEN.hosts.1",
    ]);
    const none = { TOKEN: { secret: "x", hosts: ["default"] } };
    expect(issuesOf({ env: none }).map(({ path }) => path)).toEqual(["config.env.TOKEN.hosts.0"]);
  });
});

describe("a session of Claude Code", () => {
  const paths = (config: SessionConfig, containers = true) =>
    issuesOf({ ...config, runtime: "claude-code" }, containers).map(({ path }) => path);

  it("is refused if its sandbox can't run processes in the background", () => {
    expect(paths({}, false)).toEqual(["config.runtime"]);
    expect(paths({ sandbox: { provider: "embedded" } })).toEqual(["config.runtime"]);
    expect(paths({})).toEqual([]);
  });

  it("is refused with the path of each option that Claude Code does not support", () => {
    expect(paths({ allowedTools: ["Bash", "wake"] })).toEqual(["config.allowedTools.1"]);
    const customAgents = { writer: { allowedTools: ["Bash(git *)"] } };
    expect(paths({ customAgents })).toEqual(["config.customAgents.writer.allowedTools.0"]);
    expect(paths({ outputSchema: { type: "object" }, thinking: { type: "adaptive" } })).toEqual([]);
  });
});
