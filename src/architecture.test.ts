import { describe, expect, it } from "vitest";

const sources = import.meta.glob<string>(["./**/*.ts", "!./**/*.test.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});

/** Which folders a folder may import from. The entry and the settings stand above and below all of them. */
const ALLOWED: Record<string, readonly string[]> = {
  http: ["session", "events", "db", "shared"],
  session: ["agent", "sandbox", "events", "db", "shared"],
  agent: ["sandbox", "events", "shared"],
  sandbox: ["container", "shared"],
  container: [],
  events: ["shared"],
  db: ["events"],
  shared: [],
  testing: ["session", "agent", "sandbox", "events", "db", "http", "shared"],
  bench: ["agent"],
  soak: ["bench", "fuzz", "events"],
  fuzz: ["bench", "soak", "events"],
  trial: ["bench", "sandbox"],
};

/** The one folder, or file, in which a foreign package may be imported. */
const HOME: Record<string, string> = {
  "@anthropic-ai/sdk": "agent/",
  "@cfworker/json-schema": "agent/",
  re2js: "agent/",
  "drizzle-orm": "db/",
  "just-bash": "sandbox/",
  hono: "http/",
  croner: "session/",
  "@mdream/js": "agent/tools/",
  "@copilotkit/aimock": "testing/",
  "@cloudflare/sandbox": "sandbox/cloudflare.ts",
};

/** What a file imports, and where it stands; our own files by their path from here. */
const imports = Object.entries(sources).flatMap(([path, source]) =>
  [...source.matchAll(/(?:from|import)\s+"([^"]+)"/g)].map(([, target = ""]) => ({
    path: path.slice(2),
    target: target.startsWith(".") ? new URL(target, `file:///${path.slice(2)}`).pathname : target,
  })),
);

const folderOf = (path: string) => path.split("/")[0] ?? "";

describe("the structure", () => {
  it.each(Object.keys(ALLOWED))("%s imports only from below itself", (folder) => {
    const strays = imports
      .filter(({ path }) => folderOf(path) === folder && path.includes("/"))
      .filter(({ target }) => target.startsWith("/") && target !== "/settings")
      .map(({ path, target }) => ({ path, to: folderOf(target.slice(1)) }))
      .filter(({ to }) => to !== folder && !ALLOWED[folder]?.includes(to));
    expect(strays).toEqual([]);
  });

  it("only http and session read the settings", () => {
    const readers = imports.filter(({ target }) => target === "/settings");
    const folders = new Set(readers.map(({ path }) => folderOf(path)));
    const allowed = new Set(["index.ts", "http", "session"]);
    expect([...folders].filter((folder) => !allowed.has(folder))).toEqual([]);
  });

  it.each(Object.entries(HOME))("%s is imported only in %s", (name, home) => {
    const strays = imports.filter(
      ({ path, target }) =>
        (target === name || target.startsWith(`${name}/`)) && !path.startsWith(home),
    );
    expect(strays).toEqual([]);
  });

  it("only the session reaches its storage, and only the sandbox its own", () => {
    const users = Object.entries(sources)
      .filter(([, source]) => /ctx\.storage|storage\.sql/.test(source))
      .map(([path]) => folderOf(path.slice(2)));
    expect([...new Set(users)].sort()).toEqual(["sandbox", "session"]);
  });

  it("the rules of lifecycle, deadlines, limits, runs, restarts and machines know no clock, no storage and no platform", () => {
    for (const name of ["lifecycle", "deadlines", "limits", "next-run", "recovery", "machine"]) {
      const source = sources[`./session/${name}.ts`] ?? "";
      expect(source).not.toMatch(/Date\.now|Math\.random|cloudflare:|storage|fetch\(/);
    }
  });

  it("has no barrels but the entry", () => {
    const barrels = Object.keys(sources).filter((path) => /\/index\.ts$/.test(path));
    expect(barrels).toEqual(["./index.ts"]);
  });
});
