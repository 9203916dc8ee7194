import { expect, test } from "vitest";
import { readCursor, writeCursor } from "./cursor";

const key = {
  value: 1_795_176_000_000,
  createdAt: 1_795_176_000_000,
  id: "sess_1",
  total: 3,
  totalIsExact: true,
};

test("a cursor decodes to what was encoded, and is safe in a URL", () => {
  const text = writeCursor("-createdAt", { ...key, id: "sess_???>>>" });
  expect(text).toMatch(/^[\w-]+$/);
  expect(readCursor(text, "-createdAt")).toEqual({ ...key, id: "sess_???>>>" });
});

test("a cursor of another sort is refused", () => {
  expect(readCursor(writeCursor("-createdAt", key), "createdAt")).toBeNull();
  expect(readCursor(writeCursor("totalCost", key), "createdAt")).toBeNull();
});

test.each([
  "",
  "garbage",
  "💥",
  btoa("[]"),
  btoa('["createdAt","1",1,"x",1,true]'),
  btoa('["createdAt",1,1,"x",-1,true]'),
  btoa('["createdAt",1,1,"x",1]'),
])("%o is refused", (text) => expect(readCursor(text, "createdAt")).toBeNull());
