import { describe, expect, it } from "vitest";
import { readProgramCall } from "./request";

const schema = { type: "object" };
const request = (changes: object = {}) => ({
  model: "claude-sonnet-5-5",
  max_tokens: 16_384,
  stream: true,
  messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
  tools: [{ name: "Bash", input_schema: schema }],
  ...changes,
});
const read = (changes?: object, hasTools = true) =>
  readProgramCall(JSON.stringify(request(changes)), { hasTools });
const search = { type: "web_search_20250305", name: "web_search", max_uses: 8 };

describe("a call of the program", () => {
  it.each([
    ["reply", {}, true],
    ["reply", { tools: undefined }, false],
    ["helper", { tools: undefined }, true],
    ["web_search", { tools: [search] }, true],
    [
      "compaction",
      {
        messages: [
          { role: "user", content: "hi" },
          {
            role: "user",
            content: [
              {
                type: "text",
                text: "Respond with an <analysis> block followed by a <summary> block. Tool calls will be rejected and you will fail the task.",
              },
              { type: "text", text: "And this is how." },
            ],
          },
        ],
      },
      true,
    ],
  ])("is told by what it asks for (%s)", (kind, changes, hasTools) => {
    expect(read(changes, hasTools)).toMatchObject({ ok: true, kind });
  });

  it("that only reads of summaries is no summary", () => {
    const content = "<analysis> <summary> Tool calls will be rejected";
    const result = { type: "tool_result", tool_use_id: "t", content };
    expect(read({ messages: [{ role: "user", content: [result] }] })).toMatchObject({
      kind: "reply",
    });
  });

  it("searches once, which is what is paid for", () => {
    expect(read({ tools: [search] })).toMatchObject({
      body: { tools: [{ ...search, max_uses: 1 }] },
    });
  });

  it("passes on nothing that has a price of its own", () => {
    const dear = {
      speed: "fast",
      inference_geo: "us",
      mcp_servers: [{}],
      container: "c",
      fallbacks: ["x"],
      context_management: {
        edits: [{ type: "clear_thinking_20251015" }, { type: "compact_20260112" }],
      },
    };
    const call = read(dear);
    expect(call.ok && Object.keys(call.body).sort()).toEqual([
      "context_management",
      "messages",
      "stream",
      "tools",
    ]);
    expect(call).toMatchObject({
      body: { context_management: { edits: [{ type: "clear_thinking_20251015" }] } },
    });
  });

  it.each([
    [{ tools: [{ type: "code_execution_20260521", name: "code" }] }],
    [{ tools: [{ name: "Bash", input_schema: schema }, search] }],
    [{ stream: false }],
    [{ max_tokens: 0 }],
    [{ messages: [] }],
    [{ model: "" }],
  ])("is refused where nobody could bound it (%j)", (changes) => {
    expect(read(changes)).toMatchObject({ ok: false });
  });

  it("is refused where it is no JSON", () => {
    expect(readProgramCall("{", { hasTools: true })).toMatchObject({ ok: false });
  });

  it("is bounded by its bytes, but for what only the API can count", () => {
    const plain = read();
    expect(plain.ok && plain.promptBound).toBeGreaterThan(2_000);
    const pdf = {
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: "" },
    };
    expect(read({ messages: [{ role: "user", content: [pdf] }] })).toMatchObject({
      promptBound: null,
    });
  });

  it("that asks for a longer cache is bounded at its price", () => {
    expect(read()).not.toHaveProperty("ttl");
    const system = [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } }];
    expect(read({ system })).toMatchObject({ ttl: "1h" });
  });

  it("tells of the results of its newest reply only", () => {
    const result = (id: string) => ({ type: "tool_result", tool_use_id: id, content: id });
    const messages = [
      { role: "assistant", content: [] },
      { role: "user", content: [result("old")] },
      { role: "assistant", content: [] },
      { role: "user", content: [result("a"), result("b")] },
      { role: "system", content: "today" },
    ];
    const call = read({ messages });
    expect(call.ok && call.results.map(({ toolUseId }) => toolUseId)).toEqual(["a", "b"]);
  });
});
