import type { Random } from "../../soak/random.ts";

const STRINGS = [
  "",
  "a",
  "null",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "a\ud800b",
  "😀".repeat(50),
  "İ",
  "%",
  "_",
  "../../x",
  "a,b",
  "x".repeat(201),
  "x".repeat(10_001),
  "$".repeat(50),
  "hybrid",
  "ephemeral",
  "queue",
  "claude-code",
  "cloudflare",
  "embedded",
  "Bash(*)",
  "Bash(ls *",
  "mcp__a__*",
  "0 0 * * *",
  "* * * * * *",
  "1970-01-01T00:00:00Z",
  "<script>",
  "' OR 1=1 --",
] as const;

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e-9,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  1e21,
  100,
  60_000,
] as const;

const KEYS = [
  ..."pattern config model env tags prompt type text source description userId maxTurns".split(" "),
  ..."maxBudgetUsd conversationId agent onBusy reason customAgents allowedTools __proto__ cron everyMs".split(
    " ",
  ),
  ..."sandbox network allow secret hosts outputSchema thinking effort paused streaming background mcpServers url headers oauth x".split(
    " ",
  ),
] as const;

/** Returns a random JSON value, slightly nested. */
export function anyValue(random: Random, depth = 0): unknown {
  const dice = random.int(1, depth > 3 ? 70 : 100);
  if (dice === 1 && depth === 0) return "x".repeat(300_000);
  if (dice <= 30) return random.pick(STRINGS);
  if (dice <= 55) return random.pick(NUMBERS);
  if (dice <= 62) return random.chance(0.5);
  if (dice <= 70) return null;
  const size = random.pick([0, 1, 2, 3, depth === 0 ? random.pick([5, 60, 1_100]) : 4]);
  if (dice <= 84) {
    const item = anyValue(random, depth + 1);
    return Array.from({ length: size }, (_, n) =>
      n % 2 === 0 && size < 9 ? item : anyValue(random, 4),
    );
  }
  if (dice <= 86) return nested(random.pick([20, 99, 101, 3_000]), random.chance(0.5));
  return Object.fromEntries(
    Array.from({ length: size }, (_, n) => [
      n < 5 ? random.pick(KEYS as unknown as [string]) : `key${n}`,
      anyValue(random, n < 5 ? depth + 1 : 4),
    ]),
  );
}

function nested(depth: number, asList: boolean): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = asList ? [value] : { a: value };
  return value;
}

/** Returns a value with one part replaced, removed, renamed or added. */
export function mutateValue(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.15)) return anyValue(random);
  if (Array.isArray(value)) {
    const at = random.int(0, value.length);
    const item = at < value.length ? mutateValue(random, value[at]) : anyValue(random);
    return value.toSpliced(at, random.int(0, 1), item);
  }
  const keys = Object.keys(value);
  const key = keys[random.int(0, keys.length - 1)];
  const { [key ?? ""]: old, ...others } = value as Record<string, unknown>;
  return random.pick([
    () => others,
    () => ({ ...others, [key ?? "x"]: mutateValue(random, old) }),
    () => ({ ...others, [key ?? "x"]: mutateValue(random, old) }),
    () => ({ ...value, [random.pick(KEYS as unknown as [string])]: anyValue(random) }),
    () => ({ ...others, [`${key} `]: old }),
  ])();
}
