import { describe, expect, test } from "vitest";
import {
  durationOf,
  EMPTY_FORM,
  fieldOf,
  listOf,
  type McpServerRow,
  readForm,
  type SessionForm,
  withoutSecrets,
} from "./session-form.ts";

const read = (changes: Partial<SessionForm>) => readForm({ ...EMPTY_FORM, ...changes });

describe("readForm", () => {
  test("an empty form asks for a session with the defaults of the deployment", () => {
    expect(read({})).toEqual({ session: { pattern: "hybrid" }, problems: {} });
  });

  test("each field goes where the API expects it", () => {
    const { session, problems } = read({
      pattern: "single-container",
      ...{ description: " Changelog ", tags: "a, b,a", userId: "u1" },
      ...{ maxBudgetUsd: "0.5", maxTurns: "3", maxIdleTimeMs: "15 min", maxLifetimeMs: "none" },
      ...{ onLimit: "pause", model: "claude-haiku-5", systemPrompt: "Be short.", effort: "low" },
      ...{ allowedTools: "Read\nBash(ls *)", askTools: "Write, Edit", runtime: "loop" },
      artifacts: "dist/**, *.pdf",
      config: '{"outputSchema":{"type":"object"}}',
    });
    expect(problems).toEqual({});
    expect(session).toEqual({
      pattern: "single-container",
      config: {
        ...{ model: "claude-haiku-5", systemPrompt: "Be short.", runtime: "loop", effort: "low" },
        ...{ allowedTools: ["Read", "Bash(ls *)"], askTools: ["Write", "Edit"] },
        artifacts: ["dist/**", "*.pdf"],
        outputSchema: { type: "object" },
      },
      ...{ description: "Changelog", tags: ["a", "b"], userId: "u1" },
      ...{ maxBudgetUsd: 0.5, maxTurns: 3, maxIdleTimeMs: 900_000, maxLifetimeMs: null },
      onLimit: "pause",
    });
  });

  test("rows and lines that are empty are not sent, and a token is shown to nobody", () => {
    const form = {
      ...EMPTY_FORM,
      repositories: [
        { url: " https://example.com/shop ", ref: "", token: "ghs_secret" },
        { url: "", ref: " ", token: "" },
      ],
      setup: "npm ci\n\n  echo a, b \n",
    };
    expect(readForm(form).session.config).toEqual({
      repositories: [{ url: "https://example.com/shop", token: "ghs_secret" }],
      setup: ["npm ci", "echo a, b"],
    });
    expect(JSON.stringify(withoutSecrets(form))).not.toContain("ghs_secret");
    expect(readForm(withoutSecrets(form)).session.config?.repositories).toEqual([
      { url: "https://example.com/shop", token: "YOUR_TOKEN" },
    ]);
  });

  test("MCP servers have names, and a header that is shown to nobody", () => {
    const row = { name: "issues", url: "https://mcp.example.com", header: "", secret: "" };
    const config = (...mcpServers: McpServerRow[]) => {
      const form = { ...EMPTY_FORM, mcpServers };
      return [readForm(form).problems, readForm(withoutSecrets(form)).session.config];
    };
    expect(config(row)).toEqual([{}, { mcpServers: { issues: { url: row.url } } }]);
    const secret = { ...row, name: "orders", secret: "Bearer 1" };
    expect(config(secret, { ...row, header: "X-Key", secret: "2" })).toEqual([
      {},
      {
        mcpServers: {
          orders: { url: row.url, headers: { Authorization: { secret: "YOUR_SECRET" } } },
          issues: { url: row.url, headers: { "X-Key": { secret: "YOUR_SECRET" } } },
        },
      },
    ]);
    expect(config(row, row)[0]).toEqual({ mcpServers: "Two servers have one name." });
    expect(config({ ...row, name: "" })[0]).toEqual({ mcpServers: "Each server needs a name." });
  });

  test.each<[keyof SessionForm, string]>([
    ["maxBudgetUsd", "1,5"],
    ["maxBudgetUsd", "-1"],
    ["maxTurns", "2.5"],
    ["maxIdleTimeMs", "15"],
    ["maxLifetimeMs", "a day"],
    ["config", "{"],
    ["config", "[]"],
    ["config", "null"],
    ["clientTools", '{"name":"a"}'],
    ["config", '"text"'],
  ])("%s: %s can't be read, and is not sent", (field, text) => {
    const { session, problems } = read({ [field]: text });
    expect(Object.keys(problems)).toEqual([field]);
    expect(session).toEqual({ pattern: "hybrid" });
  });

  test("what has a field of its own is not given twice", () => {
    const { problems } = read({ model: "a", config: '{"model":"b"}' });
    expect(problems.config).toBe("model has a field of its own: leave it out here.");
    expect(read({ config: '{"model":"b"}' })).toEqual({
      session: { pattern: "hybrid", config: { model: "b" } },
      problems: {},
    });
  });
});

test.each([
  ["", []],
  ["Read", ["Read"]],
  [" Read ,, Write\n\nEdit\r\n", ["Read", "Write", "Edit"]],
  ["Bash(echo a, b), Read", ["Bash(echo a, b)", "Read"]],
  ["Bash(unclosed, Read", ["Bash(unclosed", "Read"]],
  ["WebFetch(domain:example.com)\nRead", ["WebFetch(domain:example.com)", "Read"]],
])("the list %j", (text, items) => {
  expect(listOf(text)).toEqual(items);
});

test.each([
  ["500 ms", 500],
  ["30s", 30_000],
  ["1.5 h", 5_400_000],
  ["3 d", 259_200_000],
  ["none", null],
  ["30", undefined],
  ["30 minutes", undefined],
  ["-5 s", undefined],
])("the duration %s", (text, ms) => {
  expect(durationOf(text)).toBe(ms);
});

test.each([
  ["maxBudgetUsd", "maxBudgetUsd"],
  ["tags.3", "tags"],
  ["prompt", "prompt"],
  ["prompt.0.text", "prompt"],
  ["config.model", "model"],
  ["config.allowedTools.0", "allowedTools"],
  ["config.outputSchema.type", "config"],
  ["config.repositories.0.url", "repositories"],
  ["config.setup.1", "setup"],
  ["config.mcpServers.issues.url", "mcpServers"],
  ["config.clientTools.0.name", "clientTools"],
  ["config", "config"],
  ["config.prompt", "config"],
  ["", undefined],
  ["conversationId", undefined],
  ["toString", undefined],
])("an issue with the path %j belongs to the field %s", (path, field) => {
  expect(fieldOf(path)).toBe(field);
});
