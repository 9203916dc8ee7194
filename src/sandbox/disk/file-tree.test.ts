import { describe, expect, it } from "vitest";
import { batchOf } from "./file-tree";

const rowsOf = (...sizes: number[]) => sizes.map((size, n) => ({ path: `/${n}`, size }));

describe("a batch", () => {
  it("is nothing where no row is left", () => {
    expect(batchOf([], 10, 100)).toBeUndefined();
  });

  it.each([
    [
      "of few small rows is the last",
      rowsOf(10, 0, 90),
      { last: "/2", entries: 3, bytes: 100 },
      true,
    ],
    [
      "ends before too many bytes",
      rowsOf(10, 80, 20, 0),
      { last: "/1", entries: 2, bytes: 90 },
      false,
    ],
    ["has one row at least", rowsOf(500, 1), { last: "/0", entries: 1, bytes: 500 }, false],
    ["may be one large row, the last", rowsOf(500), { last: "/0", entries: 1, bytes: 500 }, true],
    [
      "of as many rows as are read is not the last",
      rowsOf(1, 1, 1, 1),
      { last: "/3", entries: 4, bytes: 4 },
      false,
    ],
  ])("%s", (_, rows, batch, isLast) => {
    expect(batchOf(rows, 4, 100)).toEqual({ first: "/0", ...batch, isLast });
  });
});
