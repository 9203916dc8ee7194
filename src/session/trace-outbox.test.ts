import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readSettings } from "../settings";
import { FakeCollector, type ReceivedSpan, valuesOf } from "../testing/collector";
import { moveClock, withoutPauses } from "../testing/faults";
import {
  ALICE,
  alarmOf,
  aMessage,
  ask,
  bash,
  call,
  createSession,
  ended,
  eventsOf,
  lose,
  messageOf,
  objectOf,
  plannedAlarm,
  read,
  rowOf,
  sessionOf,
  tablesOf,
  until,
  value,
} from "../testing/sessions";
import { upstream } from "../testing/upstream";
import { collectorOf, tracing } from "./deployment";
import { SessionStore } from "./storage/store";

const ORIGINAL = { ...tracing };
const CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const HOUR_MS = 3_600_000;
/** A prompt that makes more than 300 events: 160 calls. */
const MANY_EVENTS = [
  ...Array.from({ length: 8 }, () =>
    Array.from({ length: 20 }, () => call("TodoWrite", { todos: [] })).join(" & "),
  ),
  "all done",
].join("\n");

let collector: FakeCollector;
let moveOn: (ms: number) => void;
let lines: string[];

beforeEach(() => {
  collector = use(new FakeCollector());
  moveOn = moveClock();
  lines = [];
  vi.spyOn(console, "log").mockImplementation((line) => {
    lines.push(String(line));
  });
});
afterEach(() => {
  Object.assign(tracing, ORIGINAL);
  vi.restoreAllMocks();
});

function use(fake: FakeCollector): FakeCollector {
  tracing.collector = fake.settings;
  tracing.fetch = fake.fetch;
  return fake;
}

/** Exports what is due, as the alarm does. */
async function exportDue(id: string, afterMs = 10_000): Promise<void> {
  moveOn(afterMs);
  await runDurableObjectAlarm(objectOf(id));
}

/** Returns what was logged of a session. */
const logged = (event: string, session: string): Record<string, unknown>[] =>
  lines
    .map((line) => JSON.parse(line))
    .filter((one) => one.event === event && one.session === session);

const storedOf = (id: string) =>
  runInDurableObject(objectOf(id), (_, { storage }) => new SessionStore(storage).traced);

/** Returns what a span is called and what it is a part of: the name of a received span, or an id. */
function treeOf(spans: readonly ReceivedSpan[]): [name: string, parent: string | undefined][] {
  const names = new Map(spans.map(({ spanId, name }) => [spanId, name]));
  return spans.map(({ name, parentSpanId }) => [
    name,
    parentSpanId && (names.get(parentSpanId) ?? parentSpanId),
  ]);
}

const named = (spans: readonly ReceivedSpan[], start: string): ReceivedSpan[] =>
  spans.filter(({ name }) => name.startsWith(start));

describe("a trace", () => {
  it("contains a message with its turns and its tool calls", async () => {
    const id = await createSession();
    const message = await ask(id, `${bash("echo hi")}\nall done`);
    await exportDue(id);
    const spans = collector.spans(id);
    expect(treeOf(spans)).toEqual([
      ["chat claude-sonnet-5-5", "invoke_agent main"],
      ["execute_tool Bash", "invoke_agent main"],
      ["chat claude-sonnet-5-5", "invoke_agent main"],
      ["invoke_agent main", undefined],
    ]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    const { sessionId } = await read(id);
    const common = {
      "gen_ai.agent.name": "main",
      "gen_ai.conversation.id": sessionId,
      "rigger.session.id": id,
      "rigger.message.id": message.id,
    };
    const [first, tool, , last] = spans.map(({ attributes }) => valuesOf(attributes));
    const { usage } = message;
    expect(first).toEqual({
      ...common,
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": "claude-sonnet-5-5",
      "gen_ai.response.model": "claude-sonnet-5-5",
      "gen_ai.response.finish_reasons": ["tool_use"],
      "gen_ai.usage.input_tokens": expect.any(Number),
      "gen_ai.usage.output_tokens": expect.any(Number),
      "gen_ai.usage.cache_write.input_tokens": expect.any(Number),
      "rigger.cost": expect.any(Number),
      "rigger.attempts": 1,
      "rigger.turn.id": "turn_1",
      "rigger.turn.kind": "reply",
    });
    expect(tool).toEqual({
      ...common,
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "Bash",
      "gen_ai.tool.call.id": expect.stringMatching(/^toolu_/),
      "gen_ai.tool.type": "function",
    });
    expect(last).toEqual({
      ...common,
      "gen_ai.operation.name": "invoke_agent",
      "gen_ai.response.finish_reasons": ["end_turn"],
      "gen_ai.usage.input_tokens":
        usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens,
      "gen_ai.usage.output_tokens": usage.outputTokens,
      "rigger.cost": message.costNanos / 1e9,
      "rigger.owner": "alice",
      "rigger.pattern": "long-running",
      "rigger.status": "completed",
      "rigger.queued_ms": 0,
    });
    expect(spans.map(({ kind }) => kind)).toEqual([3, 1, 3, 1]);
    expect(spans.map(({ status }) => status)).toEqual([undefined, undefined, undefined, undefined]);
    for (const { startTimeUnixNano, endTimeUnixNano } of spans) {
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
    }
  });

  it("contains agents under the calls that started them", async () => {
    const id = await createSession({ config: { customAgents: { player: {} } } });
    const task = call("Task", {
      subagent_type: "player",
      prompt: '/Bash {"command":"echo one"}\nI am one',
    });
    await ask(id, `${task}\nall done`);
    await exportDue(id);
    const spans = collector.spans(id);
    const agent = (span: ReceivedSpan) => valuesOf(span.attributes)["gen_ai.agent.name"];
    const chats = named(spans, "chat").map((span) => [agent(span), treeOfOne(spans, span)]);
    expect(chats).toEqual([
      ["main", "invoke_agent main"],
      ["player", "invoke_agent player"],
      ["player", "invoke_agent player"],
      ["main", "invoke_agent main"],
    ]);
    const tree = Object.fromEntries(treeOf(spans));
    expect(tree).toMatchObject({
      "execute_tool Bash": "invoke_agent player",
      "invoke_agent player": "execute_tool Task",
      "execute_tool Task": "invoke_agent main",
    });
  });

  it("is that of the caller", async () => {
    const id = await createSession();
    await ask(id, "hello", { traceparent: CALLER });
    await exportDue(id);
    const spans = collector.spans(id);
    expect(spans.map(({ traceId }) => traceId)).toEqual([
      "0af7651916cd43dd8448eb211c80319c",
      "0af7651916cd43dd8448eb211c80319c",
    ]);
    const message = named(spans, "invoke_agent")[0];
    expect(message).toMatchObject({ parentSpanId: "b7ad6b7169203331", flags: 0x301 });
  });

  it("that its caller does not record is not exported, and counts in the metrics", async () => {
    const id = await createSession();
    await ask(id, "hello", { traceparent: CALLER.replace(/01$/, "00") });
    await exportDue(id);
    expect(collector.spans(id)).toEqual([]);
    expect(collector.points(id, "gen_ai.client.inference.duration")).toMatchObject([
      { count: "1" },
    ]);
  });

  it("shows each attempt of a turn, and what all of them cost", async () => {
    const id = await createSession();
    await withoutPauses(() => ask(id, "/fail 529 times=2\nhello"));
    await exportDue(id);
    const [chat] = named(collector.spans(id), "chat");
    expect(chat?.status).toBeUndefined();
    expect(chat?.events.map(({ name, attributes }) => [name, valuesOf(attributes)])).toEqual([
      ["turn.retried", expect.objectContaining({ "rigger.attempt": 1, "rigger.cost": 0 })],
      ["turn.retried", expect.objectContaining({ "error.type": "overloaded_error" })],
    ]);
    expect(valuesOf(chat?.attributes ?? [])["rigger.attempts"]).toBe(3);
  });

  it("adds up to the cost of the session, whatever was lost of it", async () => {
    const id = await createSession();
    const { id: messageId } = value(
      await sessionOf(id).send(ALICE, aMessage(`${bash("sleep 0.2")}\n/delay 300\nall done`)),
    );
    for (let n = 0; n < 4; n++) {
      await scheduler.wait(100);
      await lose(id);
      await messageOf(id, messageId);
    }
    await ended(id, messageId);
    await exportDue(id);
    const distinct = new Map(collector.spans(id).map((span) => [span.spanId, span]));
    const costs = named([...distinct.values()], "chat").map((span) =>
      Math.round(Number(valuesOf(span.attributes)["rigger.cost"]) * 1e9),
    );
    expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe((await read(id)).totalCostNanos);
  });

  it("has errors where something failed", async () => {
    upstream((n) => (n === 1 ? new Response("{}", { status: 400 }) : undefined));
    const id = await createSession();
    await ask(id, `${bash("exit 3")}\nall done`);
    await exportDue(id);
    const spans = collector.spans(id);
    const statuses = spans.map(({ name, status }) => [name.split(" ")[0], status?.code]);
    expect(statuses).toEqual([
      ["chat", undefined],
      ["execute_tool", 2],
      ["chat", 2],
      ["invoke_agent", 2],
    ]);
    const types = spans.slice(1).map((span) => valuesOf(span.attributes)["error.type"]);
    const message = (await eventsOf(id)).find(({ type }) => type === "message.failed");
    const type = message && "error" in message && message.error.type;
    expect(types).toEqual(["_OTHER", "_OTHER", type]);
  });

  it("of a message that was interrupted ends with it, and so does that of a queued one", async () => {
    const id = await createSession();
    const running = aMessage("/fail 529 times=9 retry-after=9\nhello");
    value(await sessionOf(id).send(ALICE, running));
    const queued = aMessage("never");
    value(await sessionOf(id).send(ALICE, queued));
    const isRetried = async () => (await eventsOf(id)).some(({ type }) => type === "turn.retried");
    await until(isRetried);
    moveOn(2_000);
    value(await sessionOf(id).terminate(ALICE, "enough"));
    await exportDue(id);
    const spans = collector.spans(id);
    expect(treeOf(spans)).toEqual([
      ["chat claude-sonnet-5-5", "invoke_agent main"],
      ["invoke_agent main", undefined],
      ["invoke_agent main", undefined],
      ["session", undefined],
    ]);
    const [chat, first, second] = spans;
    expect(chat?.status).toEqual({ code: 2 });
    expect(first?.traceId).not.toBe(second?.traceId);
    expect(valuesOf(second?.attributes ?? [])).toMatchObject({
      "rigger.message.id": queued.id,
      "rigger.status": "interrupted",
    });
  });

  it("of a session is one span, which its messages link to", async () => {
    const id = await createSession();
    await ask(id, "one");
    await exportDue(id);
    await ask(id, "two");
    value(await sessionOf(id).terminate(ALICE, "since Bob asked me to"));
    await exportDue(id);
    const spans = collector.spans(id);
    const messages = named(spans, "invoke_agent");
    const [session, ...others] = named(spans, "session");
    expect(others).toEqual([]);
    const link = { traceId: session?.traceId, spanId: session?.spanId };
    expect(messages.map(({ links }) => links)).toEqual([[link], [link]]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(3);
    const { totalCostNanos, numTurns } = await read(id);
    expect(valuesOf(session?.attributes ?? [])).toMatchObject({
      "rigger.status": "terminated",
      "rigger.termination_reason": "caller",
      "rigger.cost": totalCostNanos / 1e9,
      "rigger.turns": numTurns,
    });
  });

  it("waits for nobody: an approval is an event of it", async () => {
    const id = await createSession({ config: { askTools: ["Bash"] } });
    value(await sessionOf(id).send(ALICE, aMessage(bash("echo hi"))));
    await until(async () => (await eventsOf(id)).some(({ type }) => type === "message.waiting"));
    await exportDue(id);
    expect(treeOf(collector.spans(id)).map(([name]) => name)).toEqual(["chat claude-sonnet-5-5"]);
    value(await sessionOf(id).interrupt(ALICE));
    await exportDue(id);
    const message = named(collector.spans(id), "invoke_agent")[0];
    expect(message?.events.map(({ name }) => name)).toEqual([
      "approval.requested",
      "message.waiting",
      "approval.resolved",
    ]);
  });
});

describe("what was said", () => {
  const SAID = "PRIVATE";
  const prompt = `${bash(`echo ${SAID} | cat`)}\n${SAID} answer`;

  it("is not exported unless a setting asks for it", async () => {
    const id = await createSession({ userId: SAID, tags: [SAID], description: SAID });
    await ask(id, prompt);
    value(await sessionOf(id).terminate(ALICE, SAID));
    await exportDue(id);
    expect(collector.spans(id)).toHaveLength(5);
    expect(JSON.stringify(collector.bodies)).not.toContain(SAID);
  });

  it("is exported if a setting asks for it", async () => {
    collector = use(new FakeCollector({ capturesContent: true }));
    const id = await createSession();
    const { result } = await ask(id, prompt);
    await exportDue(id);
    const [, tool, chat, message] = collector.spans(id).map((span) => valuesOf(span.attributes));
    const text = (role: string, content: string) =>
      JSON.stringify([{ role, parts: [{ type: "text", content }] }]);
    expect(tool).toMatchObject({
      "gen_ai.tool.call.arguments": JSON.stringify({ command: `echo ${SAID} | cat` }),
      "gen_ai.tool.call.result": expect.stringContaining(SAID),
    });
    expect(chat).toMatchObject({ "gen_ai.output.messages": text("assistant", result ?? "") });
    expect(message).toMatchObject({
      "gen_ai.input.messages": text("user", prompt),
      "gen_ai.output.messages": text("assistant", result ?? ""),
    });
  });

  it("is cut if it is long", async () => {
    collector = use(new FakeCollector({ capturesContent: true }));
    const id = await createSession();
    await ask(id, "long ".repeat(50_000));
    await exportDue(id);
    const [message] = named(collector.spans(id), "invoke_agent");
    const shown = String(valuesOf(message?.attributes ?? [])["gen_ai.input.messages"]);
    expect(shown.length).toBeLessThan(20_000);
    expect(JSON.parse(shown)[0].parts[0].content).toMatch(/^long long .*…$/s);
  });
});

describe("metrics", () => {
  it("count the tokens and the cost of all calls, and measure calls, tools and agents", async () => {
    const id = await createSession();
    const { usage, costNanos } = await ask(id, `${bash("echo hi")}\nall done`);
    await exportDue(id);
    const sum = (metric: string) =>
      collector
        .points(id, metric)
        .reduce((all, { asInt, asDouble }) => all + Number(asInt ?? asDouble), 0);
    const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = usage;
    const all = inputTokens + cacheReadTokens + cacheWriteTokens;
    expect(sum("gen_ai.client.inference.usage.input_tokens")).toBe(all);
    expect(sum("gen_ai.client.inference.usage.output_tokens")).toBe(outputTokens);
    expect(sum("gen_ai.client.inference.usage.cache_read.input_tokens")).toBe(cacheReadTokens);
    expect(sum("gen_ai.client.inference.usage.cache_write.input_tokens")).toBe(cacheWriteTokens);
    expect(sum("rigger.cost")).toBeCloseTo(costNanos / 1e9, 12);
    const durations = ["client.inference", "execute_tool", "invoke_agent"].map((what) =>
      collector.points(id, `gen_ai.${what}.duration`).map((point) => ({
        ...{ count: point.count, ...valuesOf(point.attributes) },
        counted: point.bucketCounts?.reduce((all, one) => all + Number(one), 0),
        bounds: point.explicitBounds?.length,
        buckets: point.bucketCounts?.length,
      })),
    );
    const buckets = { bounds: 14, buckets: 15 };
    expect(durations).toEqual([
      [expect.objectContaining({ count: "2", counted: 2, ...buckets })],
      [expect.objectContaining({ count: "1", "gen_ai.tool.name": "Bash", ...buckets })],
      [expect.objectContaining({ count: "1", "gen_ai.agent.name": "main", ...buckets })],
    ]);
  });

  it("of one request follow on those of the request before", async () => {
    const id = await createSession();
    for (const prompt of ["one", "two"]) {
      await ask(id, prompt);
      await exportDue(id);
    }
    const [first, second] = collector.points(id, "gen_ai.client.inference.usage.input_tokens");
    expect(second?.startTimeUnixNano).toBe(first?.timeUnixNano);
  });

  it("are not sent if a setting says so", async () => {
    collector = use(new FakeCollector({ metricsUrl: null }));
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    expect(collector.spans(id)).toHaveLength(2);
    expect(collector.bodies.filter(({ url }) => url.endsWith("/v1/metrics"))).toEqual([]);
  });
});

describe("the export", () => {
  it("goes where the settings say", () => {
    const endpoint = "https://collector.example/otlp";
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_RESOURCE_ATTRIBUTES: "team=a" };
    expect(collectorOf(readSettings({}))).toBeNull();
    expect(collectorOf(readSettings(settings))).toEqual({
      tracesUrl: `${endpoint}/v1/traces`,
      metricsUrl: `${endpoint}/v1/metrics`,
      headers: {},
      resource: { "service.name": "rigger", team: "a" },
      capturesContent: false,
    });
    const more = { OTEL_SERVICE_NAME: "agents", OTEL_METRICS_EXPORTER: "none" };
    expect(collectorOf(readSettings({ ...settings, ...more }))).toMatchObject({
      metricsUrl: null,
      resource: { "service.name": "agents" },
    });
  });

  it("stores and sends nothing without a collector", async () => {
    tracing.collector = null;
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    await exportDue(id, HOUR_MS);
    expect(await storedOf(id)).toBeNull();
    expect(collector.bodies).toEqual([]);
  });

  it("happens soon, without an alarm", async () => {
    const id = await withoutPauses(async () => {
      const id = await createSession();
      await ask(id, "hello");
      await until(async () => (await storedOf(id))?.seq === (await eventsOf(id)).length);
      return id;
    });
    expect(collector.spans(id)).toHaveLength(2);
  });

  it("sends what the settings say", async () => {
    const headers = { Authorization: "Basic abc" };
    collector = use(new FakeCollector({ headers, resource: { "service.name": "agents" } }));
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    const [request] = collector.bodies.filter(({ body }) => body.includes(id));
    expect(Object.fromEntries(request?.headers ?? [])).toMatchObject({
      authorization: "Basic abc",
      "content-type": "application/json",
    });
    const { resourceSpans } = JSON.parse(request?.body ?? "");
    expect(valuesOf(resourceSpans[0].resource.attributes)).toEqual({
      "service.name": "agents",
      "service.instance.id": id,
    });
  });

  it("of many events takes several requests", async () => {
    const id = await createSession();
    await ask(id, MANY_EVENTS);
    await exportDue(id);
    const requests = collector.bodies.filter(
      ({ url, body }) => url.endsWith("/v1/traces") && body.includes(id),
    );
    expect(requests.length).toBeGreaterThan(1);
    expect(named(collector.spans(id), "execute_tool")).toHaveLength(160);
    expect(named(collector.spans(id), "chat")).toHaveLength(9);
  });

  it("is repeated with the same spans after a collector was down, and holds nothing back", async () => {
    collector.answer = () => new Response(null, { status: 503, headers: { "Retry-After": "120" } });
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    const behind = await storedOf(id);
    expect(behind).toMatchObject({ seq: 0, attempts: 1 });
    expect(behind?.retryAt).toBeGreaterThan(Date.now() + 100_000);
    expect(logged("traces.behind", id)).toMatchObject([{ attempts: 1 }]);
    expect(await plannedAlarm(id)).toBe(behind?.retryAt);
    expect((await ask(id, "and more")).status).toBe("completed");
    collector.answer = () => undefined;
    await exportDue(id, 200_000);
    expect(collector.spans(id)).toHaveLength(4);
    expect(await storedOf(id)).toMatchObject({ attempts: 0, retryAt: null });
    expect(await alarmOf(objectOf(id))).toBeNull();
  });

  it("does not hold back an alarm whose collector is slow", async () => {
    collector.answer = () => new Promise(() => {});
    const id = await createSession();
    await ask(id, "hello");
    moveOn(10_000);
    await withoutPauses(() => runDurableObjectAlarm(objectOf(id)));
    expect(await storedOf(id)).toBeNull();
    expect((await ask(id, "and more")).status).toBe("completed");
    await lose(id);
  });

  it("drops what the collector refuses for good, and goes on", async () => {
    collector.answer = () => new Response("no", { status: 400 });
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    expect(logged("traces.rejected", id)).toMatchObject([
      { signal: "traces", items: "all", error: "the collector answered 400" },
      { signal: "metrics", items: "all" },
    ]);
    collector.answer = () => undefined;
    await ask(id, "and more");
    await exportDue(id);
    expect(collector.spans(id)).toHaveLength(2);
  });

  it("reports what the collector took only a part of", async () => {
    const partialSuccess = { rejectedSpans: "1", errorMessage: "too long" };
    collector.answer = ({ url }) =>
      url.endsWith("traces") ? Response.json({ partialSuccess }) : undefined;
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    expect(logged("traces.rejected", id)).toMatchObject([{ signal: "traces", items: 1 }]);
    expect(await storedOf(id)).toMatchObject({ attempts: 0 });
  });

  it("gives up what the collector has not taken for a day", async () => {
    collector.answer = () => Promise.reject(new TypeError("no connection"));
    const id = await createSession();
    await ask(id, "hello");
    await exportDue(id);
    await exportDue(id, 25 * HOUR_MS);
    expect(logged("traces.dropped", id)).toMatchObject([{ error: "too old" }]);
    expect(await alarmOf(objectOf(id))).toBeNull();
    collector.answer = () => undefined;
    await ask(id, "and more");
    await exportDue(id);
    expect(collector.spans(id)).toHaveLength(2);
  });

  it("keeps what is newer than that, whatever it has given up", async () => {
    collector.answer = () => new Response(null, { status: 503 });
    const id = await createSession();
    await ask(id, MANY_EVENTS);
    await exportDue(id);
    const old = (await eventsOf(id)).length;
    moveOn(25 * HOUR_MS);
    await ask(id, MANY_EVENTS);
    await exportDue(id, 400_000);
    const dropped = logged("traces.dropped", id).map(({ events }) => Number(events));
    const stored = await storedOf(id);
    expect(stored?.seq).toBe(dropped.reduce((all, events) => all + events, 0));
    expect(stored?.seq).toBeGreaterThan(0);
    expect(stored?.seq).toBeLessThanOrEqual(old);
    collector.answer = () => undefined;
    await exportDue(id, 400_000);
    const fresh = named(collector.spans(id), "execute_tool");
    expect(fresh.length).toBeGreaterThanOrEqual(160);
    expect(await storedOf(id)).toMatchObject({ attempts: 0, retryAt: null });
  });

  it("begins with the last day of a session that is older than the collector", async () => {
    tracing.collector = null;
    const id = await createSession();
    await ask(id, "old");
    moveOn(25 * HOUR_MS);
    await ask(id, "new");
    use(collector);
    await exportDue(id);
    expect(collector.spans(id)).toHaveLength(2);
  });

  it("contains the end of a session that is deleted", async () => {
    const id = await createSession();
    await ask(id, "hello");
    value(await sessionOf(id).remove(ALICE));
    await until(async () => (await tablesOf(objectOf(id))).length === 0);
    expect(treeOf(collector.spans(id)).map(([name]) => name)).toEqual([
      "chat claude-sonnet-5-5",
      "invoke_agent main",
      "session",
    ]);
  });

  it("does not prevent the deletion of a session for ever", async () => {
    collector.answer = () => new Response(null, { status: 503 });
    const id = await createSession();
    await ask(id, "hello");
    value(await sessionOf(id).remove(ALICE));
    expect((await tablesOf(objectOf(id))).length).toBeGreaterThan(0);
    expect(await rowOf(id)).toBeNull();
    for (let n = 0; n < 20; n++) await exportDue(id, 300_000).catch(() => {});
    expect(await tablesOf(objectOf(id))).toEqual([]);
    expect(logged("traces.dropped", id)).toMatchObject([{ error: "the session is erased" }]);
  });
});

/** Returns the name of what a span is a part of. */
const treeOfOne = (spans: readonly ReceivedSpan[], { parentSpanId }: ReceivedSpan) =>
  spans.find(({ spanId }) => spanId === parentSpanId)?.name;
