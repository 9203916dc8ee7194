import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endOf, failureText, plannedRepository, setupText, stepsOf } from "./setup-plan";

const REVISION = { commit: "c".repeat(40), ref: "refs/heads/main" };
const url = "https://github.com/octocat/Hello-World";

describe("what a set-up depends on", () => {
  const context = fc.record({
    owner: fc.constantFrom("a", "b"),
    provider: fc.constantFrom("cloudflare", "e2b"),
    image: fc.constantFrom("1", "2"),
    options: fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom(1, "1")),
    workspace: fc.constant("/workspace"),
    env: fc.dictionary(
      fc.constantFrom("A", "B"),
      fc.oneof(
        fc.constantFrom("1", "2"),
        fc.record({ secret: fc.string(), hosts: fc.constant(["h"]) }),
      ),
    ),
  });
  const repositories = fc.array(
    fc.record({
      url: fc.constantFrom(url, `${url}2`),
      path: fc.constantFrom("p", "q"),
      depth: fc.constantFrom(undefined, 1),
      commit: fc.constantFrom("1", "2"),
      ref: fc.constantFrom(null, "refs/heads/main"),
    }),
    { maxLength: 2 },
  );
  const config = fc.record({
    setup: fc.array(fc.constantFrom("a", "b", 'a","b'), { maxLength: 2 }),
    files: fc.array(fc.record({ path: fc.constantFrom("f", "g"), text: fc.string() }), {
      maxLength: 1,
    }),
  });
  const whole = fc.tuple(context, repositories, config);
  type Whole = Parameters<typeof setupText>;

  /** A whole in one form: without values of secrets, and with its fields in order. */
  const formOf = ([{ env, options, ...rest }, ...others]: Whole) => {
    const fields = (all: object) => Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1));
    const shown = fields(env).map(([name, value]) => [name, value.hosts ? "secret" : value]);
    return JSON.stringify([shown, fields(options), fields(rest), ...others]);
  };

  it("is told from anything else by a text, without the values of secrets", () => {
    fc.assert(
      fc.property(whole, whole, (one, other) => {
        const isSame = formOf(one) === formOf(other);
        expect(setupText(...one) === setupText(...other)).toBe(isSame);
      }),
      { numRuns: 100 },
    );
    const env = {
      A: { secret: "s3cr3t", hosts: ["h"] },
      "git https://h/a": { secret: "t0k3n", hosts: ["h"] },
    };
    const given = { ...fc.sample(context, 1)[0], env } as Whole[0];
    expect(setupText(given, [], {})).not.toMatch(/s3cr3t|t0k3n/);
  });
});

it("the steps of a set-up are its repositories, then its commands", () => {
  const repository = plannedRepository({ url: `${url}.git/`, ref: "main", token: "x" }, REVISION);
  expect(repository).toEqual({
    url: `${url}.git`,
    path: "Hello-World",
    depth: undefined,
    ...REVISION,
  });
  const { clones, commands } = stepsOf([repository], ["npm ci"]);
  expect(clones.map(({ shown }) => shown)).toEqual([
    { step: 1, steps: 2, kind: "repository", name: `${url}.git`, ...REVISION, path: "Hello-World" },
  ]);
  expect(commands).toEqual([
    { shown: { step: 2, steps: 2, kind: "command", name: "npm ci" }, script: "npm ci" },
  ]);
});

it("the end of an output is short, and begins with a line if it can", () => {
  expect(endOf(" all \n")).toBe("all");
  expect(endOf("first\nsecond\nthird", 13)).toBe("…\nsecond\nthird");
  expect(endOf("x".repeat(50), 10)).toBe(`…${"x".repeat(10)}`);
  const shown = { step: 2, steps: 3, kind: "command", name: "npm ci\nmore" } as const;
  expect(failureText(shown, "exit code 1", "no lock\n")).toBe(
    'The set-up failed at step 2 of 3, "npm ci…": exit code 1.\nno lock',
  );
});
