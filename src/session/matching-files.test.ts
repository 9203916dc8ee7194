import { expect, it } from "vitest";
import type { WorkspaceReader } from "../sandbox/files";
import { aSandbox } from "../testing/tool-context";
import { filesMatching } from "./matching-files";

const FILES = [
  ...["a.md", "dist/a.js", "dist/b/c.js", "dist/b/c.map", "docs/a.md", "docs/b/c.md"],
  ...["node_modules/a/a.md", "node_modules/a/b.md", "node_modules/b/a.md", "node_modules/c/a.md"],
  ...["node_modules/d/a.md", "other/.git/a.md", "z.md"],
];

/** Returns a workspace with the files, whose pages have three entries, and the directories that were listed. */
async function aWorkspace() {
  const sandbox = aSandbox();
  for (const path of FILES) {
    await sandbox.writeFile(`/workspace/${path}`, new TextEncoder().encode(path));
  }
  const { files } = sandbox;
  if (!files) throw new Error("it has no files");
  const listed: string[] = [];
  const reader: WorkspaceReader = {
    ...files,
    list(path, page) {
      listed.push(path);
      return files.list(path, { ...page, limit: 3 });
    },
  };
  const matching = async (...globs: string[]) => {
    listed.length = 0;
    const paths: string[] = [];
    for await (const { path } of filesMatching(reader, globs)) paths.push(path);
    return paths.sort();
  };
  return { matching, listed };
}

it("finds the files that match any glob, each once", async () => {
  const { matching, listed } = await aWorkspace();
  expect(await matching("dist/**")).toEqual(["dist/a.js", "dist/b/c.js", "dist/b/c.map"]);
  expect(await matching("dist/**", "dist/b/*.js", "dist/*")).toHaveLength(3);
  expect(new Set(listed)).toEqual(new Set(["dist"]));
  expect(await matching("{dist,docs}/**/c.{js,md}")).toEqual(["dist/b/c.js", "docs/b/c.md"]);
  expect(await matching("docs/a.md", "z.md", "none/**", "docs", "a.md/x")).toEqual([
    ...["docs/a.md", "z.md"],
  ]);
});

it("leaves out .git and node_modules, and does not list what is in them, unless a glob names them", async () => {
  const { matching, listed } = await aWorkspace();
  expect(await matching("**/*.md")).toEqual(["a.md", "docs/a.md", "docs/b/c.md", "z.md"]);
  // Each page but the last has three entries; node_modules alone has ten.
  expect(listed.length).toBeLessThan(8);
  expect(await matching("node_modules/a/*.md")).toEqual([
    ...["node_modules/a/a.md", "node_modules/a/b.md"],
  ]);
  expect(await matching("**/.git/*")).toEqual(["other/.git/a.md"]);
});
