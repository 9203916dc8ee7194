import { describe, expect, it } from "vitest";
import { takeOverEnv } from "../egress";
import { gitVariables, tokenOf, tokenOptions, tokenSecrets, withoutTokens } from "./tokens";

const url = "https://github.com/octocat/Hello-World";

describe("the token of a repository", () => {
  it("is a secret for the host of the repository, found by any form of its address", () => {
    const env = tokenSecrets([
      { url: `${url}/`, token: "ghs_1" },
      { url: "https://gitlab.com/a/b" },
    ]);
    expect(Object.values(env)).toEqual([{ secret: "ghs_1", hosts: ["github.com"] }]);
    expect(tokenOf(env, url)).toBe("ghs_1");
    expect(tokenOf(env, "https://gitlab.com/a/b")).toBeUndefined();
    expect(withoutTokens({ model: "m", repositories: [{ url, token: "ghs_1" }] })).toEqual({
      model: "m",
      repositories: [{ url }],
    });
  });

  it("is sent by git as a placeholder, to that repository only, which keeps it with another value", () => {
    const first = takeOverEnv({}, tokenSecrets([{ url, token: "ghs_1" }]));
    const options = tokenOptions(first, (address) => address);
    expect(options.map(([name]) => name)).toEqual([
      `http.${url}.extraHeader`,
      `http.${url}.git.extraHeader`,
    ]);
    const [, basic = ""] = /^Authorization: Basic (.*)$/.exec(options[0]?.[1] ?? "") ?? [];
    expect(atob(basic)).toMatch(/^x-access-token:rigger_secret_[0-9a-f]{32}$/);
    const next = takeOverEnv(first, tokenSecrets([{ url, token: "ghs_2" }]));
    expect(tokenOptions(next, (address) => address)).toEqual(options);
    expect(tokenOf(next, url)).toBe("ghs_2");
  });
});

it("options of git come after those that the session's own variables have", () => {
  const own = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "a.b", GIT_CONFIG_VALUE_0: "c" };
  expect({ ...own, ...gitVariables([["d.e", "f"]], own) }).toEqual({
    ...own,
    ...{ GIT_CONFIG_COUNT: "2", GIT_CONFIG_KEY_1: "d.e", GIT_CONFIG_VALUE_1: "f" },
  });
  expect(gitVariables([], own)).toEqual({});
});
