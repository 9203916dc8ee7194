import { describe, expect, it } from "vitest";
import type { SessionRow } from "../db/schema";
import type { MessageRow } from "../session/rpc";
import { messageView, sessionView } from "./views";

const at = Date.UTC(2026, 0, 15, 10);
const usage = {
  inputTokens: 1,
  outputTokens: 2,
  cacheReadTokens: 30,
  cacheWriteTokens: 400,
  webSearchRequests: 5,
};

const aSession = (overrides: Partial<SessionRow> = {}): SessionRow => ({
  id: "sess_1",
  version: 3,
  owner: "alice",
  sessionId: "sdk_sess_1",
  pattern: "hybrid",
  status: "active",
  terminationReason: null,
  error: null,
  conversationId: 42,
  config: { model: "m" },
  createdAt: at,
  startedAt: at + 5_000,
  lastActivityAt: at + 6_000,
  completedAt: null,
  terminatedAt: null,
  updatedAt: at + 6_000,
  expiresAt: null,
  expiresBecause: null,
  retentionDays: null,
  durationMs: null,
  totalCostNanos: 350_000_000,
  totalTokens: 18_500,
  numMessages: 2,
  numTurns: 3,
  toolsUsed: ["Read"],
  usage: {},
  usageDays: {},
  maxIdleTimeMs: null,
  maxLifetimeMs: 86_400_000,
  maxBudgetNanos: 500_000_000,
  maxTurns: 10,
  onLimit: "terminate",
  pausedBecause: null,
  pendingApprovals: 0,
  pendingToolRequests: 0,
  sandbox: { provider: "embedded", id: "sess_1", state: "ready" },
  tags: ["bug-fix"],
  description: null,
  userId: null,
  ...overrides,
});

const aMessage = (overrides: Partial<MessageRow> = {}): MessageRow => ({
  id: "msg_1",
  sessionId: "sess_1",
  position: 1,
  prompt: "hi",
  agent: null,
  status: "queued",
  waitingFor: null,
  joinedMessageId: null,
  stopReason: null,
  limit: null,
  result: null,
  output: null,
  error: null,
  costNanos: 1_500_000,
  usage,
  numTurns: 0,
  toolsUsed: [],
  createdAt: at,
  startedAt: null,
  endedAt: null,
  ...overrides,
});

describe("sessionView", () => {
  it("shows instants as ISO 8601, money as dollars, and null for what has not happened", () => {
    expect(sessionView(aSession())).toMatchObject({
      createdAt: "2026-01-15T10:00:00.000Z",
      startedAt: "2026-01-15T10:00:05.000Z",
      completedAt: null,
      expiresAt: null,
      totalCost: 0.35,
      maxBudgetUsd: 0.5,
      maxIdleTimeMs: null,
    });
    expect(sessionView(aSession({ maxBudgetNanos: null })).maxBudgetUsd).toBeNull();
  });

  it("has the fields of the contract and no others", () => {
    const fields =
      "id sessionId pattern status terminationReason error conversationId config createdAt startedAt " +
      "lastActivityAt completedAt terminatedAt updatedAt expiresAt expiresBecause totalCost " +
      "totalTokens numMessages numTurns toolsUsed usage maxIdleTimeMs maxLifetimeMs maxBudgetUsd maxTurns onLimit " +
      "pausedBecause pendingApprovals pendingToolRequests sandbox tags description userId";
    expect(Object.keys(sessionView(aSession()))).toEqual(fields.split(" "));
  });

  it("never shows the values of env", () => {
    const config = { model: "m", env: { TOKEN: "secret" }, forkSession: true };
    expect(sessionView(aSession({ config })).config).toEqual({ model: "m" });
  });

  it("sums usage over the models that ran", () => {
    const one = { ...usage, costNanos: 1_000_000_000 };
    const { usage: shown } = sessionView(aSession({ usage: { a: one, b: one } }));
    expect(shown).toEqual({
      inputTokens: 2,
      outputTokens: 4,
      cacheReadTokens: 60,
      cacheWriteTokens: 800,
      webSearchRequests: 10,
      byModel: { a: { ...usage, cost: 1 }, b: { ...usage, cost: 1 } },
    });
  });
});

describe("messageView", () => {
  it("is flat", () => {
    const fields =
      "messageId sessionId prompt agent status waitingFor joinedMessageId stopReason limit result output error cost tokens usage " +
      "numTurns toolsUsed durationMs createdAt startedAt endedAt";
    expect(Object.keys(messageView(aMessage()))).toEqual(fields.split(" "));
  });

  it("counts every token, and the time from a message's start to its end", () => {
    const running = messageView(aMessage({ startedAt: at + 10 }));
    expect(running).toMatchObject({ tokens: 433, cost: 0.0015, durationMs: null });
    const ended = messageView(aMessage({ startedAt: at + 10, endedAt: at + 30 }));
    expect(ended.durationMs).toBe(20);
  });
});
