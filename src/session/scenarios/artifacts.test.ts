import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256, toHex } from "../../shared/bytes";
import { ALLOW, approvalsOf, decide } from "../../testing/approvals";
import { HAS_CONTAINERS } from "../../testing/containers";
import { containerOf, plantPrograms } from "../../testing/fake-claude-code";
import { installFakeContainers, useRealContainer } from "../../testing/fake-containers";
import { withoutPauses } from "../../testing/faults";
import { faults, forEachSideBySide, plantFaults, play, type Scenario } from "../../testing/losses";
import {
  ALICE,
  aSpec,
  ask,
  bash,
  call,
  createSession,
  ended,
  eventsOf,
  keysUnder,
  newSessionId,
  sessionOf,
  typesOf,
  until,
  value,
} from "../../testing/sessions";
import { upstream } from "../../testing/upstream";
import { ArtifactBucket } from "../artifact-bucket";
import { artifactBounds } from "../deployment";
import type { ArtifactRow, SessionConfig } from "../rpc";

const workspaceFile = (path: string, content: string) =>
  call("Write", { file_path: `/workspace/${path}`, content });
const publish = (...paths: string[]) => call("Publish", { paths });

const artifactsOf = async (id: string): Promise<ArtifactRow[]> => {
  const page = { before: null, limit: 100, path: null, messageId: null };
  return value(await sessionOf(id).artifacts(ALICE, page)).artifacts;
};

/** Returns the texts of a session's artifacts in the bucket, by their ids. */
async function textsOf(id: string): Promise<Record<string, string>> {
  const keys = await keysUnder(`artifacts/${id}/`);
  const texts = keys.map(async (key) => {
    const found = await env.SNAPSHOTS.get(key);
    return [key.split("/").at(-1) ?? "", (await found?.text()) ?? ""] as const;
  });
  return Object.fromEntries(await Promise.all(texts));
}

/** Returns the artifacts with their texts, oldest first. Checks that the bucket has nothing else, and every hash. */
async function published(id: string): Promise<string[]> {
  const artifacts = await artifactsOf(id);
  const texts = await textsOf(id);
  expect(Object.keys(texts).sort()).toEqual(artifacts.map((one) => one.id).sort());
  for (const { id, sha256: hash, sizeBytes } of artifacts) {
    const bytes = new TextEncoder().encode(texts[id]);
    expect([hash, sizeBytes]).toEqual([toHex(await sha256(bytes)), bytes.length]);
  }
  return artifacts.map(({ id, path }) => `${path}: ${texts[id]}`).reverse();
}

const resultsOf = async (id: string) =>
  (await eventsOf(id)).flatMap((event) =>
    event.type === "tool.completed" && event.name === "Publish" ? [event.content] : [],
  );

const failuresOf = async (id: string) =>
  (await eventsOf(id)).flatMap((event) =>
    event.type === "artifact.failed" ? [[event.path, event.reason]] : [],
  );

const create = (config: SessionConfig) => createSession({ config });

afterEach(() => {
  vi.restoreAllMocks();
  faults.clear();
});

describe("Publish", () => {
  it("stores a file as it is, with its hash, its message and its call", async () => {
    const id = await create({ artifacts: [] });
    const made = call("Publish", { paths: ["report.txt"], description: "The report" });
    const { id: messageId } = await ask(id, `${workspaceFile("report.txt", "one")}\n${made}\ndone`);
    expect(await published(id)).toEqual(["report.txt: one"]);
    const [artifact] = await artifactsOf(id);
    const event = (await eventsOf(id)).find(({ type }) => type === "artifact.published");
    expect(artifact).toMatchObject({ sessionId: id, messageId, agent: "main", sizeBytes: 3 });
    expect(artifact).toMatchObject({ description: "The report" });
    expect(artifact?.contentType).toBe("text/plain; charset=utf-8");
    expect(event).toMatchObject({ artifactId: artifact?.id, messageId, path: "report.txt" });
    expect(event).toMatchObject({ toolUseId: artifact?.toolUseId, sha256: artifact?.sha256 });
    expect(await resultsOf(id)).toEqual(["Published /workspace/report.txt (3 bytes)."]);
  });

  it("makes another artifact of another content only", async () => {
    const id = await create({ artifacts: [] });
    const steps = ["one", "one", "two", "one"].map(
      (text) => `${workspaceFile("a.txt", text)}\n${publish("a.txt")}`,
    );
    await ask(id, `${steps.join("\n")}\ndone`);
    expect(await published(id)).toEqual(["a.txt: one", "a.txt: two", "a.txt: one"]);
  });

  it("tells the agent what can't be published, and publishes the rest", async () => {
    const id = await create({ artifacts: [] });
    const made = publish("a.txt", "none.txt", "/etc/passwd", ".", "../tmp/x", "link");
    const link = bash("ln -s /etc/passwd link; mkdir -p dir");
    await ask(id, `${workspaceFile("a.txt", "one")}\n${link}\n${made}\ndone`);
    expect(await published(id)).toEqual(["a.txt: one"]);
    expect((await resultsOf(id))[0]?.split("\n")).toEqual([
      "Published /workspace/a.txt (3 bytes).",
      expect.stringContaining("/workspace/none.txt was not published: "),
      expect.stringContaining("/etc/passwd was not published: "),
      expect.stringContaining("/workspace was not published: "),
      expect.stringContaining("/tmp/x was not published: "),
      expect.stringContaining("/workspace/link was not published: "),
    ]);
  });

  it.each<[string, SessionConfig, boolean]>([
    ["by default", {}, false],
    ["with config.artifacts", { artifacts: [] }, true],
    ["if a rule allows it", { allowedTools: ["Write", "Publish"] }, true],
    ["if a rule asks for it", { askTools: ["Publish"] }, true],
    ["if it is disallowed", { artifacts: [], disallowedTools: ["Publish"] }, false],
    ["if other tools are allowed", { artifacts: [], allowedTools: ["Write"] }, false],
  ])("is offered %s: %j %s", async (_, config, isOffered) => {
    const asked = upstream(() => undefined);
    await ask(await create(config), "Hello.");
    expect(asked[0]?.text.includes('"name":"Publish"')).toBe(isOffered);
  });

  it("does nothing in a session that does not publish", async () => {
    const id = await create({});
    await ask(id, `${workspaceFile("a.txt", "one")}\n${publish("a.txt")}\ndone`);
    expect(await resultsOf(id)).toEqual(["Nothing can be published in this session."]);
    expect(await keysUnder(`artifacts/${id}/`)).toEqual([]);
  });
});

describe("config.artifacts", () => {
  it("publishes what matches and has changed, before the message ends", async () => {
    const id = await create({ artifacts: ["dist/**", "*.md", "{a,b}/x.txt"] });
    const files = ["dist/deep/one.js", "notes.md", "docs/other.md", "b/x.txt", "b/y.txt"];
    const lines = files.map((path) => workspaceFile(path, path));
    const skipped = bash("mkdir -p dist/node_modules/m; echo no > dist/node_modules/m/i.js");
    const { id: first } = await ask(id, `${lines.join("\n")}\n${skipped}\ndone`);
    const wanted = ["b/x.txt", "dist/deep/one.js", "notes.md"];
    expect((await published(id)).sort()).toEqual(wanted.map((path) => `${path}: ${path}`));
    const types = (await eventsOf(id)).map(({ type }) => type);
    expect(types.slice(-4)).toEqual([
      ...["artifact.published", "artifact.published", "artifact.published", "message.completed"],
    ]);
    expect(await artifactsOf(id)).toMatchObject(
      wanted.map(() => ({ messageId: first, toolUseId: null, description: null, agent: "main" })),
    );

    const { id: second } = await ask(id, `${workspaceFile("notes.md", "other")}\ndone`);
    expect((await artifactsOf(id)).map(({ messageId, path }) => [messageId, path])).toEqual([
      [second, "notes.md"],
      ...(await artifactsOf(id)).slice(1).map(({ path }) => [first, path]),
    ]);
    expect((await published(id)).length).toBe(4);
  });

  it.each([
    { stopReason: "max_turns", fault: "", config: { maxTurns: 1 } },
    { stopReason: "error", fault: "/fail 400\n", config: {} },
  ])("publishes at the end $stopReason too", async ({ stopReason, fault, config }) => {
    const id = await create({ artifacts: ["*"], ...config });
    const message = await ask(id, `${workspaceFile("a.txt", "one")}\n${fault}never said`);
    expect(message.stopReason).toBe(stopReason);
    expect(await published(id)).toEqual(["a.txt: one"]);
  });

  it("tells by events what could not be published, and the message completes", async () => {
    const id = await create({ artifacts: ["*.txt", "none/**"] });
    const { maxBytes, maxCount, maxTotalBytes } = artifactBounds;
    Object.assign(artifactBounds, { maxBytes: 5, maxCount: 3, maxTotalBytes: 9 });
    try {
      const texts = { a: "123456", b: "12345", c: "123", d: "45", e: "", f: "", g: "" };
      const lines = Object.entries(texts).map(([name, text]) => workspaceFile(`${name}.txt`, text));
      const { status } = await ask(id, `${lines.join("\n")}\ndone`);
      expect(status).toBe("completed");
    } finally {
      Object.assign(artifactBounds, { maxBytes, maxCount, maxTotalBytes });
    }
    const failures = await failuresOf(id);
    expect(await artifactsOf(id)).toHaveLength(3);
    expect(failures).toContainEqual(["a.txt", "it has 6 bytes, of 5 bytes at most"]);
    expect(failures).toContainEqual(["g.txt", "the session has 3 artifacts, which is the limit"]);
    expect(failures).toHaveLength(4);
    const total = (await artifactsOf(id)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(total).toBeLessThanOrEqual(9);
  });
});

describe("Claude Code", () => {
  let uproot = () => {};
  beforeEach(() => {
    uproot = plantPrograms();
  });
  afterEach(() => uproot());

  const claudeCode = (config: SessionConfig) => create({ ...config, runtime: "claude-code" });

  it("publishes by globs and by Publish, which events call by this name", async () => {
    const id = await claudeCode({ artifacts: ["*.txt"] });
    const made = call("Publish", { paths: ["b.md", "none.md"], description: "Notes" });
    const { id: messageId, toolsUsed } = await ask(
      id,
      `${bash("echo one > a.txt; echo two > b.md")}\n${made}\ndone`,
    );
    expect(await published(id)).toEqual(["b.md: two\n", "a.txt: one\n"]);
    expect(toolsUsed).toEqual(["Bash", "Publish"]);
    const [, artifact] = await artifactsOf(id);
    expect(artifact).toMatchObject({ messageId, agent: "main", description: "Notes" });
    expect(await resultsOf(id)).toEqual([
      expect.stringMatching(/^Published \/workspace\/b.md \(4 bytes\).\n.*none.md was not/),
    ]);
    expect(containerOf(id).sent[0]?.tools).toContainEqual(
      expect.objectContaining({ name: "mcp__client__Publish" }),
    );
  });

  it.each<[string, SessionConfig, boolean]>([
    ["by default", {}, false],
    ["if a rule allows it", { allowedTools: ["Bash", "Publish"] }, true],
    ["if it is disallowed", { artifacts: [], disallowedTools: ["Publish"] }, false],
  ])("has no Publish but if it is offered: %s", async (_, config, isOffered) => {
    const id = await claudeCode(config);
    const called = `${bash("echo one > a.txt")}\n${call("mcp__client__Publish", { paths: ["a.txt"] })}`;
    expect(await ask(id, `${called}\ndone`)).toMatchObject({ status: "completed" });
    expect(await published(id)).toEqual(isOffered ? ["a.txt: one\n"] : []);
  });

  it("publishes once it was allowed, with the input that was decided", async () => {
    const id = await claudeCode({ askTools: ["Publish"] });
    const files = bash("echo one > a.txt; echo two > b.txt");
    const asked = await ask(id, `${files}\n${publish("a.txt")}\nall done`);
    expect(asked).toMatchObject({ waitingFor: { type: "approval" } });
    expect(await published(id)).toEqual([]);
    const [approval] = await approvalsOf(id, "pending");
    value(await decide(id, approval?.id ?? "", { ...ALLOW, input: { paths: ["b.txt"] } }));
    expect(await ended(id, asked.id)).toMatchObject({ status: "completed" });
    expect(await published(id)).toEqual(["b.txt: two\n"]);
    expect((await resultsOf(id))[0]).toMatch(/another input than yours.*\n*Published .*b.txt/s);
  });

  it("publishes after a loss of its container what it publishes again", async () => {
    const id = await claudeCode({ artifacts: [] });
    const { put } = ArtifactBucket.prototype;
    vi.spyOn(ArtifactBucket.prototype, "put").mockImplementationOnce(async function (
      this: ArtifactBucket,
      ...given
    ) {
      containerOf(id).replace();
      await put.apply(this, given);
    });
    const lines = `${bash("echo one > a.txt")}\n${publish("a.txt")}\n${publish("a.txt")}\nall done`;
    expect(await withoutPauses(() => ask(id, lines))).toMatchObject({ status: "completed" });
    expect(await published(id)).toEqual(["a.txt: one\n"]);
    expect(containerOf(id).started).toHaveLength(2);
  });

  it("publishes once, whenever the object is lost", async () => {
    const scenario: Scenario = {
      config: { artifacts: [], runtime: "claude-code" },
      prompts: [
        `${bash("echo one > a.txt; echo two > b.txt")}\n${publish("a.txt")} & ${publish("b.txt")}\nall done`,
      ],
    };
    plantFaults();
    const { id, fault, outcome: undisturbed } = await play(scenario, null, "object at once");
    const wanted = ["a.txt: one\n", "b.txt: two\n"];
    expect(await published(id)).toEqual(wanted);
    // How many lines of output are committed together depends on timing.
    const points = [...fault.commits].filter((point) => !point.startsWith(" "));
    expect(points.length).toBeGreaterThan(6);
    await forEachSideBySide(points, async (point) => {
      const { id, outcome } = await play(scenario, point, "object before its next commit");
      expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      expect(await published(id), `lost after ${point}`).toEqual(wanted);
    });
  }, 60_000);
});

describe("the content", () => {
  it.runIf(HAS_CONTAINERS)(
    "of a large file in a container is read in pieces, before an ephemeral session ends",
    async () => {
      installFakeContainers();
      const id = newSessionId();
      await useRealContainer(id);
      const config = { artifacts: ["dist/*"] };
      const spec = aSpec({ id, pattern: "ephemeral", config });
      value(await sessionOf(id).create(ALICE, spec));
      const big = "yes 0123456789abcde | head -c 5000000 > dist/big";
      const made = `mkdir dist; ${big}; echo > dist/small; echo > $'dist/\\xff'`;
      const { status } = await ask(id, `${bash(made)}\ndone`);
      expect(status).toBe("completed");
      expect(await failuresOf(id)).toEqual([["dist/\ufffd", "its name is not UTF-8"]]);
      const sizes = (await artifactsOf(id)).map(({ path, sizeBytes }) => [path, sizeBytes]);
      expect(sizes.sort()).toEqual([
        ["dist/big", 5_000_000],
        ["dist/small", 1],
      ]);
      const large = (await artifactsOf(id)).find(({ path }) => path === "dist/big");
      const text = (await textsOf(id))[large?.id ?? ""] ?? "";
      expect(text === "0123456789abcde\n".repeat(312_500)).toBe(true);
      expect(large?.sha256).toBe(toHex(await sha256(text)));
      value(await sessionOf(id).remove(ALICE));
    },
    20_000,
  );

  it("that changes while it is read is that of one moment", async () => {
    const id = await create({ artifacts: [] });
    const { put: original } = ArtifactBucket.prototype;
    const put = vi.spyOn(ArtifactBucket.prototype, "put");
    put.mockImplementationOnce(function (this: ArtifactBucket, owner, artifact) {
      return original.call(this, owner, artifact, new TextEncoder().encode("two"));
    });
    await ask(id, `${workspaceFile("a.txt", "one")}\n${publish("a.txt")}\ndone`);
    expect(put).toHaveBeenCalledTimes(2);
    expect(await published(id)).toEqual(["a.txt: one"]);
  });
});

describe("the artifacts of a session", () => {
  it("of an interrupted call are neither recorded nor kept", async () => {
    const id = await create({ artifacts: [] });
    const { put } = ArtifactBucket.prototype;
    let interrupted: Promise<unknown> | undefined;
    vi.spyOn(ArtifactBucket.prototype, "put").mockImplementation(async function (
      this: ArtifactBucket,
      ...given
    ) {
      await put.apply(this, given);
      interrupted = sessionOf(id).interrupt(ALICE);
      await until(async () => (await typesOf(id)).includes("message.interrupted"));
    });
    await ask(id, `${workspaceFile("a.txt", "one")}\n${publish("a.txt")}\nnever said`);
    await interrupted;
    expect(await artifactsOf(id)).toEqual([]);
    expect(await keysUnder(`artifacts/${id}/`)).toEqual([]);
  });

  it("stay when it ends, also if it is ephemeral, and go when it is deleted", async () => {
    const id = await createSession({ pattern: "ephemeral", config: { artifacts: ["*"] } });
    await ask(id, `${workspaceFile("a.txt", "one")}\ndone`);
    expect((await typesOf(id)).slice(-3)).toEqual([
      ...["artifact.published", "message.completed", "session.completed"],
    ]);
    expect(await published(id)).toEqual(["a.txt: one"]);
    value(await sessionOf(id).remove(ALICE));
    await until(async () => (await keysUnder(`artifacts/${id}/`)).length === 0);
  });

  it("are published once, whenever the object is lost", async () => {
    const scenario: Scenario = {
      config: { artifacts: ["dist/**"] },
      prompts: [
        [
          `${workspaceFile("dist/a.txt", "a1")} & ${workspaceFile("c.txt", "c1")}`,
          `${publish("c.txt", "dist/a.txt")} & ${workspaceFile("dist/a.txt", "a2")}`,
          "all is done",
        ].join("\n"),
        `${workspaceFile("dist/a.txt", "a1")} & ${workspaceFile("dist/b.txt", "b1")}\nthat is all`,
      ],
    };
    plantFaults();
    const { id, fault, outcome: undisturbed } = await play(scenario, null, "object at once");
    const wanted = (await published(id)).sort();
    expect(wanted).toEqual([
      ...["c.txt: c1", "dist/a.txt: a1", "dist/a.txt: a1", "dist/a.txt: a2", "dist/b.txt: b1"],
    ]);
    await forEachSideBySide([...fault.commits], async (point) => {
      const { id, outcome } = await play(scenario, point, "object at once");
      expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      expect((await published(id)).sort(), `lost after ${point}`).toEqual(wanted);
    });
  }, 60_000);
});
