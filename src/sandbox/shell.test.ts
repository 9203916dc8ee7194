import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aCommand } from "./contract";
import { embedded } from "./embedded";

const make = () =>
  embedded(env.EMBEDDED_SANDBOXES, crypto.randomUUID(), { workspace: "/workspace" });

describe("a script that would never end", () => {
  const hostile = [
    ["a dollar sign in arithmetic", "echo $(( $ 5 ))"],
    ["loops in loops", "for ((;;)); do for ((;;)); do :; done; done"],
    [
      "a loop that takes every failure",
      "until false; do x=$(for ((;;)); do :; done) || true; done",
    ],
    ["a growing sed", "echo x | sed ':a;s/x/xxxx/g;ta'"],
    ["array appends", "for ((i = 0; i < 99999; i++)); do a+=(x); done"],
    ["a recursive awk", "awk 'function f(n) { return f(n) + f(n) } BEGIN { f(1) }'"],
    ["a comparison of reversed lines", "diff <(seq 20000) <(seq 20000 -1 1)"],
    ["globs of many stars", `case $(printf 'a%.0s' {1..3000}) in ${"*a".repeat(90)}b) ;; esac`],
    ["a sleep", "sleep 600"],
  ];

  it.each(hostile)("ends within its time limit: %s", async (_, script) => {
    const sandbox = make();
    const { ended, exitCode } = await sandbox.run(aCommand(script, { timeoutMs: 700 }));
    if (ended === "timed_out") expect(exitCode).toBe(124);
    expect(await sandbox.run(aCommand("echo fine"))).toMatchObject({ stdout: "fine\n" });
  });

  it("is killed in the middle of one step of its interpreter", async () => {
    const sandbox = make();
    const command = aCommand("echo $(( $ 5 ))", { timeoutMs: 600_000 });
    const running = sandbox.run(command);
    await sandbox.run(aCommand("echo another"));
    await sandbox.kill(command.id);
    expect(await running).toMatchObject({ ended: "killed", exitCode: 137 });
  });

  it("changes no file once it was stopped", async () => {
    const sandbox = make();
    const command = aCommand("while :; do echo x >> f; done", { timeoutMs: 300 });
    expect(await sandbox.run(command)).toMatchObject({ ended: "timed_out" });
    const size = async () => (await sandbox.readFile("/workspace/f"))?.length;
    const before = await size();
    await scheduler.wait(50);
    expect(await size()).toBe(before);
  });

  it("lets scripts of others run to their end meanwhile", async () => {
    const command = aCommand("echo $(( $ 5 ))", { timeoutMs: 600_000 });
    const sandbox = make();
    let ended = false;
    const running = sandbox.run(command).finally(() => {
      ended = true;
    });
    for (let i = 0; i < 3; i++) {
      expect(await make().run(aCommand("seq 3 | wc -l"))).toMatchObject({ stdout: "3\n" });
    }
    expect(ended).toBe(false);
    await sandbox.kill(command.id);
    await running;
  });
});

describe("a script that wants all memory", () => {
  it.each([
    ["in one string", `x=$(seq 1 90000); awk -v x="$x" 'BEGIN { while (1) { a[n++] = x n } }'`],
    ["in many", `for i in {1..9999}; do v+=("$(printf '%01000d' $i)"); done; echo \${#v[@]}`],
    ["in nested brackets", `jq -n '${"[".repeat(9000)}${"]".repeat(9000)}'`],
  ])(
    "leaves the shell as it was: %s",
    async (_, script) => {
      const sandbox = make();
      await sandbox.run(aCommand(script, { timeoutMs: 4_000 }));
      expect(await sandbox.run(aCommand("echo fine"))).toMatchObject({ stdout: "fine\n" });
    },
    20_000,
  );
});

describe("a tree of files", () => {
  it("is made and removed however deep it is", async () => {
    const sandbox = make();
    const path = "a/".repeat(1_500);
    expect(await sandbox.run(aCommand(`mkdir -p ${path} && ls a`))).toMatchObject({
      stdout: "a\n",
      exitCode: 0,
    });
    expect(await sandbox.run(aCommand("rm -r a; ls | wc -l"))).toMatchObject({ stdout: "0\n" });
  }, 20_000);

  it("is copied whole in several steps", async () => {
    const sandbox = make();
    const fill = "mkdir -p t/u t-v; for i in $(seq 450); do echo $i > t/u/$i; done; echo x > t-v/x";
    await sandbox.run(aCommand(fill));
    const copy = "cp -r t c; ls c/u | wc -l; cat c/u/1 c/u/450; rm -r t; ls; ls t-v";
    expect(await sandbox.run(aCommand(copy))).toMatchObject({
      stdout: "450\n1\n450\nc\nt-v\nx\n",
    });
  }, 20_000);
});

describe("rules on commands", () => {
  const run = async (command: string, rules: { allowed?: string[]; disallowed?: string[] }) => {
    const sandbox = make();
    await sandbox.writeFile("/workspace/list", new TextEncoder().encode("one\n"));
    const given = { disallowed: [], ...rules };
    const result = await sandbox.run(aCommand(command, { rules: given }));
    const after = await sandbox.run(aCommand("ls; cat list"));
    return { ...result, after: after.stdout };
  };

  it.each([
    ["ls {1..3}\\;touch PWNED"],
    ["ls; touch PWNED"],
    ["ls $(touch PWNED)"],
    ["ls `touch PWNED`"],
    ["ls <(touch PWNED)"],
    ["ls & touch PWNED"],
    ["ls | touch PWNED"],
    ["ls || true && touch PWNED"],
    ["ls > PWNED"],
    ["ls >| PWNED"],
    ["ls &> PWNED"],
    ["> PWNED"],
    ["{ ls; } > PWNED"],
    ["while ls nothing; do :; done > PWNED"],
    ["ls() { touch PWNED; }; ls"],
    ["ls() { \\ls; } > PWNED; ls x"],
    ["shopt -s expand_aliases; alias ls='touch PWNED'; ls"],
    ["'l's\ntouch PWNED"],
    ["ls \\\n; to''uch PWNED"],
    ["eval 'touch PWNED'"],
    ["ls; x=touch; $x PWNED"],
    ["ls; command touch PWNED; builtin eval 'touch PWNED'; exec touch PWNED"],
    ["echo PWNED | xargs touch; find . -exec touch PWNED \\;; env touch PWNED"],
    ["bash -c 'touch PWNED'; sh -c 'touch PWNED'; timeout 5 touch PWNED; time touch PWNED"],
    ["trap 'touch PWNED' EXIT; ls"],
    ["(touch PWNED); { touch PWNED; }; if touch PWNED; then :; fi"],
    ["for f in $(touch PWNED); do :; done; case $(touch PWNED) in *) ;; esac"],
    [`a[$(touch PWNED)]=1; echo \${x:-$(touch PWNED)}; ((x = $(touch PWNED)))`],
    ["[[ -e $(touch PWNED) ]]; cat <<< $(touch PWNED)"],
    ["cat << X\n$(touch PWNED)\nX"],
  ])("run no command that matches no pattern: %s", async (command) => {
    expect((await run(command, { allowed: ["ls *"] })).after).toBe("list\none\n");
  });

  it("say what was refused, and run the rest", async () => {
    const { exitCode, stdout, stderr } = await run("ls; rm list; ls", { allowed: ["ls *"] });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "list\nlist\n" });
    expect(stderr).toBe('bash: Only Bash(ls *) is allowed: "rm list" does not match\n');
    const refused = await run("rm list", { allowed: ["ls *", "cat:*"] });
    expect(refused.exitCode).toBe(126);
  });

  it("are held against the words that a command runs with", async () => {
    const rules = { allowed: ["cat *", "ls *"] };
    expect(await run("x=list; cat $x $(ls) 2> /dev/null", rules)).toMatchObject({
      exitCode: 0,
      stdout: "one\none\n",
    });
    expect(await run("ls | cat; ls >&2 2>&1", rules)).toMatchObject({ stdout: "list\n" });
  });

  it.each([
    ["rm list"],
    ["/bin/rm list"],
    ["command rm list"],
    ["r''m list"],
    ["x=rm; $x list"],
    ["echo list | xargs rm"],
    ["find . -name list -exec rm {} \\;"],
    ["eval 'rm list'"],
    ["bash -c 'rm list'"],
    ["f() { rm list; }; f"],
    ["echo 'rm list' > s; bash s; . ./s; rm s"],
  ])("refuse what a disallowing pattern matches: %s", async (command) => {
    const { after } = await run(command, { disallowed: ["rm *"] });
    expect(after).toContain("list\n");
    expect(after).toContain("one\n");
  });

  it("hold whatever a script is made of", async () => {
    const word = fc.constantFrom(
      ...["ls", "touch PWNED", "echo", "eval", "$x", "x=touch", "'touch' PWNED", "xargs touch"],
      ..."; & | && || ( ) { } $( ` ' \" \n \\ > < << PWNED {a,b} if then fi for do done !".split(
        " ",
      ),
      ...["command", "exec", "bash -c", "env", "trap", "PWNED", "function f", "f()", "f"],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 12 }), async (words) => {
        const { after } = await run(words.join(" "), { allowed: ["ls *", "echo *"] });
        expect(after).toBe("list\none\n");
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
