import { describe, expect, it } from "vitest";
import { createApp } from "./http/app";
import { sessionPoint } from "./session/telemetry";
import { settings } from "./settings";
import { aSessionRow } from "./testing/rows";

const pages = import.meta.glob<string>(["../*.md", "../docs/*.md"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const sources = import.meta.glob<string>(["./**/*.ts", "!./**/*.test.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const dashboards = import.meta.glob<string>("../docs/grafana-dashboard.json", {
  query: "?raw",
  import: "default",
  eager: true,
});
/** Every file that a page may link to, as a path relative to this file. */
const files = Object.keys(
  import.meta.glob(["../*", "../docs/**", "../migrations/*", "./**/*", "!./**/node_modules/**"]),
);

/** What is checked of a dashboard of Grafana. */
interface Dashboard {
  panels: { targets: { url_options: { data: string }; columns: { selector: string }[] }[] }[];
}

/** Returns the anchors of a page: its headings, converted to ids as on GitHub. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );

/** Returns the links of a page outside of code blocks, except links to other sites. */
const linksOf = (page: string): string[] =>
  [...page.replace(/```.*?```/gs, "").matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

/** Returns the code spans in the first column of the tables below a page's heading. */
function firstColumn(path: string, heading: string): string[] {
  const page = pages[path] ?? "";
  const [part = ""] = page.slice(page.indexOf(`\n${heading}\n`) + 1).split(/\n#+ /);
  return [...part.matchAll(/^\| ([^|]*)\|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code),
  );
}

const matches = (source: string, pattern: RegExp): string[] =>
  [...source.matchAll(pattern)].map(([, name = ""]) => name);
const distinct = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** Returns a page's link as a path relative to this file. */
function inRepository(page: string, link: string): string {
  const { pathname } = new URL(link, `file:///${page.slice("../".length)}`);
  const path = pathname.slice(1).replace(/\/$/, "");
  return path.startsWith("src/") ? `./${path.slice("src/".length)}` : `../${path}`;
}

describe("the docs", () => {
  it.each(Object.entries(pages))("%s has no broken links", (path, page) => {
    const broken = linksOf(page).filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : inRepository(path, file);
      if (anchor !== undefined) return !anchorsOf(pages[target] ?? "").includes(anchor);
      return !files.some((one) => one === target || one.startsWith(`${target}/`));
    });
    expect(broken).toEqual([]);
  });

  it("list every setting, and no other", () => {
    const source = sources["./settings.ts"] ?? "";
    const known = matches(source, /^ {2}([A-Z][A-Z0-9_]+): /gm);
    expect(distinct(firstColumn("../docs/configuration.md", "## Settings"))).toEqual(
      distinct(known),
    );
  });

  it("list every log line, and no other", () => {
    const all = Object.entries(sources).filter(([path]) => !/^\.\/(testing|fuzz)\//.test(path));
    const logged = all.flatMap(([, source]) =>
      matches(source, /(?:log\(|\bevent:)\s*"([a-z_]+\.[a-z_]+)"/g),
    );
    const documented = firstColumn("../docs/operations.md", "## What is logged");
    expect(distinct(documented.filter((name) => name.includes(".")))).toEqual(distinct(logged));
  });

  it("name no endpoint that the API does not have", () => {
    const assets = ["GET /openapi.json", "GET /docs"];
    const known = createApp(settings).routes.map(({ method, path }) => `${method} ${path}`);
    const named = Object.values(pages).flatMap((page) =>
      matches(page, /`((?:GET|POST|PUT|PATCH|DELETE) \/[a-z0-9/:.-]*)[`?]/gi),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((one) => ![...known, ...assets].includes(one))).toEqual([]);
  });

  it("query only columns that data points have", () => {
    const point = sessionPoint(aSessionRow({}), "m");
    const numbered = (name: string, values: readonly unknown[] = []) =>
      values.map((_, index) => `${name}${index + 1}`);
    const { indexes, blobs, doubles } = point;
    const columns = [
      ...[numbered("index", indexes), numbered("blob", blobs), numbered("double", doubles)].flat(),
    ];
    const page = pages["../docs/operations.md"] ?? "";
    const ofPage = [...page.matchAll(/```sql(.*?)```/gs)].map(([, sql = ""]) => sql);
    const { panels } = JSON.parse(dashboards["../docs/grafana-dashboard.json"] ?? "") as Dashboard;
    const targets = panels.flatMap((panel) => panel.targets);
    const queries = [...ofPage, ...targets.map(({ url_options: { data } }) => data)];
    expect(targets.length).toBeGreaterThan(10);
    for (const sql of queries) {
      const used = matches(sql, /\b((?:index|blob|double)\d+)\b/g);
      expect(columns, sql).toEqual(expect.arrayContaining(used));
      expect(sql).toMatch(/FROM rigger\s+WHERE blob1 = '(message|session|warning)'/);
      // Analytics Engine keeps a sample.
      expect(sql).toContain("_sample_interval");
    }
    for (const {
      columns: shown,
      url_options: { data },
    } of targets) {
      const named = matches(data, / AS (\w+)/g);
      expect(shown.map(({ selector }) => selector)).toEqual(named);
    }
  });
});
