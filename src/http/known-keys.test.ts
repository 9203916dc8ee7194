import { expect, it, vi } from "vitest";
import type { Identified } from "../account/keys";
import { KnownKeys } from "./known-keys";

const KEY = {
  id: "key_1",
  name: "ci",
  owner: "acme",
  scopes: [],
  tools: null,
  createdAt: 0,
  expiresAt: null,
  lastUsedAt: null,
  revokedAt: null,
};
const valid = (until: number | null): Identified => ({ state: "valid", key: KEY, until });

it("a key is asked for once in 25 s, so that a revoked one is refused within 30", async () => {
  const known = new KnownKeys();
  const look = vi.fn(async () => valid(null));
  for (const now of [0, 1, 24_999]) {
    expect(await known.find("h", look, now)).toMatchObject({ state: "valid" });
  }
  expect(look).toHaveBeenCalledTimes(1);
  look.mockResolvedValue({ state: "revoked" });
  expect(await known.find("h", look, 25_000)).toEqual({ state: "revoked" });
});

it("a key that ends meanwhile is refused on time", async () => {
  const known = new KnownKeys();
  const look = async () => valid(10);
  expect(await known.find("h", look, 9)).toMatchObject({ state: "valid" });
  expect(await known.find("h", look, 10)).toEqual({ state: "expired" });
});

it("a key that is forgotten is asked for again", async () => {
  const known = new KnownKeys();
  const look = vi.fn(async () => valid(null));
  await known.find("h", look, 0);
  known.forget("key_2");
  await known.find("h", look, 0);
  expect(look).toHaveBeenCalledTimes(1);
  known.forget("key_1");
  await known.find("h", look, 0);
  expect(look).toHaveBeenCalledTimes(2);
});

it("a question that fails is asked again", async () => {
  const known = new KnownKeys();
  const look = vi.fn(async () => valid(null)).mockRejectedValueOnce(new Error("lost"));
  await expect(known.find("h", look, 0)).rejects.toThrow("lost");
  expect(await known.find("h", look, 0)).toMatchObject({ state: "valid" });
});

it("a thousand are known at most: the oldest is asked for again", async () => {
  const known = new KnownKeys();
  const look = vi.fn(async () => valid(null));
  for (let n = 0; n <= 1_000; n++) await known.find(`h${n}`, look, 0);
  look.mockClear();
  await known.find("h1000", look, 0);
  await known.find("h1", look, 0);
  expect(look).not.toHaveBeenCalled();
  await known.find("h0", look, 0);
  expect(look).toHaveBeenCalledTimes(1);
});
