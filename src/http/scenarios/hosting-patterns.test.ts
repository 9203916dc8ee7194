import { describe, expect, it } from "vitest";
import { aClient } from "../../testing/api-client";

/** The requests of the specification that the service implements, as it gives them. */
const client = aClient();
const model = "claude-3-5-sonnet-20241022";

describe("the examples of the hosting document", () => {
  it("an ephemeral session fixes a bug and completes", async () => {
    const session = await client.create({
      pattern: "ephemeral",
      config: {
        model,
        systemPrompt: "Fix the bug in the provided code",
        maxTurns: 10,
        allowedTools: ["Read", "Edit", "Bash", "Write"],
      },
      description: "Fix authentication bug in user service",
    });
    expect(session.config).toMatchObject({ model });
    await client.ask(session.id, {
      prompt: "Fix the authentication timeout bug in src/auth/user.ts",
      streaming: false,
    });
    expect((await client.get(`/api/sessions/${session.id}`)).body).toMatchObject({
      pattern: "ephemeral",
      status: "completed",
      totalCost: expect.any(Number),
      totalTokens: expect.any(Number),
      numTurns: 1,
      toolsUsed: [],
      usage: { byModel: { "claude-sonnet-5-5": expect.anything() } },
      description: "Fix authentication bug in user service",
      startedAt: expect.any(String),
      completedAt: expect.any(String),
      expiresBecause: "cleanup",
    });
  });

  it("a long-running session streams several messages", async () => {
    const { id } = await client.create({
      pattern: "long-running",
      config: {
        model,
        systemPrompt: "Monitor incoming emails and triage based on urgency",
        maxTurns: 1000,
        allowedTools: ["WebFetch", "Write", "Bash"],
      },
      maxLifetimeMs: 86400000,
      description: "Email triage agent",
    });
    for (const subject of ["Invoice", "Outage"]) {
      const response = await client.raw("POST", `/api/sessions/${id}/message`, {
        body: { prompt: `Triage this email: ${subject}`, streaming: true },
      });
      expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
      expect(await response.text()).toContain("event: message.completed");
    }
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({
      status: "active",
      numTurns: 2,
      maxLifetimeMs: 86400000,
    });
  });

  it("several agents play a game in one container", async () => {
    const player = (n: number) => ({
      systemPrompt: `You are player ${n} in a strategy game`,
      allowedTools: ["Read", "Write", "Bash"],
    });
    const config = {
      model,
      systemPrompt: "Coordinate multiple agents in simulation",
      maxTurns: 100,
      customAgents: { player1: player(1), player2: player(2) },
    };
    const description = "Multi-agent game simulation";
    const session = await client.create({ pattern: "single-container", config, description });
    expect(session.config).toEqual(config);
    const message = await client.ask(session.id, {
      prompt: "Start the game simulation with both players",
    });
    expect(message).toMatchObject({ status: "completed" });
  });

  it("a hybrid session goes idle, and another resumes it with its history and files", async () => {
    const hybrid = {
      pattern: "hybrid",
      conversationId: 123,
      config: {
        model,
        systemPrompt: "Help manage ongoing projects",
        maxTurns: 50,
        resumeSessionId: "sess_xyz123",
        allowedTools: ["Read", "Write", "TodoWrite", "WebSearch"],
      },
      maxIdleTimeMs: 1800000,
      description: "Project management assistant",
    };
    // No session has the id in the document.
    expect(await client.post("/api/sessions", hybrid)).toMatchObject({ status: 404 });
    const earlier = await client.create({ pattern: "hybrid", config: { model } });
    await client.ask(earlier.id, {
      prompt: '/Write {"file_path":"status.md","content":"half done"}',
    });
    const config = { ...hybrid.config, resumeSessionId: earlier.id };
    const session = await client.create({ ...hybrid, config });
    expect(session).toMatchObject({ sessionId: earlier.sessionId, config, numTurns: 0 });
    const prompt = "Update me on the status of the API refactor project";
    const update = await client.ask(session.id, {
      prompt: `${prompt}\n/Read {"file_path":"status.md"}`,
    });
    expect(update).toMatchObject({ status: "completed", numTurns: 2 });
    expect(update.result).toContain("half done");

    await client.patch(`/api/sessions/${session.id}`, { maxIdleTimeMs: 1 });
    await scheduler.wait(10);
    const { body } = await client.get(`/api/sessions/${session.id}`);
    expect(body).toMatchObject({ status: "idle", conversationId: 123 });
    const sessionData = body as typeof session;
    const resumed = await client.post("/api/sessions", {
      pattern: "hybrid",
      conversationId: sessionData.conversationId,
      config: { ...sessionData.config, resumeSessionId: sessionData.sessionId },
    });
    expect(resumed).toMatchObject({
      status: 201,
      body: { sessionId: earlier.sessionId, conversationId: 123, status: "active" },
    });
    const { id } = resumed.body as typeof session;
    const again = await client.ask(id, { prompt: '/Read {"file_path":"status.md"}' });
    expect(again.result).toContain("half done");
    const { messages } = (await client.get(`/api/sessions/${id}/messages`)).body as {
      messages: { prompt: string }[];
    };
    expect(messages).toHaveLength(3);
    expect(messages[1]?.prompt).toContain(prompt);
    // The sleeping session also accepts a message, which wakes it.
    expect(await client.ask(session.id, { prompt: "Hello" })).toMatchObject({
      status: "completed",
    });
  });

  it.each([
    { pattern: "ephemeral", maxIdleTimeMs: 300000, maxBudgetUsd: 0.5, maxTurns: 10 },
    {
      pattern: "long-running",
      maxLifetimeMs: 86400000,
      maxBudgetUsd: 10.0,
      maxIdleTimeMs: 3600000,
    },
    {
      pattern: "hybrid",
      conversationId: 123,
      maxIdleTimeMs: 1800000,
      maxBudgetUsd: 2.0,
      config: { continueSession: false },
    },
    { pattern: "single-container", config: { maxTurns: 100 } },
  ])("the configuration of the $pattern pattern is in force", async (body) => {
    const created = await client.post("/api/sessions", body);
    expect(created).toMatchObject({ status: 201, body });
  });

  it("limits that are absent have the document's defaults", async () => {
    expect((await client.post("/api/sessions", { pattern: "hybrid" })).body).toMatchObject({
      maxIdleTimeMs: 1800000,
      maxLifetimeMs: 86400000,
      maxBudgetUsd: 5.0,
      maxTurns: null,
    });
  });

  it("tags, a description and a user are stored, and lists filter by them", async () => {
    const user = `user_${crypto.randomUUID()}`;
    const tags = ["production", "bug-fix", "urgent", "user-requested"];
    const description = "Fix authentication timeout in production";
    const { id } = await client.create({ tags, description, userId: user });
    for (const query of [
      `userId=${user}`,
      `userId=${user}&tags=bug-fix,urgent`,
      `userId=${user}&status=active&page=1&pageSize=20`,
      `userId=${user}&pattern=long-running&status=active`,
    ]) {
      const list = await client.get(`/api/sessions?${query}`);
      expect(list.body).toMatchObject({ sessions: [{ id, tags, description }], total: 1 });
    }
  });

  it("a session is terminated by a request, with its reason", async () => {
    const { id } = await client.create();
    await client.post(`/api/sessions/${id}/terminate`, { reason: "user_requested" });
    expect((await client.get(`/api/sessions/${id}`)).body).toMatchObject({
      status: "terminated",
      terminationReason: "user_requested",
    });
    const refused = await client.post(`/api/sessions/${id}/message`, { prompt: "Process task" });
    expect(refused).toMatchObject({ status: 409, body: { error: { reason: "session_ended" } } });
  });

  it("the statistics have the document's shape", async () => {
    await client.create({ pattern: "ephemeral" });
    const { body } = await client.get("/api/sessions/stats/summary");
    const ofPattern = {
      count: expect.any(Number),
      avgCost: expect.any(Number),
      avgTokens: expect.any(Number),
      avgDuration: expect.any(Number),
    };
    expect(body).toMatchObject({
      totalSessions: expect.any(Number),
      activeSessions: expect.any(Number),
      completedSessions: expect.any(Number),
      errorSessions: expect.any(Number),
      totalCost: expect.any(Number),
      totalTokens: expect.any(Number),
      avgSessionDuration: expect.any(Number),
      byPattern: { ephemeral: ofPattern, hybrid: ofPattern },
    });
  });
});
