import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { mayCall } from "../../agent/permissions/permissions";
import { checkRules, type Rules } from "../../agent/permissions/rules";
import type { JsonSchema } from "../../agent/schema/compiled-schema";
import { checkSchema } from "../../agent/schema/json-schema";
import { readOutput } from "../../agent/schema/output";
import { aCommand } from "../../sandbox/contract";
import { embedded } from "../../sandbox/embedded";
import { randomFrom } from "../../soak/random.ts";
import { aClient } from "../../testing/api-client";
import { withoutPauses } from "../../testing/faults";
import { ALICE, ask, createSession, eventsOf, sessionOf, value } from "../../testing/sessions";
import { booksOf, upstream } from "../../testing/upstream";
import { faultsOf } from "../parts/files.ts";
import { type FileStep, filesInput } from "./files.ts";
import { mcpConfig, mcpRules } from "./mcp.ts";
import type { Told } from "./replies.ts";
import { requestInput } from "./requests.ts";
import { rulesInput } from "./rules.ts";
import { schemasInput } from "./schemas.ts";
import { shellScript } from "./shell.ts";
import { upstreamInput } from "./upstream.ts";

// Runs the first cases of `npm run fuzz` against the real code. Each case is named by its number and can be run
// alone.

const SEED = 1;
const casesOf = (count: number) => Array.from({ length: count }, (_, number) => number);
const randomOf = (number: number) => randomFrom(SEED * 1_000_003 + number);

const Refused = z.object({
  error: z.object({ issues: z.array(z.object({ path: z.string(), message: z.string() })) }),
});

describe("a case of the fuzzer", () => {
  it.each<[string, (random: ReturnType<typeof randomFrom>) => unknown]>([
    ["shell", shellScript],
    ["rules", rulesInput],
    ["requests", requestInput],
    ["files", filesInput],
    ["mcp", mcpConfig],
    ["schemas", schemasInput],
    ["upstream", upstreamInput],
  ])("of %s is determined by its seed, and another one by another", (_, make) => {
    const inputs = casesOf(20).map((number) => JSON.stringify(make(randomOf(number))));
    expect(casesOf(20).map((number) => JSON.stringify(make(randomOf(number))))).toEqual(inputs);
    expect(new Set(inputs).size).toBeGreaterThan(15);
  });
});

describe("the embedded shell", { timeout: 60_000 }, () => {
  it("ends every script, and runs the next one", async () => {
    const id = crypto.randomUUID();
    const sandbox = embedded(env.EMBEDDED_SANDBOXES, id, { workspace: "/workspace" });
    for (const number of casesOf(25)) {
      const script = shellScript(randomOf(number));
      const { ended } = await sandbox.run(aCommand(script, { timeoutMs: 150 }));
      expect(ended, `case ${number}`).toMatch(/^(exited|timed_out)$/);
      const next = await sandbox.run(aCommand("echo alive"));
      expect(next, `after case ${number}`).toMatchObject({ exitCode: 0, stdout: "alive\n" });
    }
    await sandbox.destroy();
  });

  it("runs no command that the rules refuse", async () => {
    for (const number of casesOf(4)) {
      const { config, scripts, control } = rulesInput(randomOf(number));
      const id = await createSession({ config });
      const calls = [control, ...scripts.map(({ command }) => command)].map(
        (command) => `/Bash ${JSON.stringify({ command, timeout: 500 })}`,
      );
      await ask(id, [...calls, '/Glob {"pattern":"**/*PWNED*","path":"/"}'].join("\n"));
      const ends = (await eventsOf(id)).filter(({ type }) => type === "tool.completed");
      expect(ends).toHaveLength(calls.length + 1);
      expect(ends[0], `case ${number}`).toMatchObject({ isError: false });
      expect(ends.at(-1), `case ${number}`).toMatchObject({
        content: "No files in / match **/*PWNED*.",
      });
    }
  });
});

describe("the files of a session", { timeout: 60_000 }, () => {
  it("are those of its workspace, whatever is asked and wherever links lead", async () => {
    const client = aClient();
    let links = 0;
    for (const number of casesOf(12)) {
      const { id } = await client.create();
      const sandbox = embedded(env.EMBEDDED_SANDBOXES, id, { workspace: "/workspace" });
      const run = async (command: string) => {
        const { stdout } = await sandbox.run(aCommand(command));
        if (stdout === "linked\n") links += 1;
        return stdout;
      };
      const send = async ({ method, path, headers, body }: FileRequest) => {
        const options = { headers, ...(body !== undefined && { body }) };
        const response = await client.raw(method, `/api/sessions/${id}${path}`, options);
        return { status: response.status, text: await response.text() };
      };
      expect(await faultsOf(filesInput(randomOf(number)), { send, run }), `case ${number}`).toEqual(
        [],
      );
    }
    expect(links).toBeGreaterThan(5);
  });
});

type FileRequest = Exclude<FileStep, { link: string }>;

describe("patterns and schemas of clients", { timeout: 60_000 }, () => {
  it("are refused, or matched against any text in bounded time", () => {
    for (const number of casesOf(60)) {
      const { config, reply, calls } = schemasInput(randomOf(number));
      const { outputSchema, ...rules } = config as { outputSchema?: JsonSchema } & Rules;
      if (outputSchema && checkSchema(outputSchema).length === 0) {
        expect(readOutput(outputSchema, reply).ok).toBeTypeOf("boolean");
      }
      if (checkRules(rules).length > 0) continue;
      for (const { name, input } of calls) {
        expect(mayCall(rules, name, input, "/workspace").allowed).toBeTypeOf("boolean");
      }
    }
  });
});

describe("rules about tools of MCP servers", () => {
  it("forbid the tools that they name, and no others that are named alike", () => {
    let forbidden = 0;
    for (const number of casesOf(200)) {
      const { disallowedTools, calls } = mcpRules(randomOf(number));
      const rules = { disallowedTools };
      expect(checkRules(rules), `case ${number}`).toEqual([]);
      for (const { name, isForbidden } of calls) {
        const { allowed } = mayCall(rules, name, {}, "/workspace");
        expect(allowed, `${name} in case ${number}`).toBe(!isForbidden);
        if (isForbidden) forbidden += 1;
      }
    }
    expect(forbidden).toBeGreaterThan(100);
  });

  it("are accepted with their servers, or refused with the place of what is wrong", async () => {
    const client = aClient();
    let accepted = 0;
    for (const number of casesOf(80)) {
      const config = mcpConfig(randomOf(number));
      const { status, body } = await client.post("/api/sessions", { pattern: "hybrid", config });
      expect([201, 400], `case ${number}: ${JSON.stringify(body)}`).toContain(status);
      if (status === 201) {
        accepted += 1;
        continue;
      }
      const { issues } = Refused.parse(body).error;
      for (const { path, message } of issues) {
        expect(path || message, `case ${number}`).toMatch(
          /^(The body |config\.(mcpServers|(allowed|ask|disallowed)Tools\.\d+$))/,
        );
      }
    }
    expect(accepted).toBeGreaterThan(10);
    expect(accepted).toBeLessThan(70);
  });
});

describe("a faulty upstream", { timeout: 60_000 }, () => {
  afterEach(() => vi.restoreAllMocks());

  it("ends each message, never exceeds the budget, and leaves a readable log", async () => {
    for (const number of casesOf(12)) {
      const { maxBudgetUsd, prompts, replies, counts } = upstreamInput(randomOf(number));
      const counted = [...counts];
      upstream(
        (n) => replies[n] && responseOf(replies[n]),
        () => (counted.length === 0 ? undefined : JSON.stringify(counted.shift())),
      );
      const maxBudgetNanos = maxBudgetUsd * 1e9;
      const limits = { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos, maxTurns: null };
      const id = await createSession({ limits });
      for (const { prompt } of prompts) {
        const isOver = value(await sessionOf(id).read(ALICE)).status !== "active";
        if (isOver) break;
        const message = await withoutPauses(() => ask(id, String(prompt)));
        expect(message.status, `case ${number}`).toMatch(/^(completed|failed|interrupted)$/);
      }
      const { spentNanos, heldNanos } = await booksOf(id);
      expect(spentNanos + heldNanos, `case ${number}`).toBeLessThanOrEqual(maxBudgetNanos);
      const seqs = (await eventsOf(id)).map(({ seq }) => seq);
      expect(seqs, `case ${number}`).toEqual(seqs.map((_, index) => index + 1));
    }
  });
});

/** Returns an answer as a `Response`. A stall is only a pause here. */
function responseOf({ status, headers, pieces, end }: Told): Response {
  const encoder = new TextEncoder();
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = left.shift();
      if (piece !== undefined) controller.enqueue(encoder.encode(piece));
      else if (end === "whole") controller.close();
      else controller.error(new TypeError("the connection broke"));
    },
  });
  const isEmpty = status === 204 || status === 304;
  return new Response(isEmpty ? null : body, { status, headers });
}
