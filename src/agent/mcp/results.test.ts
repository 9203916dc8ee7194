import fc from "fast-check";
import { expect, it } from "vitest";
import { redactor } from "../../shared/redact";
import { fits } from "../model/reply-bounds";
import { type McpResult, toolResultOf } from "./results";

const asIs = (text: string) => text;

it("a result of any content is text and images within bounds", () => {
  const content = fc.array(
    fc.record({
      type: fc.constantFrom("text", "image", "audio", "resource", "resource_link", "new"),
      text: fc.string({ maxLength: 200 }).map((text) => text.repeat(700)),
      data: fc.base64String(),
      uri: fc.string(),
      resource: fc.anything(),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(content, fc.jsonValue(), fc.boolean(), (blocks, structuredContent, isError) => {
      const given = { content: blocks, structuredContent, isError } as McpResult;
      const result = toolResultOf(given, asIs);
      expect(fits(result, 1_800_000)).toBe(true);
      expect(result.isError ?? false).toBe(isError);
    }),
    { numRuns: 30 },
  );
});

it("a structure that is too deep is replaced by a note", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 10_000; level++) deep = [deep];
  const { content } = toolResultOf({ structuredContent: deep }, asIs);
  expect(content).toContain("more than 100 levels");
});

it("secrets are removed from texts, structures and resources", () => {
  const secret = "sk-0123456789";
  const given: McpResult = {
    content: [
      { type: "resource", resource: { uri: `https://x/${secret}`, text: secret } },
      { type: "resource_link", uri: `https://x/${secret}`, name: "a" },
    ],
    structuredContent: { secret },
  };
  const { content } = toolResultOf(given, redactor([secret]));
  expect(JSON.stringify(content)).not.toContain(secret);
  expect(JSON.stringify(content)).toContain("[redacted]");
});
