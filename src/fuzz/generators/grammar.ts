import type { Random } from "../../soak/random.ts";

/** The expansion of a name: one of several texts, or the result of a function. */
type Rule = readonly [string, ...string[]] | ((random: Random) => string);

/**
 * Rules by name. `@name@` in a text refers to a rule. The first text of a rule must not recurse: it is used
 * when an expansion becomes too large.
 */
export type Grammar = Readonly<Record<string, Rule>>;

/** Limits of one expansion: the nesting depth of rules, and the number of rules used. */
export interface Bounds {
  maxDepth: number;
  maxRules: number;
}

/** Returns a random text of a grammar, starting with the rule `start`. */
export function expand(grammar: Grammar, start: string, random: Random, bounds: Bounds): string {
  let left = bounds.maxRules;
  const follow = (name: string, depth: number): string => {
    const rule = grammar[name];
    if (rule === undefined) throw new Error(`the grammar has no rule "${name}"`);
    if (typeof rule === "function") return rule(random);
    const isOver = depth >= bounds.maxDepth || left-- <= 0;
    const text = isOver ? rule[0] : random.pick(rule);
    return text.replace(/@([a-zA-Z]+)@/g, (_, inner: string) => follow(inner, depth + 1));
  };
  return follow(start, 0);
}

/** Returns a random number of values that `make` creates. */
export const many = <T>(random: Random, least: number, most: number, make: () => T): T[] =>
  Array.from({ length: random.int(least, most) }, make);

/** Characters that end words, expand, escape, or have more than one byte. */
const SPECIAL =
  " \n\t;&|<>(){}[]$`'\"\\*?!#~=+-/%^,.:@0123456789aZ_\u0000\u001b\u00a0\u00e9\u200b\u2028\ufeff\ud83d\ude00";

/** Returns a text with a few random changes: characters and pieces are removed, inserted, doubled or swapped. */
export function mutate(random: Random, text: string): string {
  let changed = text;
  for (let changes = random.int(1, 4); changes > 0; changes--) {
    const from = random.int(0, changed.length);
    const to = Math.min(changed.length, from + random.int(0, random.pick([1, 3, 12])));
    const [head, piece, tail] = [
      changed.slice(0, from),
      changed.slice(from, to),
      changed.slice(to),
    ];
    const special = SPECIAL[random.int(0, SPECIAL.length - 1)] ?? "";
    changed = random.pick([
      () => head + tail,
      () => head + special + tail,
      () => head + special + piece + tail,
      () => head + piece.repeat(random.int(2, 40)) + tail,
      () => tail + piece + head,
      () => head + piece,
    ])();
  }
  return changed.slice(0, MAX_MUTATED_CHARS);
}

const MAX_MUTATED_CHARS = 20_000;
