import type { Random } from "../../soak/random.ts";
import { many, mutate } from "./grammar.ts";

/** A step of a case: a link that the agent makes, or a request for files. In a target, `{outside}` is a directory outside. */
export type FileStep =
  | { link: string; target: string }
  | { method: string; path: string; headers: Record<string, string>; body?: string };

/** Names as they are in a URL. */
const NAMES = [
  ...[
    "a",
    "b",
    "d",
    "secret",
    "%C3%BC",
    "a%20b",
    "%5C",
    "%2e%2e",
    "%252e%252e",
    "..%2f..",
    "%2Fetc",
  ],
  ...["..", ".", "", "%00", "%FF", "%", "~", "...", "%0a", "%2e", "x".repeat(300), "{outside}"],
] as unknown as [string];
const PLAIN = ["a", "b", "d", "a/b", "a/d/a", "b/d"] as const;
const TARGETS = [
  ...[
    "{outside}",
    "{outside}/secret",
    "..",
    "../..",
    "/",
    "../outside",
    "a",
    "b/d",
    "/workspace/a",
  ],
  ...["{outside}/new", "../../{outside}", "secret", ".", "/workspace/../{outside}/secret"],
] as unknown as [string];
const HEADERS: readonly [[string, string], ...[string, string][]] = [
  ["Range", "bytes=0-3"],
  ["Range", "bytes=-9999999999"],
  ["Range", "bytes=7-2"],
  ["If-Match", "*"],
  ["If-None-Match", "*"],
  ["If-None-Match", 'W/"x", "y"'],
  ["If-Range", '"x"'],
  ["If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"],
];

/** Returns a random series of links and requests, of which many try to leave the workspace. */
export const filesInput = (random: Random): FileStep[] => many(random, 3, 14, () => step(random));

function step(random: Random): FileStep {
  if (random.chance(0.25)) return { link: random.pick(PLAIN), target: random.pick(TARGETS) };
  const headers = Object.fromEntries(many(random, 0, 1, () => random.pick(HEADERS)));
  const names = random.chance(0.5)
    ? random.pick(PLAIN)
    : many(random, 1, 4, () => random.pick(NAMES)).join("/");
  const path = random.chance(0.1) ? encodeURI(mutate(random, names).toWellFormed()) : names;
  const dice = random.int(1, 10);
  const file = `/files/${path}`;
  if (dice <= 2) return { method: "GET", path: `/files?path=${path}&recursive=true`, headers };
  if (dice === 3) return { method: "GET", path: `/archive?path=${path}`, headers };
  if (dice <= 5) return { method: "GET", path: file, headers };
  if (dice <= 8) return { method: "PUT", path: file, headers, body: "of a caller" };
  const recursive = random.chance(0.5) ? "?recursive=true" : "";
  return { method: "DELETE", path: file + recursive, headers };
}
