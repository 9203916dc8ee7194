// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are expansions of the shell.

import type { Random } from "../../soak/random.ts";
import { type Bounds, expand, type Grammar, mutate } from "./grammar.ts";
import { HOSTILE_COMMANDS } from "./hostile-commands.ts";
import { PROGRAMS } from "./shell-programs.ts";
import { WORDS } from "./shell-words.ts";

/** A grammar of bash in which every construct may contain every other, including malformed ones. */
const SHELL: Grammar = {
  ...PROGRAMS,
  ...WORDS,
  script: [
    "@command@",
    "@command@\n@script@",
    "@command@; @script@",
    "@command@ && @command@",
    "@command@ || @command@",
    "@command@ & @command@; wait",
    "@pipeline@",
    "set @option@; @script@",
    "@function@\n@script@",
  ],
  option: ["-e", "-u", "-x", "-f", "-o pipefail", "-o posix", "-n", "+B", "-- @word@ @word@"],
  pipeline: [
    "@simple@ | @filter@",
    "@pipeline@ | @filter@",
    "! @command@ | @filter@",
    "@command@ |& cat",
  ],
  filter: [
    "cat",
    "@program@",
    "while read -r a b; do @command@; done",
    "{ @script@; }",
    "xargs @flags@ @simple@",
  ],
  command: [
    "@simple@",
    "@simple@ @redirection@",
    "@pipeline@",
    "@loop@",
    "if @command@; then @script@; elif @command@; then @command@; else @command@; fi",
    "case @word@ in @glob@|@glob@) @command@;; *) @command@;& x) ;;& esac",
    "( @script@ )",
    "{ @script@; }",
    "(( @arithmetic@ ))",
    "[[ @condition@ ]]",
    "[ @word@ @testop@ @word@ ]",
    "@function@; @name@ @word@",
    "@assignment@",
    "eval @quoted@",
    "trap @quoted@ EXIT",
    "time @command@",
    "coproc @command@",
    "bash -c @quoted@",
    "source <(echo @quoted@)",
  ],
  simple: [
    "echo @word@",
    "echo @word@ @word@ @word@",
    "@program@",
    "printf @format@ @word@ @word@",
    "@assignment@ @program@",
    "@name@ @word@",
    "cd @path@",
    "export @name@=@word@",
    "read -r @name@ <<< @word@",
    "local @name@=@word@",
    "declare -@flag@ @name@=@word@",
    "shift @number@",
    "return @number@",
    "break @number@",
    "exit @number@",
    "unset @name@",
    "shopt -s @shopt@",
    "alias @name@=@quoted@",
    "getopts @word@ @name@",
    "let @quoted@",
    "mapfile -t @name@ < <(@command@)",
    "exec @redirection@",
  ],
  shopt: [
    "extglob",
    "globstar",
    "nullglob",
    "nocasematch",
    "dotglob",
    "expand_aliases",
    "lastpipe",
  ],
  flag: ["a", "A", "i", "r", "x", "n", "l", "u", "g"],
  flags: ["", "-n @number@", "-I{}", "-0", "-P 4", "-d,"],
  loop: [
    "for i in @word@ @word@; do @command@; done",
    "for i in {@number@..@number@}; do @command@; done",
    "for ((@arithmetic@; @arithmetic@; @arithmetic@)); do @command@; done",
    "while @command@; do @command@; done",
    "until @command@; do @script@; done",
    "select x in @word@; do @command@; break; done",
    "for i in $(seq 1 @number@); do @command@; done",
    "while :; do @command@; done",
  ],
  function: [
    "@name@() { @script@; }",
    "function @name@ { @name@ @word@; }",
    '@name@() { @name@ "$@"; @command@; }',
    "@name@() ( @script@ )",
    "@name@() { local @name@=$1; (( $1 > 0 )) && @name@ $(( $1 - 1 )); }",
  ],
  assignment: [
    "@name@=@word@",
    "@name@+=@word@",
    "@name@=(@word@ @word@)",
    "@name@+=(@word@)",
    "@name@[@arithmetic@]=@word@",
    "declare -A @name@=([@word@]=@word@)",
    "@name@=$(@command@)",
    "@name@=$@name@$@name@",
  ],
};

/** Maximum length: a longer script does not fit into a model's reply. */
const MAX_CHARS = 50_000;

/** Returns a random script, often a hostile one. */
export const shellScript = (random: Random): string => anyScript(random).slice(0, MAX_CHARS);

function anyScript(random: Random): string {
  const dice = random.int(1, 100);
  if (dice <= 6) return random.pick(HOSTILE_COMMANDS);
  if (dice <= 18) return mutate(random, random.pick(HOSTILE_COMMANDS));
  if (dice <= 28) return repeated(random);
  const bounds = random.pick<Bounds>([
    { maxDepth: 6, maxRules: 20 },
    { maxDepth: 10, maxRules: 80 },
    { maxDepth: 40, maxRules: 400 },
  ]);
  const script = expand(SHELL, "script", random, bounds);
  return random.chance(0.25) ? mutate(random, script) : script;
}

/** Returns one construct, nested or repeated many times. */
function repeated(random: Random): string {
  const count = random.pick([50, 500, 5_000]);
  const small = { maxDepth: 5, maxRules: 12 };
  const piece = (rule: string) => expand(SHELL, rule, random, small).slice(0, 60);
  const [open, close] = random.pick([
    ["(", ")"],
    ["{ ", "; }"],
    ["$(echo ", ")"],
    ["$((", "))"],
    ["${a:-", "}"],
    ["if true; then ", "; fi"],
    ["while true; do ", "; done"],
    ["case x in x) ", ";; esac"],
    ["f() { ", "; }"],
    ["`", "`"],
    ["<(", ")"],
    ['"$(', ')"'],
    ["[[ ( ", " ) ]]"],
    ["{a,", "}"],
    ["@(a|", ")"],
    ["! ", ""],
  ]);
  return random.pick([
    () => `echo ${open.repeat(count)}${piece("word")}${close.repeat(count)}`,
    () => `${open.repeat(count)}${piece("command")}${close.repeat(count)}`,
    () => `${piece("command")}\n`.repeat(count),
    () => `echo ${`${piece("word")} `.repeat(count)}`,
    () => `echo ${piece("word").repeat(count)}`,
    () => `x=${piece("plain").repeat(count)}; echo ${piece("expansion").repeat(9)}`,
    () =>
      `echo $((${piece("arithmetic")}${` ${piece("operator")} ${piece("arithmetic")}`.repeat(count)}))`,
    () => `for i in $(seq 1 ${count * 20}); do ${piece("command")}; done`,
  ])();
}
