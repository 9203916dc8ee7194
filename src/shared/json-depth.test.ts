import { describe, expect, it } from "vitest";
import { isDeeperThan, isTextDeeperThan, levelsOf } from "./json-depth";

const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: [nested(depth - 1)] });

describe("the depth of JSON", () => {
  it("is the number of objects and arrays around a value", () => {
    expect(isDeeperThan("text", 0)).toBe(false);
    expect(isDeeperThan([1], 0)).toBe(true);
    expect(isDeeperThan(nested(3), 6)).toBe(false);
    expect(isDeeperThan(nested(3), 5)).toBe(true);
  });

  it("is the same of a text", () => {
    expect(isTextDeeperThan(JSON.stringify(nested(3)), 6)).toBe(false);
    expect(isTextDeeperThan(JSON.stringify(nested(3)), 5)).toBe(true);
    expect(isTextDeeperThan(JSON.stringify(['[{"[\\"[', "]"]), 1)).toBe(false);
  });

  it("is walked level by level", () => {
    expect([...levelsOf({ a: [1, 2], b: null })]).toEqual([
      [{ a: [1, 2], b: null }],
      [[1, 2], null],
      [1, 2],
    ]);
  });
});
