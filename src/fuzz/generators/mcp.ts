import type { Random } from "../../soak/random.ts";
import { many } from "./grammar.ts";
import { anyValue, mutateValue } from "./json.ts";

/** Rules about tools of MCP servers, and calls of such tools. */
export interface McpRulesInput {
  disallowedTools: string[];
  /** Calls, and whether a rule forbids them. */
  calls: { name: string; isForbidden: boolean }[];
}

/** Names of servers and of tools, of which one may be taken for another. */
const SERVERS = ["a", "A", "ab", "a-b", "a_b", "mcp", "Bash", "constructor", "-", "0"] as const;
const TOOLS = ["b", "B", "bc", "b__c", "_b", "__b", "b_", "b-c", "mcp__a__b", "toString"] as const;

/** Names that a server may not have. */
const BROKEN: readonly [string, ...string[]] = [
  "",
  "a_",
  "a__b",
  "__proto__",
  "a b",
  "é",
  "a*",
  "a(b)",
  "a\u0000",
  "x".repeat(65),
];

/** Texts that are no rule about a server. */
const NO_RULES = [
  "mcp__",
  "mcp__*",
  "mcp____a",
  "mcp__a_",
  "mcp__a(b)",
  "mcp__a__b(*c)",
  "mcp__a__b__*",
  "mcp__a__b*",
  "mcp__é__b",
  `mcp__${"_".repeat(150)}`,
  `mcp__${"a__".repeat(60)}*`,
] as const;

/** Returns valid rules that disallow tools, and calls of tools that are named alike. */
export function mcpRules(random: Random): McpRulesInput {
  const rules = many(random, 1, random.pick([2, 4, 9]), () => ({
    server: random.pick(SERVERS),
    tool: random.chance(0.4) ? undefined : random.pick(TOOLS),
  }));
  const textOf = ({ server, tool }: (typeof rules)[number]) =>
    `mcp__${server}${tool === undefined ? random.pick(["", "__*"]) : `__${tool}`}`;
  const calls = many(random, 8, 20, () => {
    const [server, tool] = [random.pick(SERVERS), random.pick(TOOLS)];
    const forbids = (rule: (typeof rules)[number]) =>
      rule.server === server && (rule.tool === undefined || rule.tool === tool);
    return { name: `mcp__${server}__${tool}`, isForbidden: rules.some(forbids) };
  });
  return { disallowedTools: rules.map(textOf), calls };
}

/** Returns a part of a config with MCP servers, which can't be reached, and rules about them. It is often invalid. */
export function mcpConfig(random: Random): Record<string, unknown> {
  const names = many(random, 1, random.pick([1, 2, 2, 21]), () =>
    mostly(random, random.pick(SERVERS), BROKEN),
  );
  // Unlike an assignment, this also makes a property with the name `__proto__`.
  const mcpServers = Object.fromEntries(names.map((name) => [name, server(random)]));
  const rules = () =>
    many(random, 1, 4, () => {
      const name = random.pick(names as [string]);
      return mostly(random, `mcp__${name}${random.pick(["", "__*", "__b"])}`, NO_RULES);
    });
  return {
    mcpServers: random.chance(0.95) ? mcpServers : mutateValue(random, mcpServers),
    ...(random.chance(0.3) && { allowedTools: rules() }),
    ...(random.chance(0.3) && { askTools: rules() }),
    ...(random.chance(0.3) && { disallowedTools: rules() }),
  };
}

/** Returns what is valid, or seldom something else. */
const mostly = <T>(random: Random, valid: T, others: readonly [T, ...T[]]): T =>
  random.chance(0.95) ? valid : random.pick(others);

function server(random: Random): unknown {
  const valid = {
    url: mostly<string>(random, "https://mcp.example.com/", ADDRESSES),
    ...(random.chance(0.2) && { tools: many(random, 0, 9, () => random.pick(TOOLS)) }),
    ...(random.chance(0.2) && { timeoutMs: mostly<unknown>(random, 1_000, [0, 1e9, "1"]) }),
    ...(random.chance(0.3) && {
      headers: {
        [mostly<string>(random, "X-Key", HEADERS)]: mostly(random, { secret: "s" }, VALUES),
      },
    }),
    ...(random.chance(0.2) && { oauth: oauth(random) }),
  };
  return random.chance(0.95) ? valid : mutateValue(random, valid);
}

const oauth = (random: Random): unknown => ({
  tokenUrl: mostly<string>(random, "https://login.example.com/token", ADDRESSES),
  clientId: "c",
  refreshToken: random.chance(0.95) ? "r" : anyValue(random),
  ...(random.chance(0.3) && {
    expiresAt: mostly(random, "2026-01-01T00:00:00Z", ["never", ""]),
  }),
});

const ADDRESSES = [
  "http://mcp.example.com/",
  "https://127.0.0.1/",
  "https://[::1]/",
  "https://0x7f.1/",
  "https://169.254.169.254/latest/meta-data",
  "https://user:password@mcp.example.com/",
  "https://localhost./",
  "file:///etc/passwd",
  "javascript:1",
  "//mcp.example.com",
  `https://${"a.".repeat(900)}example.com/`,
  "https://mcp.example.com/\u0000",
] as const;

const HEADERS = [
  "Authorization",
  "Host",
  "mcp-session-id",
  "Content-Length",
  "__proto__",
  "a b",
  "x\r\ny",
] as const;

const VALUES: readonly [unknown, ...unknown[]] = ["v", { secret: 1 }, "", "a\r\nb: c", "é", null];
