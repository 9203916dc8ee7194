// Replaces the text searches of strings by ones that the host can interrupt. Imported before just-bash.

type Pattern = string | RegExp;
type Replace = (this: string, part: Pattern, by: string) => string;

/** The product of lengths above which a search runs in steps that the host can interrupt. */
const QUICK_SEARCH = 10_000_000;

// The engine searches in one native step of length × length: for two long texts it would neither end nor be
// interrupted.
const { indexOf, lastIndexOf, includes } = String.prototype;
const split = String.prototype.split as (this: string, by: Pattern, limit?: number) => string[];
const replace = String.prototype.replace as Replace;
const replaceAll = String.prototype.replaceAll as Replace;

const isLong = (text: string, part: unknown): part is string =>
  typeof part === "string" && part.length > 64 && text.length * part.length > QUICK_SEARCH;

String.prototype.indexOf = function (part: string, from?: number) {
  const text = String(this);
  return isLong(text, part) ? search(text, part, from) : indexOf.call(text, part, from);
};
String.prototype.lastIndexOf = function (part: string, from = Number.POSITIVE_INFINITY) {
  const text = String(this);
  if (!isLong(text, part)) return lastIndexOf.call(text, part, from);
  let last = -1;
  for (let at = search(text, part); at !== -1 && at <= from; at = search(text, part, at + 1)) {
    last = at;
  }
  return last;
};
String.prototype.includes = function (part: string, from?: number) {
  const text = String(this);
  return isLong(text, part) ? search(text, part, from) !== -1 : includes.call(text, part, from);
};
const splitText: typeof split = function (part, limit) {
  const text = String(this);
  if (!isLong(text, part)) return split.call(text, part, limit);
  const pieces = [];
  let from = 0;
  for (let at = search(text, part); at !== -1; at = search(text, part, from)) {
    pieces.push(text.slice(from, at));
    from = at + part.length;
  }
  return [...pieces, text.slice(from)].slice(0, limit);
};
const replaceText: Replace = function (part, by) {
  const text = String(this);
  if (!isLong(text, part)) return replace.call(text, part, by);
  const at = search(text, part);
  return at === -1
    ? text
    : text.slice(0, at) + replace.call(part, part, by) + text.slice(at + part.length);
};
const replaceAllText: Replace = function (part, by) {
  const text = String(this);
  if (!isLong(text, part)) return replaceAll.call(text, part, by);
  return text.split(part).join(replace.call(part, part, by));
};
Object.assign(String.prototype, {
  split: splitText,
  replace: replaceText,
  replaceAll: replaceAllText,
});

/** Returns the index of a part in a text in linear time (Knuth, Morris and Pratt); -1 if there is none. */
function search(text: string, part: string, from = 0): number {
  const borders = new Int32Array(part.length);
  for (let at = 1, length = 0; at < part.length; at++) {
    while (length > 0 && part.charCodeAt(at) !== part.charCodeAt(length)) {
      length = borders[length - 1] ?? 0;
    }
    if (part.charCodeAt(at) === part.charCodeAt(length)) length++;
    borders[at] = length;
  }
  for (let at = Math.max(0, from), length = 0; at < text.length; at++) {
    while (length > 0 && text.charCodeAt(at) !== part.charCodeAt(length)) {
      length = borders[length - 1] ?? 0;
    }
    if (text.charCodeAt(at) === part.charCodeAt(length)) length++;
    if (length === part.length) return at - length + 1;
  }
  return -1;
}
