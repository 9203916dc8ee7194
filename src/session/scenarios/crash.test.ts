import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { providers } from "../../sandbox/providers";
import { limit } from "../../testing/accounts";
import { approvalsOf, decide } from "../../testing/approvals";
import { answer, LOOKUP, requestsOf } from "../../testing/client-tools";
import {
  faults,
  forEachSideBySide,
  type Loss,
  outlineOf,
  plantFaults,
  play,
  type Scenario,
} from "../../testing/losses";
import { mcpServer } from "../../testing/mcp";
import { ALICE, aMessage, bash, call, NO_LIMITS, sessionOf, value } from "../../testing/sessions";
import type { McpServerConfig } from "../rpc";

// A session's object is lost after each of its commits in turn. The session must end like an undisturbed one.

const ALONE: Scenario = {
  config: {},
  prompts: [
    [
      '/Write {"file_path":"/workspace/a.txt","content":"one\\n"}',
      '/Read {"file_path":"/workspace/a.txt"} & /Glob {"pattern":"*.txt"}',
      '/Bash {"command":"echo once >> log.txt; sleep 0.05; echo said"}',
      '/Edit {"file_path":"/workspace/a.txt","old_string":"one","new_string":"two"}',
      "all is done",
    ].join("\n"),
    '/Bash {"command":"cat a.txt log.txt"}\nthat is all',
  ],
};

// The offline model follows the newest text, so the main agent follows the messages that it receives.
const NEWS = `${call("Task", { subagent_type: "player1", prompt: "who are you?" })}\nall is done`;

const FIRST_TASK = [
  '/Write {"file_path":"/workspace/one.txt","content":"one\\n"}',
  call("SendMessage", { to: "main", message: NEWS }),
  '/Bash {"command":"echo once >> log.txt; sleep 0.05; echo said"}',
  "I am one",
].join("\n");

const AGENTS: Scenario = {
  config: { customAgents: { player1: {}, player2: { maxTurns: 5 } } },
  prompts: [
    [
      [
        call("Task", { subagent_type: "player1", prompt: FIRST_TASK }),
        call("Task", { subagent_type: "player2", prompt: '/Read {"file_path":"x"}\nI am two' }),
      ].join(" & "),
      "never said",
    ].join("\n"),
    '/Bash {"command":"cat one.txt log.txt"}\nthat is all',
  ],
};

/** Its first prompt is refused by the API, and withdrawn by the second. */
const REFUSED: Scenario = {
  config: {},
  prompts: [
    [
      { type: "text", text: "look" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
    ],
    '/Bash {"command":"echo once >> log.txt; cat log.txt"}\nthat is all',
  ],
};

/** Each of its commands is decided about: one is denied, one is made with another input. */
const ASKING: Scenario = {
  config: { askTools: ["Bash"] },
  prompts: [
    [
      '/Bash {"command":"echo once >> log.txt; echo said"} & /Write {"file_path":"/workspace/a.txt","content":"a"}',
      '/Bash {"command":"echo denied"}',
      '/Bash {"command":"echo changed"}',
      "all is done",
    ].join("\n"),
    '/Bash {"command":"cat a.txt log.txt"}\nthat is all',
  ],
  async meanwhile(id) {
    for (const approval of await approvalsOf(id, "pending")) {
      // Otherwise the message might not have to wait.
      const asking = value(await sessionOf(id).message(ALICE, approval.messageId));
      if (asking.status !== "waiting") continue;
      const { command } = approval.input as { command: string };
      const decision = {
        decision: command === "echo denied" ? ("deny" as const) : ("allow" as const),
        note: "so it is",
        ...(command === "echo changed" && { input: { command: "echo other" } }),
        remember: false,
      };
      await decide(id, approval.id, decision);
    }
  },
};

/** The caller answers its calls, the oldest one first, each twice. */
const CALLING: Scenario = {
  config: { clientTools: [LOOKUP] },
  prompts: [
    [
      `${call("lookup", { id: 1 })} & ${call("lookup", { id: 2 })} & ${call("lookup", { id: "x" })}`,
      '/Bash {"command":"echo once >> log.txt; cat log.txt"}',
      "all is done",
    ].join("\n"),
    `${call("lookup", { id: 3 })}\nthat is all`,
  ],
  async meanwhile(id) {
    const [request] = await requestsOf(id);
    if (!request) return;
    const asking = value(await sessionOf(id).message(ALICE, request.messageId));
    if (asking.status !== "waiting") return;
    const { input, toolUseId } = request;
    for (const _ of [1, 2]) {
      value(await answer(id, toolUseId, `thing ${(input as { id: number }).id}`));
    }
  },
};

/** It pauses when its turns are used up, and its limit is raised by two. */
const PAUSING: Scenario = {
  config: {},
  spec: { limits: { ...NO_LIMITS, maxTurns: 2 }, onLimit: "pause" },
  prompts: [ALONE.prompts[0] ?? "", '/Bash {"command":"cat a.txt log.txt"}\nthat is all'],
  async meanwhile(id) {
    const { pausedBecause, maxTurns } = value(await sessionOf(id).read(ALICE));
    if (pausedBecause) await sessionOf(id).update(ALICE, { maxTurns: (maxTurns ?? 0) + 2 });
  },
};

/** While its command runs, a prompt is sent that joins it; then the command ends. */
const STEERED: Scenario = {
  config: {},
  prompts: [
    `${bash("while [ ! -f go ]; do sleep 0.05; done; echo once >> log.txt")}\nnever said`,
    '/Bash {"command":"cat log.txt"}\nthat is all',
  ],
  async meanwhile(id) {
    const { events } = value(await sessionOf(id).events(ALICE, { after: 0, limit: 1_000 }));
    if (!events.some(({ type }) => type === "tool.started")) return;
    const steer = { id: id.replace("sess", "msg"), onBusy: "steer" as const };
    const prompt = '/Bash {"command":"echo twice >> log.txt"}\nas you wish';
    value(await sessionOf(id).send(ALICE, aMessage(prompt, steer)));
    const sandbox = env.EMBEDDED_SANDBOXES.getByName(id);
    await sandbox.writeFile("/workspace/go", new Uint8Array());
  },
};
/** It calls tools of an MCP server: one that reads, one that may be called again, and one that may not. */
const SERVING = (config: McpServerConfig): Scenario => ({
  config: { mcpServers: { one: config } },
  prompts: [
    [
      `${call("mcp__one__echo", { text: "hello" })} & ${call("mcp__one__calls", {})}`,
      call("mcp__one__set", { token: "set" }),
      call("mcp__one__add", { token: "added" }),
      "all is done",
    ].join("\n"),
    `${call("mcp__one__echo", { text: "again" })}\nthat is all`,
  ],
});
/** A preview of it is made and removed while its message waits. Its sandbox is no container, but counts as one. */
const PREVIEWING: Scenario = {
  config: { askTools: ["Bash"] },
  spec: { provider: "cloudflare" },
  prompts: ['/Bash {"command":"echo once >> log.txt; cat log.txt"}\nthat is all'],
  async meanwhile(id) {
    const { events } = value(await sessionOf(id).events(ALICE, { after: 0, limit: 100 }));
    const told = (type: string) => events.some((event) => event.type === type);
    const preview = { id: `prev_${id}`, hash: "hash", port: 5173, expiresInMs: 60_000 };
    if (!told("message.waiting")) return;
    if (!told("preview.created")) value(await sessionOf(id).addPreview(ALICE, preview));
    else if (!told("preview.removed")) await sessionOf(id).removePreview(ALICE, preview.id);
    else await ASKING.meanwhile?.(id);
  },
};

/** A caller writes a file for which its first message waits, and deletes it for the second one. */
const FILES: Scenario = {
  config: {},
  prompts: [
    [
      '/Bash {"command":"until [ -s in.txt ]; do sleep 0.05; done; cat in.txt"}',
      '/Write {"file_path":"/workspace/in.txt","content":"of the agent"}',
      "it is there",
    ].join("\n"),
    '/Bash {"command":"until [ ! -e in.txt ]; do sleep 0.05; done; echo gone"}\nit is gone',
  ],
  async meanwhile(id) {
    const { events } = value(await sessionOf(id).events(ALICE, { after: 0, limit: 100 }));
    const has = (type: string) => events.some((event) => event.type === type);
    if (!has("file.written")) {
      const content = new Blob(["of a caller"]).stream();
      value(await sessionOf(id).putFile(ALICE, "in.txt", content, {}));
    } else if (has("message.completed") && !has("file.deleted")) {
      await sessionOf(id).removeFile(ALICE, "in.txt", { recursive: false, condition: {} });
    }
  },
};

afterEach(() => {
  vi.restoreAllMocks();
  faults.clear();
});

/**
 * Returns the commits of an undisturbed session, after which the object can be lost, and checks that none is missing.
 */
async function faultPoints(scenario: Scenario) {
  const { fault, outcome } = await play(scenario, null, "everything");
  const points = [...fault.commits];
  const logged = points.flatMap((point) => point.replace(/ #\d+$/, "").split(", ")).filter(Boolean);
  expect(logged.sort()).toEqual(outcome.events);
  return { points, undisturbed: outcome };
}

describe("a session whose object is lost", () => {
  it.each<[string, Loss, Scenario]>([
    // Its calls are paid from leases of its owner's account.
    ["one agent, by leases", "object at once", { ...ALONE, spec: { limited: true } }],
    ["several agents", "object before its next commit", AGENTS],
    ["one that asks", "object at once", ASKING],
    ["one with client tools", "object before its next commit", CALLING],
    ["one that pauses", "object at once", PAUSING],
    ["one that is steered", "object before its next commit", STEERED],
    ["one with a preview", "object at once", PREVIEWING],
  ])(
    "after any commit (%s, %s) ends like an undisturbed one",
    async (_, loss, scenario) => {
      plantFaults();
      vi.spyOn(providers, "cloudflare").mockImplementation(providers.embedded);
      await limit(ALICE.owner, { maxDailyNanos: 1_000_000_000_000 });
      const { points, undisturbed } = await faultPoints(scenario);
      // How often it asks its account depends on timing.
      const isNamed = (point: string) => !point.startsWith(" ");
      await forEachSideBySide(points.filter(isNamed), async (point) => {
        const { outcome } = await play(scenario, point, loss);
        expect(outcome, `lost after ${point}`).toEqual(undisturbed);
      });
      await limit(ALICE.owner, {});
    },
    60_000,
  );

  it("after any commit withdraws a refused prompt once, and answers the next one", async () => {
    plantFaults();
    const { points, undisturbed } = await faultPoints(REFUSED);
    const withdrawn = (events: string[]) =>
      events.filter((event) => event === "content.withdrawn").length;
    expect(withdrawn(undisturbed.events)).toBe(1);
    await forEachSideBySide(points, async (point) => {
      const { outcome } = await play(REFUSED, point, "object before its next commit");
      // A refused call is made again if its message was not ended by then.
      const { messages, conversations, costNanos } = undisturbed;
      expect(outcome, `lost after ${point}`).toMatchObject({ messages, conversations, costNanos });
      expect(withdrawn(outcome.events), `lost after ${point}`).toBe(1);
    });
  }, 60_000);

  it("after any commit makes no call of an MCP server twice that may not be repeated", async () => {
    plantFaults();
    const { points, undisturbed } = await faultPoints(SERVING(mcpServer("modern").config));
    expect(points).toContain("mcp.listed #1");
    await forEachSideBySide(points, async (point) => {
      const server = mcpServer("modern");
      const { outcome } = await play(SERVING(server.config), point, "object at once");
      expect(outlineOf(outcome), `lost after ${point}`).toEqual(outlineOf(undisturbed));
      const { calls } = await server.state();
      expect(new Set(calls), `lost after ${point}`).toEqual(
        new Set(calls.includes("added") ? ["set", "added"] : ["set"]),
      );
      expect(calls.filter((one) => one === "added").length).toBeLessThan(2);
      const results = JSON.stringify(outcome.conversations);
      // If the call was made, and the model is not told so, it is told that this is not known.
      const isKnown = results.includes("added added");
      expect(isKnown || results.includes("its effect is unknown"), `lost after ${point}`).toBe(
        true,
      );
      if (isKnown) expect(calls).toContain("added");
    });
  }, 60_000);

  it("after any commit has the tokens of an MCP server that were renewed, and renews them once", async () => {
    plantFaults();
    const authorized = async () => {
      const server = mcpServer("modern");
      await server.state({ access: "none yet" });
      server.config.oauth = server.oauth;
      return server;
    };
    const { config } = await authorized();
    const { points, undisturbed } = await faultPoints(SERVING(config));
    await forEachSideBySide(points, async (point) => {
      const server = await authorized();
      const { outcome } = await play(SERVING(server.config), point, "object at once");
      expect(outlineOf(outcome), `lost after ${point}`).toEqual(outlineOf(undisturbed));
      expect(await server.state(), `lost after ${point}`).toMatchObject({
        ...{ renewals: 1, reused: 0 },
      });
    });
  }, 60_000);

  it("after any commit has what a caller has written, and guards it", async () => {
    plantFaults();
    const { points, undisturbed } = await faultPoints(FILES);
    const written = (events: string[]) => events.filter((event) => event === "file.written");
    // The first commit without an event is the intention to write. How many there are depends on timing.
    const isCertain = (point: string) => !point.startsWith(" ") || point === " #1";
    await forEachSideBySide(points.filter(isCertain), async (point) => {
      const { outcome } = await play(FILES, point, "object at once");
      const { messages, conversations, costNanos } = undisturbed;
      expect(outcome, `lost after ${point}`).toMatchObject({ messages, conversations, costNanos });
      expect(written(outcome.events), `lost after ${point}`).toHaveLength(1);
    });
    expect(JSON.stringify(undisturbed.conversations)).toContain("you have not read it");
  }, 60_000);

  it("together with its sandbox and all other objects after any commit does nothing twice", async () => {
    plantFaults();
    const { points, undisturbed } = await faultPoints(AGENTS);
    await forEachSideBySide(points, async (point) => {
      const { outcome } = await play(AGENTS, point, "everything");
      expect(outlineOf(outcome), `lost after ${point}`).toEqual(outlineOf(undisturbed));
      const written = outcome.messages[1]?.result?.match(/once/g)?.length ?? 0;
      expect(written, `lost after ${point}`).toBeLessThan(2);
    });
  }, 60_000);
});
