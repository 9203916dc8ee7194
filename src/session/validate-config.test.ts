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

describe("a config with a vendor's machine", () => {
  const MODAL = {
    PUBLIC_URL: "https://rigger.test",
    MODAL_ENDPOINT_URL: "https://a--rigger.modal.run",
    MODAL_KEY: "wk-1",
    MODAL_SECRET: "ws-1",
  };
  const machineIssues = (sandbox: SessionConfig["sandbox"], settings: object = MODAL) =>
    checkConfig({ sandbox }, { MODEL_PRICES: {}, CONTAINERS: false, ...settings });

  it("is refused by the names of the settings that the deployment lacks", () => {
    expect(machineIssues({ provider: "modal" })).toEqual([]);
    const { MODAL_KEY: _, PUBLIC_URL: __, ...some } = MODAL;
    expect(machineIssues({ provider: "modal" }, some)).toEqual([
      {
        path: "config.sandbox.provider",
        message: '"modal" needs PUBLIC_URL, MODAL_KEY, which this deployment does not have',
      },
    ]);
  });

  it("is checked with the deployment's provider if it names none", () => {
    const settings = { ...MODAL, SANDBOX_PROVIDER: "modal", MODAL_KEY: undefined };
    expect(machineIssues({}, settings)).toHaveLength(1);
    expect(machineIssues({ image: "node:24" }, { ...MODAL, SANDBOX_PROVIDER: "modal" })).toEqual(
      [],
    );
  });

  it("has an issue for each option that its provider does not have, or not like this", () => {
    const given = { provider: "modal", image: "node:24", region: "eu", cpus: 1, memoryMb: 512 };
    expect(machineIssues(given)).toEqual([]);
    expect(
      machineIssues({ ...given, cpus: 1_000, template: "base" }).map(({ path }) => path),
    ).toEqual(["config.sandbox.template", "config.sandbox.cpus"]);
    for (const provider of ["embedded", "cloudflare"]) {
      const issues = machineIssues({ provider, image: "node:24" }, { CONTAINERS: true });
      expect(issues).toEqual([
        { path: "config.sandbox.image", message: `"${provider}" has no such option` },
      ]);
    }
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
    expect(paths({ allowedTools: ["Publish", "wake"] })).toEqual(["config.allowedTools.1"]);
    const clientTools = [{ name: "x", description: "x", inputSchema: { type: "object" } }];
    const mcpServers = { client: { url: "https://mcp.example.com" } };
    expect(paths({ clientTools, mcpServers })).toEqual(["config.mcpServers.client"]);
    expect(paths({ artifacts: [], mcpServers })).toEqual(["config.mcpServers.client"]);
    expect(paths({ mcpServers })).toEqual([]);
    const customAgents = { writer: { allowedTools: ["Bash(git *)"] } };
    expect(paths({ customAgents })).toEqual(["config.customAgents.writer.allowedTools.0"]);
    expect(paths({ outputSchema: { type: "object" }, thinking: { type: "adaptive" } })).toEqual([]);
  });
});
