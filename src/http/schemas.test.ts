import { describe, expect, it } from "vitest";
import { readSettings } from "../settings";
import { ApiError } from "./errors";
import { parse } from "./parse";
import {
  CreateSession,
  messageRequest,
  NoFields,
  PatchSession,
  SendMessage,
  sessionPatch,
  sessionSpec,
  Terminate,
} from "./schemas";

const settings = readSettings({ DEFAULT_MAX_BUDGET_USD: "2" });
const ids = { id: "id", requestHash: "hash" };
const specOf = (body: unknown) => sessionSpec(parse(CreateSession, body), ids, settings);
const patchOf = (body: unknown) => sessionPatch(parse(PatchSession, body));
const messageOf = (body: unknown) => messageRequest(parse(SendMessage, body), ids);

/** Returns the issues of an invalid body, as "path: message". */
function issuesOf(parsing: () => unknown): string[] {
  try {
    parsing();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { issues } = error.details;
    if (Array.isArray(issues)) return issues.map(({ path, message }) => `${path}: ${message}`);
  }
  throw new Error("it parsed");
}

describe("a request to create a session", () => {
  it("needs only a pattern; the deployment's limits apply", () => {
    expect(specOf({ pattern: "ephemeral" })).toEqual({
      id: "id",
      requestHash: "hash",
      pattern: "ephemeral",
      config: {},
      provider: "embedded",
      conversationId: null,
      limits: {
        maxIdleTimeMs: 1_800_000,
        maxLifetimeMs: 86_400_000,
        maxBudgetNanos: 2_000_000_000,
        maxTurns: null,
      },
      tags: [],
      description: null,
      userId: null,
    });
  });

  it("removes a limit with null", () => {
    const none = { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetUsd: null, maxTurns: null };
    expect(Object.values(specOf({ pattern: "hybrid", ...none }).limits)).toEqual(
      Array(4).fill(null),
    );
  });

  it("keeps a config as given, without nulls", () => {
    const config = {
      model: "claude-3-5-sonnet-20241022",
      systemPrompt: null,
      allowedTools: ["Read", "Bash(git:*)"],
      customAgents: { player1: { systemPrompt: "You are player 1", model: null } },
      continueSession: false,
      retentionDays: 30,
      sandbox: { provider: null, network: { allow: ["a.com"] } },
      env: { TOKEN: "x", KEY: { secret: "y", hosts: ["a.com"] }, OTHER: null },
      outputSchema: { enum: ["a", null], const: null },
    };
    expect(specOf({ pattern: "single-container", config }).config).toEqual({
      model: "claude-3-5-sonnet-20241022",
      allowedTools: ["Read", "Bash(git:*)"],
      customAgents: { player1: { systemPrompt: "You are player 1" } },
      continueSession: false,
      retentionDays: 30,
      sandbox: { network: { allow: ["a.com"] } },
      env: { TOKEN: "x", KEY: { secret: "y", hosts: ["a.com"] } },
      outputSchema: { enum: ["a", null], const: null },
    });
  });

  it("keeps each tag once, in order", () => {
    expect(specOf({ pattern: "hybrid", tags: ["b", "a", "b"] }).tags).toEqual(["b", "a"]);
  });

  it.each([
    [{}, "pattern"],
    [{ pattern: "eternal" }, "pattern"],
    [{ pattern: "hybrid", maxBudgetUSD: 1 }, "maxBudgetUSD"],
    [{ pattern: "hybrid", config: { modle: "x" } }, "config.modle"],
    [{ pattern: "hybrid", config: { modle: null } }, "config.modle"],
    [{ pattern: "hybrid", config: { model: 1 } }, "config.model"],
    [{ pattern: "hybrid", config: { maxTurns: 0 } }, "config.maxTurns"],
    [{ pattern: "hybrid", config: { retentionDays: 0 } }, "config.retentionDays"],
    [{ pattern: "hybrid", config: { retentionDays: 1.5 } }, "config.retentionDays"],
    [{ pattern: "hybrid", config: { retentionDays: 36_601 } }, "config.retentionDays"],
    [{ pattern: "hybrid", config: { allowedTools: "Read" } }, "config.allowedTools"],
    [{ pattern: "hybrid", config: { allowedTools: [""] } }, "config.allowedTools.0"],
    [{ pattern: "hybrid", config: { sandbox: { size: 1 } } }, "config.sandbox.size"],
    [{ pattern: "hybrid", config: { env: { "A B": "c" } } }, "config.env.A B"],
    [{ pattern: "hybrid", config: { sandbox: { network: "some" } } }, "config.sandbox.network"],
    [
      { pattern: "hybrid", config: { sandbox: { network: { allow: "a.com" } } } },
      "config.sandbox.network.allow",
    ],
    [
      { pattern: "hybrid", config: { sandbox: { network: { allow: [], deny: [] } } } },
      "config.sandbox.network.deny",
    ],
    [
      { pattern: "hybrid", config: { sandbox: { network: { allow: Array(101).fill("a.com") } } } },
      "config.sandbox.network.allow",
    ],
    [{ pattern: "hybrid", config: { env: { A: 1 } } }, "config.env.A"],
    [{ pattern: "hybrid", config: { env: { A: {} } } }, "config.env.A.secret"],
    [{ pattern: "hybrid", config: { env: { A: { secret: "x" } } } }, "config.env.A.hosts"],
    [
      { pattern: "hybrid", config: { env: { A: { secret: "x", hosts: [] } } } },
      "config.env.A.hosts",
    ],
    [
      { pattern: "hybrid", config: { env: { A: { secret: "a\nb", hosts: ["a.com"] } } } },
      "config.env.A.secret",
    ],
    [
      {
        pattern: "hybrid",
        config: { env: { A: { secret: "x", hosts: ["a.com"], placeholder: "" } } },
      },
      "config.env.A.placeholder",
    ],
    [
      { pattern: "hybrid", config: { customAgents: { a: { tool: 1 } } } },
      "config.customAgents.a.tool",
    ],
    [{ pattern: "hybrid", config: { runtime: "python" } }, "config.runtime"],
    [{ pattern: "hybrid", maxBudgetUsd: -1 }, "maxBudgetUsd"],
    [{ pattern: "hybrid", maxBudgetUsd: 1e7 }, "maxBudgetUsd"],
    [{ pattern: "hybrid", maxBudgetUsd: "1" }, "maxBudgetUsd"],
    [{ pattern: "hybrid", maxIdleTimeMs: 0 }, "maxIdleTimeMs"],
    [{ pattern: "hybrid", maxIdleTimeMs: 1.5 }, "maxIdleTimeMs"],
    [{ pattern: "hybrid", maxLifetimeMs: 1e15 }, "maxLifetimeMs"],
    [{ pattern: "hybrid", maxTurns: 0 }, "maxTurns"],
    [{ pattern: "hybrid", conversationId: 1.5 }, "conversationId"],
    [{ pattern: "hybrid", conversationId: "1" }, "conversationId"],
    [{ pattern: "hybrid", tags: ["a,b"] }, "tags.0"],
    [{ pattern: "hybrid", tags: [""] }, "tags.0"],
    [{ pattern: "hybrid", tags: Array(51).fill("a") }, "tags"],
    [{ pattern: "hybrid", description: "x".repeat(10_001) }, "description"],
    [{ pattern: "hybrid", userId: "" }, "userId"],
    [[], ""],
    [null, ""],
  ])("is refused by the name of what is wrong: %j", (body, path) => {
    expect(issuesOf(() => specOf(body))[0]).toMatch(new RegExp(`^${path}: `));
  });

  it("is refused with every unknown field, and at most twenty issues", () => {
    expect(issuesOf(() => specOf({ pattern: "hybrid", a: 1, b: 2 }))).toHaveLength(2);
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x${i}`, 1]));
    expect(issuesOf(() => specOf({ pattern: "hybrid", ...many }))).toHaveLength(20);
  });
});

describe("a patch", () => {
  it("changes the fields that it names and clears those that are null", () => {
    expect(patchOf({ description: null, tags: null, maxBudgetUsd: 0.5, maxTurns: null })).toEqual({
      description: null,
      tags: [],
      maxBudgetNanos: 500_000_000,
      maxTurns: null,
    });
  });

  it("is refused if it changes nothing or a field that can't be changed", () => {
    expect(issuesOf(() => patchOf({}))).toHaveLength(1);
    expect(issuesOf(() => patchOf({ status: "idle" }))[0]).toMatch(/^status: /);
    expect(issuesOf(() => patchOf({ config: {} }))[0]).toMatch(/^config: /);
  });
});

describe("a message", () => {
  it("is queued without its own limits by default", () => {
    expect(messageOf({ prompt: "hi" })).toEqual({
      id: "id",
      requestHash: "hash",
      prompt: "hi",
      agent: null,
      background: false,
      maxTurns: null,
      maxBudgetNanos: null,
      onBusy: "queue",
    });
  });

  it("may be text, images and documents", () => {
    const GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    const base64 = { type: "base64", data: "AAAA" };
    const prompt = [
      { type: "text", text: "look" },
      { type: "image", source: { ...base64, media_type: "image/gif", data: GIF } },
      { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
      { type: "document", source: { ...base64, media_type: "application/pdf" }, title: "t" },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "d" } },
      { type: "document", source: { type: "url", url: "https://example.com/a.pdf" }, context: "c" },
    ];
    expect(messageOf({ prompt }).prompt).toEqual(prompt);
  });

  it.each([
    [{}, "prompt"],
    [{ prompt: "" }, "prompt"],
    [{ prompt: " \n" }, "prompt"],
    [{ prompt: null }, "prompt"],
    [{ prompt: [] }, "prompt"],
    [{ prompt: ["hi"] }, "prompt.0"],
    [{ prompt: [{ type: "text", text: "" }] }, "prompt.0.text"],
    [{ prompt: [{ type: "video" }] }, "prompt.0.type"],
    [{ prompt: [{ type: "text", text: "a", cache_control: {} }] }, "prompt.0.cache_control"],
    [{ prompt: [{ type: "image", source: { type: "file" } }] }, "prompt.0.source.type"],
    [
      {
        prompt: [
          { type: "image", source: { type: "base64", media_type: "image/tiff", data: "AAAA" } },
        ],
      },
      "prompt.0.source.media_type",
    ],
    [
      { prompt: [{ type: "image", source: { type: "url", url: "file:///etc" } }] },
      "prompt.0.source.url",
    ],
    [
      {
        prompt: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
        ],
      },
      "prompt.0.source.data",
    ],
    [
      {
        prompt: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "%" } }],
      },
      "prompt.0.source.data",
    ],
    [{ prompt: "a", onBusy: "wait" }, "onBusy"],
    [{ prompt: "a", streaming: "yes" }, "streaming"],
    [{ prompt: "a", streaming: true, background: true }, "background"],
    [{ prompt: "a", maxTurns: 0 }, "maxTurns"],
    [{ prompt: "a", promt: "b" }, "promt"],
  ])("is refused by the name of what is wrong: %j", (body, path) => {
    expect(issuesOf(() => messageOf(body))[0]).toMatch(new RegExp(`^${path}: `));
  });
});

describe("a request that may have no body", () => {
  it("is a termination, with or without a reason", () => {
    const kept = { discardWorkspace: false };
    expect(parse(Terminate, undefined)).toEqual({ reason: "user_requested", ...kept });
    expect(parse(Terminate, { reason: null })).toEqual({ reason: "user_requested", ...kept });
    expect(parse(Terminate, { reason: "done" })).toEqual({ reason: "done", ...kept });
    expect(parse(Terminate, { discardWorkspace: true })).toMatchObject({ discardWorkspace: true });
    expect(issuesOf(() => parse(Terminate, { reason: "" }))[0]).toMatch(/^reason: /);
    expect(issuesOf(() => parse(Terminate, { resaon: "x" }))[0]).toMatch(/^resaon: /);
  });

  it("is an interrupt, which has no fields", () => {
    expect(parse(NoFields, undefined)).toEqual({});
    expect(issuesOf(() => parse(NoFields, { reason: "x" }))[0]).toMatch(/^reason: /);
  });
});

describe("the issues of an invalid body", () => {
  it.each<[string, () => unknown, string[]]>([
    ["an empty one", () => parse(CreateSession, undefined), [": The body is empty."]],
    ["a patch without a field", () => patchOf({}), [": The patch changes nothing."]],
    [
      "a patch of something else",
      () => patchOf({ pattern: "hybrid" }),
      ["pattern: is not known here"],
    ],
    [
      "a variable's name",
      () => specOf({ pattern: "hybrid", config: { env: { "A-B": "x" } } }),
      ["config.env.A-B: must be the name of an environment variable"],
    ],
    [
      "a variable's value",
      () => specOf({ pattern: "hybrid", config: { env: { A: 1 } } }),
      ['config.env.A: must be a string or {"secret", "hosts"}'],
    ],
    [
      "a network",
      () => specOf({ pattern: "hybrid", config: { sandbox: { network: "off" } } }),
      ['config.sandbox.network: must be "none", "open" or {"allow": [hosts]}'],
    ],
  ])("%s", (_, parsing, expected) => expect(issuesOf(parsing)).toEqual(expected));
});
