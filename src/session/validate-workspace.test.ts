import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InitialFile, Repository, SessionConfig } from "./rpc";
import { checkWorkspace } from "./validate-workspace";

const URL = "https://github.com/octocat/Hello-World";
const pathsOf = (config: SessionConfig, provider = "cloudflare") =>
  checkWorkspace(config, provider).map(({ path }) => path);
const file = (path: string): InitialFile => ({ path, text: "" });

describe("the repositories of a config", () => {
  it.each<[string, Repository[]]>([
    ["one by its address", [{ url: URL }]],
    ["one of a host with another name", [{ url: "https://gitlab.com/group/sub/project.git/" }]],
    ["several with paths of their own", [{ url: URL }, { url: URL, path: "deep/er" }]],
    ["one as the workspace itself", [{ url: URL, path: "." }]],
  ])("can be %s", (_, repositories) => {
    expect(checkWorkspace({ repositories, setup: ["true"] }, "cloudflare")).toEqual([]);
  });

  it.each([
    "http://github.com/a/b",
    "ssh://git@github.com/a/b",
    "git@github.com:a/b",
    "https://user:pass@github.com/a/b",
    "https://github.com:8443/a/b",
    "https://github.com/a/b?x=1",
    "https://github.com/a/b#x",
    "https://github.com",
    "https://localhost/a/b",
    "https://127.0.0.1/a/b",
    "https://[::1]/a/b",
    "https://metadata.google.internal/a/b",
  ])("can't have the address %s", (url) => {
    expect(pathsOf({ repositories: [{ url }] })).toEqual(["config.repositories.0.url"]);
  });

  it("must be on a host that the session may reach", () => {
    const repositories = [{ url: "https://git.example.com/a/b" }];
    const [issue] = checkWorkspace({ repositories }, "cloudflare");
    expect(issue?.message).toContain("config.sandbox.network does not allow git.example.com");
    expect(pathsOf({ repositories }, "e2b")).toHaveLength(1);
    expect(pathsOf({ repositories }, "fly")).toEqual([]);
    const network = { allow: ["*.example.com"] };
    expect(pathsOf({ repositories, sandbox: { network } })).toEqual([]);
    const none = { network: "none" } as const;
    expect(pathsOf({ repositories: [{ url: URL }], sandbox: none })).toHaveLength(1);
  });

  it("need a container, as commands do, and files do not", () => {
    const config = { setup: ["true"], files: [file("a")] };
    expect(pathsOf(config, "embedded")).toEqual(["config.setup"]);
    expect(pathsOf({ repositories: [{ url: URL }] }, "embedded")).toEqual(["config.repositories"]);
    expect(pathsOf({ repositories: [], setup: [] }, "embedded")).toEqual([]);
  });
});

describe("paths of a config", () => {
  it.each<[string, Repository[], InitialFile[], string[]]>([
    ["the same twice", [], [file("a"), file("a")], ["config.files.1.path"]],
    ["a file below a file", [], [file("a"), file("a/b")], ["config.files.1.path"]],
    ["a repository twice", [{ url: URL }, { url: URL }], [], ["config.repositories.1.path"]],
    [
      "a repository in another",
      [{ url: URL }, { url: URL, path: "Hello-World/x" }],
      [],
      ["config.repositories.1.path"],
    ],
    [
      "one in the workspace that is one",
      [{ url: URL, path: "." }, { url: URL }],
      [],
      ["config.repositories.1.path"],
    ],
    ["a file where one is", [{ url: URL, path: "a" }], [file("a")], ["config.files.0.path"]],
    ["a file above one", [{ url: URL, path: "a/b" }], [file("a")], ["config.files.0.path"]],
    ["no name", [{ url: "https://github.com/a/.git" }], [], ["config.repositories.0.path"]],
  ])("are refused: %s", (_, repositories, files, paths) => {
    expect(pathsOf({ repositories, files })).toEqual(paths);
  });

  it("of files may be in a repository", () => {
    const files = [file("Hello-World/.env"), file("Hello-World/a/b")];
    expect(pathsOf({ repositories: [{ url: URL }], files })).toEqual([]);
    expect(pathsOf({ repositories: [{ url: URL, path: "." }], files })).toEqual([]);
  });

  it("are refused exactly if files can't be there together", () => {
    const path = fc
      .array(fc.constantFrom("a", "b", "ab"), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join("/"));
    fc.assert(
      fc.property(fc.array(path, { maxLength: 5 }), (paths) => {
        const clash = paths.some((one, n) =>
          paths.slice(0, n).some((other) => {
            const [a, b] = [`${one}/`, `${other}/`];
            return a.startsWith(b) || b.startsWith(a);
          }),
        );
        expect(pathsOf({ files: paths.map(file) }).length > 0).toBe(clash);
      }),
    );
  });
});
