import fc from "fast-check";
import { expect, it } from "vitest";
import { mayCall } from "../permissions/permissions";
import { isServerName, namesTool, serverIn, toolNameOf } from "./names";

const serverName = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/).filter((name) => isServerName(name));
const toolName = fc.string({ minLength: 1, maxLength: 40 });

it.each(["a", "a-b", "a_b", "-", "_a", "x".repeat(64)])("a server may be named %s", (name) => {
  expect(isServerName(name)).toBe(true);
});

it.each(["", "a__b", "a_", "_", "a b", "é", "x".repeat(65), "a\n"])(
  "a server may not be named %j",
  (name) => {
    expect(isServerName(name)).toBe(false);
  },
);

it("a tool's name is one that the API accepts, and tells its server", () => {
  fc.assert(
    fc.property(serverName, toolName, (server, tool) => {
      const name = toolNameOf(server, tool);
      if (name === undefined) return;
      expect(name).toMatch(/^[a-zA-Z0-9_-]{1,128}$/);
      expect(serverIn(name)).toBe(server);
      expect(serverIn(`mcp__${server}`)).toBe(server);
    }),
  );
});

it("a rule of a server is about all its tools, and about no tool of another one", () => {
  fc.assert(
    fc.property(serverName, serverName, toolName, (one, other, tool) => {
      const name = toolNameOf(other, tool);
      if (name === undefined) return;
      expect(namesTool(`mcp__${one}`, name)).toBe(one === other);
      const { allowed } = mayCall({ disallowedTools: [`mcp__${one}__*`] }, name, {});
      expect(allowed).toBe(one !== other);
      expect(mayCall({ allowedTools: [`mcp__${one}`] }, name, {}).allowed).toBe(one === other);
    }),
  );
});

it("a tool's name that is empty or too long is none", () => {
  expect(toolNameOf("a", "")).toBeUndefined();
  expect(toolNameOf("a".repeat(64), "x".repeat(57))).toHaveLength(128);
  expect(toolNameOf("a".repeat(64), "x".repeat(58))).toBeUndefined();
});
