import { describe, expect, it } from "vitest";

// The Workers that the benchmark compares with are not part of Rigger.
const sources = import.meta.glob<string>(
  ["./**/*.{ts,tsx}", "!./**/*.test.ts", "!./**/*.d.ts", "!./bench/workers/*.ts"],
  { query: "?raw", import: "default", eager: true },
);

/** The parts of the source that every subfolder of `session` may import from. */
const BELOW_SESSION = [
  ...["session/base", "session/rules", "account", "webhooks", "agent", "sandbox", "events", "db"],
  "traces",
];
const SESSION_ROOM = [
  ...BELOW_SESSION,
  "session/storage",
  "session/transactions",
  "session/context",
];

/**
 * The parts of the source, and the parts that each may import from; all may import from shared/. A part is a
 * folder of `src`, a folder of `src/session`, or one of FILES.
 */
const ROOMS: Record<string, readonly string[]> = {
  index: ["http", "session", "account", "webhooks", "automations", "sandbox", "pool"],
  http: [
    "account",
    "webhooks",
    "automations",
    "session",
    "session/base",
    "session/rules",
    "sandbox",
    "pool",
    "traces",
    "events",
    "db",
    "settings",
  ],
  session: [
    ...SESSION_ROOM,
    "session/loop",
    "session/claude-code",
    "session/container",
    "session/mcp",
    "session/snapshots",
    "pool",
    "settings",
  ],
  "session/loop": SESSION_ROOM,
  "session/claude-code": SESSION_ROOM,
  "session/container": SESSION_ROOM,
  "session/mcp": SESSION_ROOM,
  "session/snapshots": SESSION_ROOM,
  "session/context": [...BELOW_SESSION, "session/storage", "session/transactions"],
  "session/transactions": [...BELOW_SESSION, "session/storage"],
  "session/storage": BELOW_SESSION,
  "session/base": [
    ...["session/rules", "account", "agent", "sandbox", "traces", "events", "db", "settings"],
  ],
  "session/rules": ["account", "events", "db"],
  account: ["webhooks", "events", "settings"],
  webhooks: ["settings"],
  automations: ["session/base", "session/rules", "account", "events", "settings"],
  pool: ["sandbox", "settings"],
  agent: ["sandbox", "events"],
  sandbox: ["container"],
  container: [],
  traces: ["events"],
  events: [],
  db: ["events"],
  shared: [],
  settings: [],
  testing: ["session", "bench", ...SESSION_ROOM, "http", "pool", "settings", "container"],
  bench: ["client", "testing", "agent", "db", "sandbox", "container"],
  simulate: ["soak"],
  soak: ["bench", "fuzz", "events", "testing"],
  fuzz: ["bench", "soak", "events", "agent"],
  client: [],
  dashboard: ["client", "bench", "testing"],
  cli: ["client"],
  trial: ["bench", "container", "index", "sandbox", "session/base", "testing"],
};

/** Files that are a part of their own. */
const FILES: Record<string, string> = {
  "session/rpc": "session/base",
  "session/deployment": "session/base",
  "session/machines": "session/base",
  "session/artifact-bucket": "session/base",
  "session/context": "session/context",
  "session/session-env": "session/context",
  "session/reserve": "session/context",
};

/** The only folder or file that may import a foreign package. */
const HOME: Record<string, string> = {
  "@anthropic-ai/sdk": "agent/",
  "@cfworker/json-schema": "agent/",
  re2js: "agent/",
  "drizzle-orm": "db/",
  "just-bash": "sandbox/",
  "@modelcontextprotocol/client": "agent/mcp/client.ts",
  "@modelcontextprotocol/server": "http/mcp/server.ts",
  "@agentclientprotocol/sdk": "cli/acp.ts",
  hono: "http/",
  jose: "http/",
  standardwebhooks: "webhooks/",
  croner: "session/rules/",
  "@mdream/js": "agent/tools/",
  "@copilotkit/aimock": "testing/",
  "@cloudflare/sandbox": "sandbox/cloudflare.ts",
  preact: "dashboard/",
  "@preact/signals": "dashboard/",
  "eventsource-parser": "client/stream.ts",
  "zod-openapi": "http/openapi/",
};

/**
 * All imports of each file, type imports included. Imports of our own files are paths relative to `src`,
 * without extension.
 */
const imports = Object.entries(sources).flatMap(([path, source]) =>
  [...source.matchAll(/(?:from\s+|import\s+|import\()"([^"]+)"/g)].map(([, target = ""]) => ({
    path: withoutEnding(path.slice(2)),
    target: target.startsWith(".")
      ? withoutEnding(new URL(target, `file:///${path.slice(2)}`).pathname.slice(1))
      : target,
    isOurs: target.startsWith(".") && !target.endsWith(".json"),
  })),
);

function withoutEnding(path: string): string {
  return path.replace(/\.tsx?$/, "");
}

function roomOf(path: string): string {
  const [first = "", second = "", ...rest] = path.split("/");
  if (FILES[path]) return FILES[path];
  return first === "session" && rest.length > 0 ? `session/${second}` : first;
}

/** Returns the files of an import cycle, in order; undefined if there is none. */
function findCycle(): string[] | undefined {
  const targets = Map.groupBy(
    imports.filter(({ isOurs }) => isOurs),
    ({ path }) => path,
  );
  const finished = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (finished.has(path)) return undefined;
    for (const { target } of targets.get(path) ?? []) {
      const cycle = visit(target, [...way, path]);
      if (cycle) return cycle;
    }
    finished.add(path);
    return undefined;
  };
  for (const path of targets.keys()) {
    const cycle = visit(path, []);
    if (cycle) return cycle;
  }
  return undefined;
}

describe("the structure", () => {
  it("has a rule for every folder", () => {
    const rooms = new Set(Object.keys(sources).map((path) => roomOf(withoutEnding(path.slice(2)))));
    expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort());
  });

  it.each(Object.keys(ROOMS))("%s imports only from the folders that its rule allows", (room) => {
    const strays = imports
      .filter(({ path, isOurs }) => isOurs && roomOf(path) === room)
      .map(({ path, target }) => ({ path, target, to: roomOf(target) }))
      .filter(({ to }) => to !== room && to !== "shared" && !ROOMS[room]?.includes(to));
    expect(strays).toEqual([]);
  });

  it("has no import cycle", () => {
    expect(findCycle()).toBeUndefined();
  });

  it("never imports the bindings", () => {
    // The bindings are ambient: importing them would make every file depend on all Durable Objects.
    expect(imports.filter(({ target }) => target === "bindings.d")).toEqual([]);
  });

  it.each(Object.entries(HOME))("%s is imported only in %s", (name, home) => {
    const strays = imports.filter(
      ({ path, target }) =>
        (target === name || target.startsWith(`${name}/`)) &&
        !`${path}.ts`.startsWith(home) &&
        roomOf(path) !== "testing",
    );
    expect(strays).toEqual([]);
  });

  it("only Durable Objects access their storage, through shared/sql", () => {
    const users = Object.entries(sources)
      .filter(([path]) => !path.startsWith("./testing/"))
      .filter(([, source]) => /ctx\.storage|storage\.sql|SqlStorage\b/.test(source))
      .map(([path]) => roomOf(withoutEnding(path.slice(2))));
    const rooms = [
      "account",
      "automations",
      "pool",
      "sandbox",
      "session",
      "session/snapshots",
      "session/storage",
      "shared",
      "webhooks",
    ];
    expect([...new Set(users)].sort()).toEqual(rooms);
  });

  const of = (room: string) =>
    Object.entries(sources).filter(([path]) => path.startsWith(`./${room}/`));

  it.each(of("session/rules"))(
    "%s uses no clock, no randomness, no storage and no platform API",
    (_, s) => {
      expect(s).not.toMatch(/Date\.now|Math\.random|cloudflare:|storage|fetch\(/);
    },
  );

  it.each(of("session/transactions"))("%s is synchronous and without I/O", (_, source) => {
    expect(source).not.toMatch(/\basync\b|\bawait\b|Promise|fetch\(/);
  });

  it("has no barrel files except the entry", () => {
    const barrels = Object.keys(sources).filter((path) => /\/index\.ts$/.test(path));
    expect(barrels).toEqual(["./index.ts"]);
  });
});
