import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { promptBound } from "./prompt-bounds";

describe("promptBound", () => {
  const bound = (content: unknown, tools?: unknown[]) =>
    promptBound({ messages: [{ role: "user", content }], ...(tools && { tools }) });

  it("is at least the bytes of the request, beyond ASCII too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        const bytes = new TextEncoder().encode(text).length;
        expect(bound(text)).toBeGreaterThanOrEqual(bytes + 2000);
      }),
    );
  });

  it("takes an image for what images cost, not for its bytes, in a tool's result too", () => {
    const source = { type: "base64", media_type: "image/png", data: "A".repeat(1_000_000) };
    const image = { type: "image", source };
    const result = { type: "tool_result", tool_use_id: "t", content: [image] };
    expect(bound([image])).toBeGreaterThan(5000);
    expect(bound([image, result])).toBeLessThan(13_000);
  });

  it("is not fooled by a tool's input that looks like an image", () => {
    const input = { content: [{ type: "image", source: { data: "A".repeat(50_000) } }] };
    expect(bound([{ type: "tool_use", id: "t", name: "Write", input }])).toBeGreaterThan(50_000);
  });

  it("allows for the hidden description of the API's own tools", () => {
    const search = { type: "web_search_20250305", name: "web_search" };
    const own = { name: "Bash", input_schema: { type: "object" } };
    const tokens = (tool: unknown) => bound("hi", [tool]) ?? 0;
    expect(tokens(search)).toBeGreaterThan(tokens(own) + 4000);
  });

  it.each(["base64", "url", "file"])("can't bound a document that is a %s", (type) => {
    expect(bound([{ type: "document", source: { type } }])).toBeNull();
    const nested = [{ type: "document", source: { type } }];
    expect(bound([{ type: "tool_result", tool_use_id: "t", content: nested }])).toBeNull();
  });

  it("bounds a document of plain text", () => {
    expect(bound([{ type: "document", source: { type: "text", data: "abc" } }])).not.toBeNull();
  });
});
