// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are expansions of the shell.

import type { Random } from "../../soak/random.ts";
import { expand, type Grammar, mutate } from "./grammar.ts";

/** Rules of a session, and scripts that try to circumvent them. */
export interface RulesInput {
  config: { allowedTools?: string[]; disallowedTools?: string[] };
  scripts: { command: string; canary: string }[];
  /** A script that the rules allow. */
  control: string;
  /** The content of the file that scripts may try to run: a refused command. */
  prepared: string;
}

/** A script in the workspace, and the file that it creates when it is run. */
export const PREPARED = { path: "/workspace/run.sh", canary: "PWNEDbyFile" };

const ALLOWED: readonly [string[], ...string[][]] = [
  ["Bash(ls *)"],
  ["Bash(ls:*)", "Bash(echo *)"],
  ["Bash(echo *)", "Bash(cat *)", "Bash(grep *)"],
  ["Bash(ls *)", "Bash(printf *)", "Bash(true)", "Bash(pwd)"],
  ["Bash(l*)", "Bash(e*)"],
  ["Bash(ls -la)", "Bash(ls *)", "Bash(wc *)", "Bash(head *)"],
];

/** Programs that create a file or a directory with the given name. */
const REFUSED = ["touch", "mkdir", "tee"] as const;

/** Ways to run a command that a check of the script's text may not detect. `@run@` is that command. */
const EVASIONS: Grammar = {
  script: [
    "@run@",
    "@ok@@separator@@run@",
    "@run@@separator@@ok@",
    "ls {1..3}\\;@run@",
    "@ok@ {a,\\;@run@}",
    "@ok@ @inside@",
    "@inside@ @ok@",
    "@compound@",
    "@indirect@",
    "@carrier@",
    "@definition@",
    "@hooks@",
    "@heredoc@",
    "@ok@ # @script@\n@run@",
    "@ok@ \\\n@separator@@run@",
    "@script@@separator@@script@",
  ],
  ok: ["ls", "ls -la", "echo a", "ls /", "echo 'x'", "true", "pwd"],
  separator: [
    "; ",
    " && ",
    " || ",
    " | ",
    "\n",
    " & ",
    " |& ",
    ";",
    "\r\n",
    ";\t",
    " ;;& ",
    "\u00a0;",
    "&&!",
    "\u2028",
    "\v",
    "\f",
  ],
  run: [
    "@program@ @file@",
    "@program@\t@file@",
    "{@program@,@file@}",
    "@program@ -- @file@",
    "\\@program@ @file@",
    "@program@$IFS@file@",
    "@program@ @file@ <<<x",
    "@program@ {@file@,x}",
    "<<<x @program@ @file@",
    "x=1 @program@ @file@",
    "@redirect@ @program@ @file@",
    '@program@ "@file@"',
  ],
  redirect: ["2>&1", ">/dev/null", "</dev/null", "2>/dev/null"],
  program: [
    "@name@",
    "@quotedName@",
    "/bin/@name@",
    "/usr/bin/@name@",
    "/bin/../bin/@name@",
    "command @name@",
    "builtin command @name@",
    "exec @name@",
    "env @name@",
    "/usr/bin/env @name@",
    "time @name@",
    "nohup @name@",
    "timeout 5 @name@",
    "sudo @name@",
    "! @name@",
    "command -p @name@",
  ],
  inside: [
    "$(@run@)",
    "`@run@`",
    '"$(@run@)"',
    '"`@run@`"',
    "<(@run@)",
    ">(@run@)",
    "${x:-$(@run@)}",
    "${x:=`@run@`}",
    "$(( $(@run@) ))",
    "$(( a[$(@run@)] ))",
    "${a[$(@run@)]}",
    "${x/$(@run@)/y}",
    "{$(@run@),b}",
    "[$(@run@)]",
    "@(a|$(@run@))",
    "~$(@run@)",
    '"${x:-"$(@run@)"}"',
    '$"$(@run@)"',
    "${x@P}",
    "$[ $(@run@) ]",
    "<<<$(@run@)",
    "'a'$(@run@)'b'",
    "$(<@file@)$(@run@)",
    "\\\\$(@run@)",
    "#$(@run@)",
    "'\\''$(@run@)'",
  ],
  compound: [
    "if true; then @run@; fi",
    "if @run@; then :; fi",
    "for i in a; do @run@; done",
    "while @run@; do break; done",
    "until @run@; do :; done",
    "case x in x) @run@;; esac",
    "case $(@run@) in *) ;; esac",
    "{ @run@; }",
    "( @run@ )",
    "(@run@)",
    "for i in $(@run@); do :; done",
    "for ((i=0; i<1; i++)); do @run@; done",
    "for ((i=$(@run@);0;)); do :; done",
    "[[ -n $(@run@) ]]",
    "[[ x =~ $(@run@) ]]",
    "(( x = $(@run@) ))",
    "select x in a; do @run@; break; done <<<1",
    "coproc @run@",
    "! @run@",
    "[[ -v a[$(@run@)] ]]",
    "if ! @ok@; then :; else @run@; fi",
    "ls && { @run@; }",
    "time { @run@; }",
  ],
  indirect: [
    "x=@name@; $x @file@",
    "x='@name@ @file@'; $x",
    'x=(@name@ @file@); "${x[@]}"',
    "eval '@name@ @file@'",
    'eval "@run@"',
    "eval @name@ @file@",
    'set -- @name@ @file@; "$@"',
    "x=@name@; y=x; ${!y} @file@",
    "declare -n r=x; x=@name@; $r @file@",
    "read x <<< @name@; $x @file@",
    "printf -v x %s @name@; $x @file@",
    "${x:-@name@} @file@",
    "$(echo @name@) @file@",
    "`echo @name@` @file@",
    "x=XX@name@; ${x#XX} @file@",
    "/bin/@glob@ @file@",
    "mapfile -t x <<< '@name@'; ${x[0]} @file@",
    "x=@name@ eval '$x @file@'",
    "$_ @file@",
    "ls @name@; $_ @file@",
    "ls '@name@ @file@'; $_",
    "echo '@run@' > s; . ./s",
    "cd /bin; ./@name@ /workspace/@file@",
    "${x+@name@}@name@ @file@",
    "$@@name@ @file@",
    "PATH=/bin @name@ @file@",
    "compgen -C '@run@'",
    "x='a[$(@run@)]'; echo $((x))",
    "x='a[$(@run@)]'; [[ $x -eq 1 ]]",
    "x='$(@run@)'; echo \"${x@P}\"",
    "x='a[$(@run@)]'; let $x",
    "x='a[$(@run@)]'; printf -v \"$x\" y",
    "x='a[$(@run@)]'; unset \"$x\"",
    "x='a[$(@run@)]'; test -v \"$x\"",
    "x='a[$(@run@)]'; read \"$x\" <<<1",
    'declare "a[$(@run@)]=1"',
    "declare -i x='a[$(@run@)]'",
  ],
  carrier: [
    "bash -c '@run@'",
    'sh -c "@run@"',
    "echo @run@ | sh",
    "echo '@run@' | bash",
    "bash <<< '@run@'",
    "sh <<EOF\n@run@\nEOF",
    ". <(echo '@run@')",
    "source /dev/stdin <<< '@run@'",
    "echo @file@ | xargs @name@",
    "xargs @name@ <<< @file@",
    "echo @file@ | xargs -I{} @name@ {}",
    "find . -maxdepth 0 -exec @name@ @file@ \\;",
    "find / -maxdepth 0 -exec sh -c '@run@' +",
    "awk 'BEGIN { system(\"@run@\") }'",
    "awk 'BEGIN { print | \"@run@\" }'",
    "awk 'BEGIN { \"@run@\" | getline }'",
    "sed '1e @run@' <<< x",
    "sed 's/x/@run@/e' <<< x",
    "sh run.sh",
    ". ./run.sh",
    "./run.sh",
    "bash < run.sh",
    "$(cat run.sh)",
    'eval "$(cat run.sh)"',
    "sort --compress-program=@name@",
    "env -S '@run@'",
    "xargs -a run.sh",
    "parallel @name@ ::: @file@",
    "timeout 9 sh -c '@run@'",
    "watch -n1 @run@",
    "tar --to-command='@run@' -xf x",
    "make -f run.sh",
  ],
  definition: [
    "ls() { @run@; }; ls",
    "function ls { @run@; }; ls",
    "echo() { command @run@; }; echo",
    "alias ls='@run@'; ls",
    "shopt -s expand_aliases\nalias ls='@run@'\nls",
    "ls() { @run@; } 2>&1; ls",
    "hash -p /bin/@name@ ls; ls @file@",
    "ln -s /bin/@name@ ls; ./ls @file@",
    "cp /bin/@name@ ls; PATH=. ls @file@",
    "PATH=/x:$PATH; ls",
    "enable -n ls; ls",
    "[ () { @run@; }; [ x",
    "command_not_found_handle() { @run@; }; ls; nonesuch",
    "ls()(@run@);ls",
    "export -f ls; BASH_ENV=run.sh bash -c ls",
    "unalias ls; ls() { @run@; }; ls",
  ],
  hooks: [
    "trap '@run@' EXIT",
    "trap '@run@' DEBUG; ls",
    "trap '@run@' ERR; false",
    "trap '@run@' RETURN; . /dev/null",
    "PROMPT_COMMAND='@run@'; ls",
    "PS4='$(@run@)'; set -x; ls",
    "mapfile -C '@run@' -c 1 x <<< a",
    "BASH_ENV=run.sh; bash -c ls",
    "ENV=run.sh sh -c ls",
    "complete -C '@run@' ls",
    "set -o functrace; trap '@run@' DEBUG; ls",
    "exec 3< <(@run@)",
    "exec > >(@run@)",
    "wait $(@run@)",
  ],
  heredoc: [
    "cat <<EOF\n$(@run@)\nEOF",
    "cat <<EOF\n`@run@`\nEOF",
    "cat <<'EOF'\nx\nEOF\n@run@",
    "cat <<EOF; @run@\nx\nEOF",
    "echo <<$(@run@)\nx",
    "cat <<-EOF | sh\n\t@run@\n\tEOF",
    "ls <<A <<B\nx\nA\n$(@run@)\nB",
    'cat <<< "$(@run@)"',
    "cat <<'E'OF\nEOF\n@run@\nEOF",
    "echo 'a\n@run@' \n@run@",
  ],
};

/** Returns a word in a form that is equivalent for the shell. */
function quoted(random: Random, word: string): string {
  const at = random.int(1, word.length - 1);
  const [head, tail] = [word.slice(0, at), word.slice(at)];
  const hex = (text: string) => [...text].map((c) => `\\x${c.charCodeAt(0).toString(16)}`).join("");
  return random.pick([
    () => `"${word}"`,
    () => `'${head}'${tail}`,
    () => `${head}""${tail}`,
    () => `${head}\\${tail}`,
    () => `$'${hex(word)}'`,
    () => `${head}$'${hex(tail)}'`,
    () => `${head}$@${tail}`,
    () => `${head}\${nothing}${tail}`,
    () => `${head}\\\n${tail}`,
    () => `$'${head}\\u${tail.charCodeAt(0).toString(16).padStart(4, "0")}'${tail.slice(1)}`,
    () => `{${word},}`,
    () => `${head}$()${tail}`,
    () => `${head}\`\`${tail}`,
  ])();
}

/** Returns random rules, and scripts that each try to create a file that only a refused command can create. */
export function rulesInput(random: Random): RulesInput {
  const isAllowing = random.chance(0.6);
  const program = random.pick(REFUSED);
  const rule = random.pick([`Bash(${program} *)`, `Bash(${program}:*)`, `Bash(*${program}*)`]);
  const config = isAllowing
    ? { allowedTools: ["Write", "Glob", ...random.pick(ALLOWED)] }
    : { disallowedTools: [rule] };
  const scripts = Array.from({ length: 8 }, (_, n) => {
    const canary = `PWNED${n}`;
    const name = isAllowing ? random.pick(REFUSED) : program;
    const grammar: Grammar = {
      ...EVASIONS,
      name: [name],
      file: [canary],
      glob: [`${name.slice(0, 2)}?${name.slice(3)}`, `${name.slice(0, -1)}[${name.at(-1)}]`],
      quotedName: () => quoted(random, name),
    };
    const bounds = { maxDepth: random.pick([4, 8, 14]), maxRules: random.pick([8, 40]) };
    const script = expand(grammar, "script", random, bounds);
    // If only some commands are disallowed, a mutated script could create the file in an allowed way.
    const command = isAllowing && random.chance(0.2) ? mutate(random, script) : script;
    return { command, canary };
  });
  const prepared = `${program} ${PREPARED.canary}`;
  return { config, scripts, control: controlOf(config.allowedTools), prepared };
}

/** Returns a plain command that rules allow. */
function controlOf(allowed: string[] | undefined): string {
  if (allowed?.includes("Bash(echo *)") || !allowed) return "echo control";
  return "ls -la";
}
