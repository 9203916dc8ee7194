import { describe, expect, it } from "vitest";
import { decisionLine, interruptLine, promptLine, readLine } from "./protocol";

// Lines as Claude Code 2.1.330 wrote them, abbreviated.

const said = (line: object) => readLine(JSON.stringify(line));
const results = (content: unknown, more: object = {}) =>
  said({
    type: "user",
    message: { role: "user", content: [content] },
    parent_tool_use_id: null,
    ...more,
  });

describe("a line of the program", () => {
  it.each([
    [{ type: "system", subtype: "init", session_id: "x", tools: ["Task"] }],
    [{ type: "system", subtype: "status", status: "requesting" }],
    [{ type: "system", subtype: "per_turn_effort_changed", per_turn_effort_active: false }],
    [{ type: "system", subtype: "task_progress", task_id: "a", tool_use_id: "t" }],
    [{ type: "assistant", message: { id: "msg_1", content: [{ type: "text", text: "hi" }] } }],
    [{ type: "control_response", response: { subtype: "success", request_id: "r1" } }],
    [{ type: "command_lifecycle", command_uuid: "u", state: "queued" }],
    [{ type: "user", message: { role: "user", content: [{ type: "text", text: "a prompt" }] } }],
    [{ type: "user", message: { role: "user", content: "a prompt" } }],
    [{ type: "tomorrow", anything: 1 }],
    [[1, 2]],
  ])("of no interest means nothing (%j)", (line) => {
    expect(said(line)).toBeNull();
  });

  it("that is no JSON is noise, and an empty one is nothing", () => {
    expect(readLine("bash: claude: not found")).toEqual({
      type: "noise",
      text: "bash: claude: not found",
    });
    expect(readLine(" ")).toBeNull();
  });

  it("tells when a prompt is begun, and when it is done with", () => {
    const lifecycle = { type: "command_lifecycle", command_uuid: "u" };
    expect(said({ ...lifecycle, state: "started" })).toEqual({ type: "begun", uuid: "u" });
    expect(said({ ...lifecycle, state: "completed" })).toEqual({ type: "done", uuid: "u" });
  });

  it("tells of an agent, and by which call it was started", () => {
    const started = {
      task_id: "a34c",
      tool_use_id: "toolu_1",
      subagent_type: "writer",
      prompt: "do",
    };
    expect(said({ type: "system", subtype: "task_started", ...started })).toEqual({
      type: "agent",
      agentId: "a34c",
      toolUseId: "toolu_1",
      agentType: "writer",
      prompt: "do",
    });
  });

  it("tells of a result, of whatever kind its content is", () => {
    const block = { type: "tool_result", tool_use_id: "toolu_1" };
    const image = {
      type: "image",
      source: { type: "base64", media_type: "image/png", data: "AA" },
    };
    const result = (content: unknown, more: object = {}) => ({
      type: "results",
      results: [{ toolUseId: "toolu_1", result: { content, ...more } }],
    });
    expect(results({ ...block, content: "out" })).toEqual(result("out"));
    expect(results(block)).toEqual(result(""));
    expect(results({ ...block, content: "no", is_error: true })).toEqual(
      result("no", { isError: true }),
    );
    expect(results({ ...block, content: [{ type: "text", text: "a" }, image] })).toEqual(
      result([{ type: "text", text: "a" }, image]),
    );
    expect(results({ ...block, content: [{ type: "tool_reference" }] })).toEqual(
      result([{ type: "text", text: "[tool_reference]" }]),
    );
  });

  it("tells of a call that was not made", () => {
    const block = { type: "tool_result", tool_use_id: "t", content: "denied", is_error: true };
    const meta = [{ id: "t", non_execution_kind: "permission-rule" }];
    const refused = { results: [{ result: { refused: true } }] };
    expect(results(block, { tool_result_meta: meta })).toMatchObject(refused);
    const unknown = { ...block, content: "<tool_use_error>Error: No such tool</tool_use_error>" };
    expect(results(unknown)).toMatchObject(refused);
    const made = results(block, { tool_result_meta: [{ id: "t" }] });
    expect(made).not.toMatchObject(refused);
  });

  it("tells of the end, and of what failed", () => {
    const end = {
      type: "result",
      subtype: "success",
      is_error: false,
      result: "done",
      num_turns: 2,
    };
    expect(said(end)).toEqual({ type: "ended", failure: null });
    const failed = { ...end, is_error: true, result: "API Error: 402 no" };
    expect(said(failed)).toEqual({ type: "ended", failure: "API Error: 402 no" });
    const unreached = { ...failed, result: "refused", api_error: "connection_failed" };
    expect(said(unreached)).toEqual({ type: "ended", failure: "refused", unreached: true });
    const stopped = {
      type: "result",
      subtype: "error_during_execution",
      is_error: true,
      errors: ["x"],
    };
    expect(said(stopped)).toEqual({ type: "ended", failure: "x" });
  });

  it("asks the server of the caller's tools, and no other one", () => {
    const asks = (server_name: string, message: object) =>
      said({
        ...{ type: "control_request", request_id: "r" },
        request: { subtype: "mcp_message", server_name, message: { jsonrpc: "2.0", ...message } },
      });
    const params = { name: "lookup", arguments: {}, _meta: { "claudecode/toolUseId": "toolu_1" } };
    expect(asks("client", { id: 2, method: "tools/call", params })).toEqual({
      type: "server",
      request: { requestId: "r", id: 2, method: "tools/call", toolUseId: "toolu_1" },
    });
    expect(asks("client", { method: "notifications/initialized" })).toMatchObject({
      request: { method: "notifications/initialized" },
    });
    expect(asks("other", { id: 2, method: "tools/call", params })).toBeNull();
  });

  it("asks for leave to make a call", () => {
    const request = {
      subtype: "can_use_tool",
      tool_name: "Bash",
      input: {},
      tool_use_id: "toolu_1",
    };
    const line = JSON.stringify({ type: "control_request", request_id: "r", request });
    expect(readLine(line)).toEqual({ type: "ask", requestId: "r", toolUseId: "toolu_1" });
    const other = { subtype: "hook_callback", callback_id: "x" };
    expect(
      readLine(JSON.stringify({ type: "control_request", request_id: "r", request: other })),
    ).toBeNull();
  });

  it("tells of a summary", () => {
    const boundary = { type: "system", subtype: "compact_boundary" };
    expect(said({ ...boundary, compact_metadata: { pre_tokens: 8103 } })).toEqual({
      type: "compacted",
      tokensBefore: 8103,
    });
  });

  it("that is far too long tells whose result it is, and nothing else", () => {
    const content = "x".repeat(9 << 20);
    const line = JSON.stringify({
      type: "user",
      message: { content: [{ tool_use_id: "toolu_1", type: "tool_result", content }] },
    });
    expect(readLine(line)).toMatchObject({ results: [{ toolUseId: "toolu_1" }] });
    expect(JSON.stringify(readLine(line)).length).toBeLessThan(200);
    expect(readLine(`{"type":"assistant","text":"${content}"}`)).toBeNull();
  });
});

describe("a line to the program", () => {
  it("is a prompt that is no command of the program's own", () => {
    const contentOf = (prompt: Parameters<typeof promptLine>[1]) =>
      JSON.parse(promptLine("u", prompt)).message.content;
    expect(contentOf("say /hi")).toBe("say /hi");
    expect(contentOf("/clear")).toBe("\n/clear");
    expect(contentOf([{ type: "text", text: "/model x" }])).toEqual([
      { type: "text", text: "\n/model x" },
    ]);
    expect(JSON.parse(promptLine("u", "hi"))).toMatchObject({ type: "user", uuid: "u" });
  });

  it("allows a call with its input, or denies it with a reason", () => {
    expect(JSON.parse(decisionLine("r", { input: { command: "ls" } }))).toEqual({
      type: "control_response",
      response: {
        ...{ subtype: "success", request_id: "r" },
        response: { behavior: "allow", updatedInput: { command: "ls" } },
      },
    });
    expect(JSON.parse(decisionLine("r", { reason: "no" })).response.response).toEqual({
      ...{ behavior: "deny", message: "no" },
    });
  });

  it("stops it", () => {
    expect(JSON.parse(interruptLine("r"))).toEqual({
      type: "control_request",
      request_id: "r",
      request: { subtype: "interrupt" },
    });
  });
});
