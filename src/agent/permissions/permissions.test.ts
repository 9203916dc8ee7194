// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell scripts.

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aCommand } from "../../sandbox/contract";
import { embedded } from "../../sandbox/embedded";
import { TOOLS } from "../tools";
import { commandRules, mayCall, offeredTools } from "./permissions";
import { checkRules, type Rules } from "./rules";

const allows = (rule: string | string[], tool: string, input: unknown, cwd?: string) =>
  mayCall({ allowedTools: [rule].flat() }, tool, input, cwd).allowed;
const disallows = (rule: string | string[], tool: string, input: unknown, cwd?: string) =>
  !mayCall({ disallowedTools: [rule].flat() }, tool, input, cwd).allowed;

describe("offeredTools", () => {
  const names = (rules: Parameters<typeof offeredTools>[0]) =>
    offeredTools(rules, TOOLS).map(({ name }) => name);

  it.each([
    ["all without rules", {}, TOOLS.map(({ name }) => name)],
    ["none of an empty list", { allowedTools: [] }, []],
    ["those that are allowed", { allowedTools: ["Write", "Bash"] }, ["Bash", "Write"]],
    ["those that are allowed in part", { allowedTools: ["Bash(git *)"] }, ["Bash"]],
    [
      "not those that are disallowed",
      { allowedTools: ["Bash", "Read"], disallowedTools: ["Bash"] },
      ["Read"],
    ],
    [
      "those that are disallowed in part",
      { allowedTools: ["Bash"], disallowedTools: ["Bash(rm *)"] },
      ["Bash"],
    ],
  ])("are %s", (_, rules, offered) => {
    expect(names(rules)).toEqual(offered);
  });
});

describe("mayCall", () => {
  it("allows everything without rules", () => {
    expect(mayCall({}, "Bash", { command: "rm -rf /" })).toEqual({ allowed: true, asks: false });
  });

  it("allows only what is listed", () => {
    expect(allows("Read", "Read", { file_path: "/etc/passwd" })).toBe(true);
    expect(mayCall({ allowedTools: ["Read"] }, "Write", {})).toEqual({
      allowed: false,
      reason: "Write is not allowed.",
    });
    expect(allows([], "Read", {})).toBe(false);
  });

  it("lets disallowing win", () => {
    const rules = { allowedTools: ["Bash", "Bash(git *)"], disallowedTools: ["Bash(git push:*)"] };
    expect(mayCall(rules, "Bash", { command: "git status" })).toEqual({
      allowed: true,
      asks: false,
    });
    expect(mayCall(rules, "Bash", { command: "git push origin" })).toEqual({
      allowed: false,
      reason: "Bash(git push:*) is disallowed.",
    });
  });

  it("tells the model what is allowed and what is in the way", () => {
    const rules = { allowedTools: ["Bash(git *)", "Bash(ls)"] };
    expect(mayCall(rules, "Bash", { command: "git status; rm x" })).toEqual({
      allowed: false,
      reason: 'Only Bash(git *), Bash(ls) is allowed: "rm x" does not match.',
    });
  });

  it.each([undefined, null, "x", {}, { command: 1 }, { command: "" }, { command: " \n" }])(
    "allows no input that it can't read by a pattern: %j",
    (input) => {
      expect(allows("Bash(git *)", "Bash", input)).toBe(false);
      expect(allows("Read(/**)", "Read", input)).toBe(false);
      expect(allows("WebFetch(domain:a.com)", "WebFetch", input)).toBe(false);
    },
  );
});

describe("a rule that asks", () => {
  const asks = (rules: Rules, tool: string, input: unknown) => {
    const verdict = mayCall(rules, tool, input, "/workspace");
    return verdict.allowed ? verdict.asks : verdict.reason;
  };

  it("asks for what it matches, and for nothing else", () => {
    expect(asks({ askTools: ["Bash"] }, "Bash", { command: "ls" })).toBe(true);
    expect(asks({ askTools: ["Bash"] }, "Read", { file_path: "/a" })).toBe(false);
    const push = { askTools: ["Bash(git push *)"] };
    expect(asks(push, "Bash", { command: "git status" })).toBe(false);
    expect(asks(push, "Bash", { command: "cd x && sudo git push origin" })).toBe(true);
    expect(asks({ askTools: ["Edit(/etc/**)"] }, "Write", { file_path: "/etc/hosts" })).toBe(true);
    expect(asks({ askTools: ["Write(/etc/**)"] }, "Write", { file_path: "etc/hosts" })).toBe(false);
  });

  it("comes after what is disallowed, and before what is allowed", () => {
    const rules = {
      allowedTools: ["Bash"],
      askTools: ["Bash(git *)"],
      disallowedTools: ["Bash(git push *)"],
    };
    expect(asks(rules, "Bash", { command: "git push x" })).toContain("is disallowed");
    expect(asks(rules, "Bash", { command: "git log" })).toBe(true);
    expect(asks(rules, "Bash", { command: "ls" })).toBe(false);
  });

  it("allows no more than it says, together with what is allowed without asking", () => {
    const rules = { allowedTools: ["Read"], askTools: ["Bash(git *)"] };
    expect(asks(rules, "Bash", { command: "git log" })).toBe(true);
    expect(asks(rules, "Bash", { command: "git log; rm -rf /" })).toContain("does not match");
    expect(asks(rules, "Bash", { command: "ls" })).toContain("does not match");
    expect(asks(rules, "Write", { file_path: "/a" })).toContain("is not allowed");
    expect(offeredTools(rules, TOOLS).map(({ name }) => name)).toEqual(["Bash", "Read"]);
    expect(commandRules(rules)).toEqual({ allowed: ["git *"], disallowed: [] });
  });

  it("asks for commands also where the sandbox decides about them", () => {
    const rules = { askTools: ["Bash(git push *)"] };
    const verdict = mayCall(rules, "Bash", { command: "git push" }, "/workspace", true);
    expect(verdict).toEqual({ allowed: true, asks: true });
  });
});

describe("a pattern that allows commands", () => {
  it.each([
    ["git *", "git status"],
    ["git *", "git"],
    ["git *", "  git   log  --oneline "],
    ["git *", "git status && git log; git diff\ngit show & git fetch | git x || git y"],
    ["git *", "git commit -m 'a; b && c | d $(e) `f` > g'"],
    ["git *", 'git commit -m "a; b && c | d > g $ # \\" \\`x\\`"'],
    ["git *", "git log 2>&1"],
    ["git *", "git log >/dev/null 2> /dev/null </dev/null &>/dev/null"],
    ["git *", "git log \\\n  --oneline"],
    ["git *", "# look\ngit status # it's 'fine\ngit log"],
    ["git *", "git log a#b $HOME *.ts {a,b}"],
    ["git *", "git\tstatus"],
    ["npm run test:*", "npm run test"],
    ["npm run test:*", "npm run test -- --watch"],
    ["npm * test", "npm run test"],
    ["* --version", "node --version"],
    ["ls*", "lsof"],
    ["git log", "git log"],
  ])("as %s allows %s", (pattern, command) => {
    expect(allows(`Bash(${pattern})`, "Bash", { command })).toBe(true);
  });

  it.each([
    ["git *", "rm -rf /"],
    ["git *", "gitk"],
    ["git *", "/tmp/git status"],
    ["git *", "git status; rm -rf /"],
    ["git *", "git status;rm -rf /"],
    ["git *", "git status && rm -rf /"],
    ["git *", "git status || rm -rf /"],
    ["git *", "git status & rm -rf /"],
    ["git *", "git log | sh"],
    ["git *", "git log |& sh"],
    ["git *", "git status\nrm -rf /"],
    ["git *", "git status\r\nrm -rf /"],
    ["git *", "git status $(rm x)"],
    ["git *", 'git status "$(rm x)"'],
    ["git *", "git status `rm x`"],
    ["git *", 'git status "`rm x`"'],
    ["git *", "git diff <(rm x)"],
    ["git *", "git diff >(rm x)"],
    ["git *", "git log > /etc/passwd"],
    ["git *", "git log >> ~/.bashrc"],
    ["git *", "git log >| x"],
    ["git *", "git log &> x"],
    ["git *", "git log >& x"],
    ["git *", "git log 2>x"],
    ["git *", "git log > /dev/null/../x"],
    ["git *", "git apply < x"],
    ["git *", "git apply <<< x"],
    ["git *", "git apply <<E\nE\nrm x"],
    ["git *", "git log >"],
    ["git *", "git log ${x:-$(rm x)}"],
    ["git *", "git log ${x@P}"],
    ["git *", 'git log "${x:=y}"'],
    ["git *", "git log $((a[$(rm x)]))"],
    ["git *", "git log $[1]"],
    ["git *", "git log $'\\'; rm x; \\''"],
    ["git *", "git log 'open"],
    ["git *", 'git log "open'],
    ["git *", "git log 'a'\\''; rm x; '\\''"],
    ["git *", "git log \\' ; rm x ; \\'"],
    ["git *", 'git log \\" ; rm x ; \\"'],
    ["git *", 'git log "\\" ; rm x ; "\'"\'; rm y'],
    ["git *", "git log # '\nrm x #'"],
    ["git *", "git log \\\0' ; rm x ; \\\0'"],
    ["git *", "git log a\\\n# ; rm x\nrm y"],
    ["git *", "git log\\\n;rm x"],
    ["git *", "(git log; rm x)"],
    ["git *", "{ git log; rm x; }"],
    ["git *", "git() { rm x; }; git log"],
    ["git *", "if git log; then rm x; fi"],
    ["git *", "PAGER='rm x' git log"],
    ["git *", "PATH=/tmp git log"],
    ["git *", "! git log; rm x"],
    ["git *", "time git log"],
    ["git *", "'git' log"],
    ["git *", "{git,log}"],
    ["npm run test:*", "npm run test:unit"],
    ["npm run test:*", "npm run testing"],
    ["git log", "git log -1"],
    ["git log", "git log; git push"],
  ])("as %s does not allow %s", (pattern, command) => {
    expect(allows(`Bash(${pattern})`, "Bash", { command })).toBe(false);
  });

  it("may allow a part each", () => {
    const rules = ["Bash(git *)", "Bash(npm test)"];
    expect(allows(rules, "Bash", { command: "git pull && npm test" })).toBe(true);
    expect(allows(rules, "Bash", { command: "git pull && npm install" })).toBe(false);
  });

  it("is not needed beside a rule without one", () => {
    expect(allows(["Bash(git *)", "Bash"], "Bash", { command: "echo $(date) > x" })).toBe(true);
  });
});

describe("a pattern that disallows commands", () => {
  it.each([
    "rm",
    "rm -rf /",
    "ls; rm x",
    "ls\nrm x",
    "ls | xargs rm",
    "/bin/rm x",
    "r'm' x",
    '"rm" x',
    "r\\m x",
    "r\\\nm x",
    "r\0m x",
    "FOO=1 rm x",
    "if true; then rm x; fi",
    "while ! rm x; do :; done",
    "{ rm x; }",
    "(rm x)",
    "f() { rm x; }; f",
    "echo $(rm x)",
    'echo "$(rm x)"',
    "echo `rm x`",
    "cat <(rm x)",
    "cat <<E\n'\nE\nrm x\n'",
    "sudo rm x",
    "sudo -u root /bin/rm x",
    "env A=1 rm x",
    "timeout 5 nice rm x",
    "find . -name '*.o' -exec rm {} \\;",
    "sh -c 'ls; rm x'",
    'bash -c "rm x"',
    "sudo sh -c 'cd / && rm x'",
    "eval rm x",
    "eval 'echo; rm x'",
    "eval \"eval 'rm x'\"",
    "trap 'rm x' EXIT",
    "rm x > log",
    "> log rm x",
    "2>&1 rm x",
    "$(echo rm) x",
    "$X x",
    "${X} x",
    '"$X" x',
    "$'rm' x",
    "{rm,x}",
    "/bin/r? x",
    "case a in a) rm x;; esac",
    "time rm x",
  ])("as rm * stops %s", (command) => {
    expect(disallows("Bash(rm *)", "Bash", { command })).toBe(true);
  });

  it.each([
    "ls",
    "git rm x",
    "rmdir x",
    "echo rm x",
    "echo 'a; rm x'",
    'git commit -m "rm x; rm y"',
    "grep rm x | head",
    "ls # rm x",
    "find . -name '*.ts'",
    "[ -f x ] && [[ -d y ]]",
    "for x in *; do echo $x; done",
    "echo $(date) > log",
    "X=$(pwd) make",
    "cat > x <<E\nhello\nE",
  ])("as rm * lets pass %s", (command) => {
    expect(disallows("Bash(rm *)", "Bash", { command })).toBe(false);
  });

  it("does not take long over a hostile command", () => {
    const started = performance.now();
    for (const command of [
      `${"eval ".repeat(20_000)}x`,
      `sh -c ${"'".repeat(50_000)}`,
      `echo ${"a ".repeat(100_000)}`,
      `echo ${'"a'.repeat(100_000)}`,
      `echo ${"\\".repeat(100_001)}`,
      `echo ${"$(".repeat(100_000)}`,
    ]) {
      disallows("Bash(* a * b * c *)", "Bash", { command });
      allows("Bash(* a * b * c *)", "Bash", { command });
    }
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe("what a real shell does with a script", () => {
  // In its own engine: the parser of the shell never ends for some of these scripts, and takes all memory.
  const sandbox = embedded(env.EMBEDDED_SANDBOXES, crypto.randomUUID(), {
    workspace: "/workspace",
  });

  /** Whether a shell runs `evil` when it is given the script. */
  async function runsEvil(script: string): Promise<boolean> {
    const mark = `/tmp/${crypto.randomUUID()}`;
    const functions = `evil() { touch ${mark}; }; good() { :; }`;
    await sandbox.run(aCommand(`${functions}\n${script}`, { timeoutMs: 500 }));
    return (await sandbox.readFile(mark)) !== null;
  }

  it("is seen by the test", async () => {
    expect(await runsEvil("good 'evil'; good; $(evil)")).toBe(true);
    expect(await runsEvil("good 'evil'; good 'evil")).toBe(false);
  });

  const pieces = [
    "good",
    "evil",
    " ",
    " ",
    "'",
    '"',
    "\\",
    ";",
    "|",
    "&",
    "\n",
    "#",
    "$(",
    "`",
    ")",
    "(",
    "<",
    ">",
    "<<E",
    "E\n",
    "$",
    "{",
    "}",
    "x",
    "=",
    "/dev/null",
    "2>&1",
  ];
  const scripts = fc.array(fc.constantFrom(...pieces), { minLength: 2, maxLength: 14 });

  it("is never more than the patterns that allow it, and never what they disallow", async () => {
    await fc.assert(
      fc.asyncProperty(scripts, async (parts) => {
        const command = `good ${parts.join("")}`;
        const passed =
          allows("Bash(good *)", "Bash", { command }) ||
          !disallows("Bash(evil *)", "Bash", { command });
        if (passed && command.includes("evil")) expect(await runsEvil(command)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a pattern of paths", () => {
  const read = (file_path: string) => ({ file_path });

  it.each([
    ["/workspace/src/**", "/workspace/src/a.ts"],
    ["/workspace/src/**", "/workspace/src/deep/er/a.ts"],
    ["/workspace/src", "/workspace/src/a.ts"],
    ["/workspace/src/", "/workspace/src/a.ts"],
    ["//workspace/src/**", "/workspace/src/a.ts"],
    ["/workspace/*.md", "/workspace/a.md"],
    ["**/*.md", "/workspace/a/b.md"],
    ["/workspace/{a,b}/**", "/workspace/b/x"],
    ["/workspace/src/**", "a.ts"],
    ["/workspace/src/**", "./x/../a.ts"],
    ["/**", "/etc/passwd"],
  ])("as %s allows %s", (pattern, path) => {
    expect(allows(`Read(${pattern})`, "Read", read(path), "/workspace/src")).toBe(true);
  });

  it.each([
    ["/workspace/src/**", "/workspace/srcs/a.ts"],
    ["/workspace/src/**", "/workspace/src/../secret"],
    ["/workspace/src/**", "/workspace/src/../../etc/passwd"],
    ["/workspace/src/**", "../secret"],
    ["/workspace/src/**", "/workspace/./x"],
    ["/workspace/*.md", "/workspace/a/b.md"],
    ["/workspace/*.md", "/workspace/a.md.txt"],
    ["/workspace/a.b", "/workspace/aXb"],
  ])("as %s does not allow %s", (pattern, path) => {
    expect(allows(`Read(${pattern})`, "Read", read(path), "/workspace/src")).toBe(false);
  });

  it("speaks of the tool it names, and when it disallows, of those that do the same", () => {
    const [path, search] = [read("/s/x"), { pattern: "x", path: "/s" }];
    expect(allows("Edit(/s/**)", "Write", path)).toBe(false);
    expect(disallows("Edit(/s/**)", "Edit", path)).toBe(true);
    expect(disallows("Edit(/s/**)", "Write", path)).toBe(true);
    expect(disallows("Edit(/s/**)", "Read", path)).toBe(false);
    expect(disallows("Read(/s/**)", "Grep", search)).toBe(true);
    expect(disallows("Read(/s/**)", "Glob", search)).toBe(true);
    expect(disallows("Edit", "Write", path)).toBe(false);
  });

  it("is held against the directory where a search starts", () => {
    expect(allows("Grep(/workspace/src/**)", "Grep", { pattern: "x" }, "/workspace/src")).toBe(
      true,
    );
    expect(allows("Grep(/workspace/src/**)", "Grep", { pattern: "x" }, "/workspace")).toBe(false);
    const glob = (pattern: string, path?: string) =>
      allows("Glob(/workspace/src/**)", "Glob", { pattern, path }, "/workspace/src");
    expect(glob("**/*.ts")).toBe(true);
    expect(glob("*", "deep")).toBe(true);
    expect(glob("../*")).toBe(false);
    expect(glob("/etc/*")).toBe(false);
    expect(glob("*", "/etc")).toBe(false);
    expect(glob("../../etc/*", "deep")).toBe(false);
  });

  it("refuses a relative path that it can't place", () => {
    expect(allows("Read(/**)", "Read", read("a.ts"))).toBe(false);
    expect(allows("Read(/**)", "Read", read("/a.ts"))).toBe(true);
    expect(disallows("Read(/secret/**)", "Read", read("a.ts"))).toBe(true);
    expect(disallows("Read(/secret/**)", "Read", read("/a.ts"))).toBe(false);
  });
});

describe("a pattern of domains", () => {
  const page = (url: string) => ({ url, prompt: "?" });

  it.each([
    ["example.com", "https://example.com/a", true],
    ["example.com", "http://EXAMPLE.com./", true],
    ["Example.COM", "https://example.com", true],
    ["example.com", "https://www.example.com/", false],
    ["example.com", "https://example.com.evil.org/", false],
    ["example.com", "https://notexample.com/", false],
    ["example.com", "https://example.com@evil.org/", false],
    ["example.com", "https://evil.org/#example.com", false],
    ["example.com", "https://evil.org\\@example.com/", false],
    ["*.example.com", "https://a.b.example.com/", true],
    ["*.example.com", "https://example.com/", false],
    ["*.example.com", "https://badexample.com/", false],
    ["example.com", "no address", false],
  ])("as %s allows %s: %s", (domain, url, allowed) => {
    expect(allows(`WebFetch(domain:${domain})`, "WebFetch", page(url))).toBe(allowed);
  });

  it.each([
    ["example.com", "https://example.com/", true],
    ["example.com", "https://a.example.com./", true],
    ["*.example.com", "https://example.com/", true],
    ["example.com", "https://notexample.com/", false],
  ])("as %s disallows %s: %s", (domain, url, disallowed) => {
    expect(disallows(`WebFetch(domain:${domain})`, "WebFetch", page(url))).toBe(disallowed);
  });
});

describe("rules that are made to take long", () => {
  const directories = `Read(${"/**".repeat(30)}/x)`;
  const stars = `Read(/${"*a".repeat(25)})`;
  const path = `/${"a".repeat(4_000)}`;

  it("decide about paths", () => {
    expect(checkRules({ allowedTools: [directories, stars] })).toEqual([]);
    expect(allows(directories, "Read", { file_path: "/a".repeat(2_000) })).toBe(false);
    expect(allows(directories, "Read", { file_path: `${"/a".repeat(2_000)}/x` })).toBe(true);
    expect(allows(stars, "Read", { file_path: `${path}b` })).toBe(false);
    expect(allows(stars, "Read", { file_path: path })).toBe(true);
  });

  it("neither allow nor overlook a path that is too long", () => {
    const file_path = "/a".repeat(3_000);
    expect(allows("Read(/**)", "Read", { file_path })).toBe(false);
    expect(disallows("Read(/b)", "Read", { file_path })).toBe(true);
  });

  it("are refused when they expand to too much, and err to the safe side where they are already", () => {
    const many = Array.from(
      { length: 20 },
      (_, n) => `Read(/${"{a,b}".repeat(6)}${n}${"x".repeat(60)})`,
    );
    expect(checkRules({ allowedTools: many })).toEqual([
      {
        path: expect.stringMatching(/^allowedTools\.\d+$/),
        message: expect.stringContaining("more than 50000"),
      },
    ]);
    const file_path = `/aaaaaa0${"x".repeat(60)}`;
    expect(allows(many, "Read", { file_path })).toBe(false);
    expect(disallows(many, "Read", { file_path: "/c" })).toBe(true);
  });

  it("decide about commands", () => {
    const many = Array.from({ length: 1_000 }, (_, n) => `Bash(${"*a".repeat(90)}${n})`);
    const command = `echo ${"a".repeat(5_000)}`;
    expect(checkRules({ allowedTools: many })).toEqual([]);
    expect(allows([...many, "Bash(echo *)"], "Bash", { command })).toBe(true);
    expect(disallows(many, "Bash", { command })).toBe(false);
  });

  it("err to the safe side when command and rules are too much", () => {
    const many = Array.from({ length: 1_000 }, (_, n) => `Bash(${"*a".repeat(90)}${n})`);
    const command = `sh -c "${"echo ".repeat(30_000)}"`;
    const { reason } = {
      reason: "",
      ...mayCall({ allowedTools: [...many, "Bash(sh *)"] }, "Bash", { command }),
    };
    expect(reason).toContain("too long to be checked");
    expect(disallows(many, "Bash", { command })).toBe(true);
    expect(disallows("Bash(rm *)", "Bash", { command: "a ".repeat(1_000_000) })).toBe(true);
  });
});
