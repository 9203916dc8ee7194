import { afterEach, expect, it, vi } from "vitest";
import type { Block } from "../../agent/messages";
import type { ModelCall, ModelReply } from "../../agent/model/model";
import { ask, createSession, eventsOf } from "../../testing/sessions";
import { model } from "../deployment";

// Two players fill the cells of a board, which is a file, each as fast as it can. At the end, the board must contain
// every write that succeeded.

const CELLS = 24;
const BOARD = "/workspace/board.txt";
const EMPTY = Array.from({ length: CELLS }, (_, n) => `cell ${n}: -\n`).join("");
const SIGNS: Record<string, string> = { player1: "X", player2: "O" };

let calls = 0;
const use = (name: string, input: object): Block => ({
  type: "tool_use",
  id: `toolu_${++calls}`,
  name,
  input,
});
const text = (text: string): Block => ({ type: "text", text });

/** Returns the newest tool result of a conversation; undefined before the first. */
function lastResult({ messages }: ModelCall): { content: string; refused: boolean } | undefined {
  const block = messages.at(-1)?.content.findLast(({ type }) => type === "tool_result");
  if (block?.type !== "tool_result") return undefined;
  const { content } = block;
  const shown = typeof content === "string" ? content : JSON.stringify(content);
  return { content: shown, refused: block.is_error === true };
}

/** A player reads the board, claims a cell that was free, and reads again. */
function play(call: ModelCall, sign: string): Block {
  const result = lastResult(call);
  const board = result?.content.match(/cell \d+: [-XO]/g);
  if (!board || result?.refused || board.length < CELLS) return use("Read", { file_path: BOARD });
  const free = board.filter((cell) => cell.endsWith("-"));
  const cell = free[Math.floor(Math.random() * free.length)];
  if (cell === undefined) return text("the board is full");
  const claimed = cell.replace("-", sign);
  // One player edits a part of the file. The other writes the whole file, which could undo the other's moves.
  if (sign === "X") {
    return use("Edit", { file_path: BOARD, old_string: `${cell}\n`, new_string: `${claimed}\n` });
  }
  const content = `${board.map((one) => (one === cell ? claimed : one)).join("\n")}\n`;
  return use("Write", { file_path: BOARD, content });
}

function answer(call: ModelCall): Block[] {
  const player = /You are the agent "(player\d)"/.exec(call.system)?.[1];
  if (player) return [play(call, SIGNS[player] ?? "?")];
  if (lastResult(call)) return [text("over")];
  return Object.keys(SIGNS).map((type) => use("Task", { subagent_type: type, prompt: "play" }));
}

function startPlaying(): void {
  if (!model) throw new Error("tests have a model");
  vi.spyOn(model, "call").mockImplementation(async (call): Promise<ModelReply> => {
    await scheduler.wait(Math.random() * 10);
    const content = answer(call);
    const stopReason = content.some(({ type }) => type === "tool_use") ? "tool_use" : "end_turn";
    return { ok: true, content, stopReason, usage: { start: null, delta: null } };
  });
}

afterEach(() => vi.restoreAllMocks());

it("two players that write to one board concurrently finish the game, and no move is lost", async () => {
  const customAgents = { player1: {}, player2: {} };
  const id = await createSession({ pattern: "single-container", config: { customAgents } });
  const setUp = JSON.stringify({ file_path: BOARD, content: EMPTY });
  await ask(id, `/Write ${setUp}\nset up`);

  startPlaying();
  expect(await ask(id, "play")).toMatchObject({ status: "completed", result: "over" });
  vi.restoreAllMocks();

  const board = (await ask(id, `/Bash {"command":"cat ${BOARD}"}`)).result ?? "";
  const cells = board.match(/cell \d+: [XO]/g) ?? [];
  expect(cells).toHaveLength(CELLS);
  const moves = (await eventsOf(id)).flatMap((event) =>
    event.type === "tool.completed" && event.agent && event.name !== "Read" && !event.isError
      ? [event.agent]
      : [],
  );
  for (const [player, sign] of Object.entries(SIGNS)) {
    const told = moves.filter((agent) => agent === player).length;
    expect(cells.filter((cell) => cell.endsWith(sign))).toHaveLength(told);
  }
}, 20_000);
