import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Sandbox } from "../../sandbox/sandbox";
import { toBase64 } from "../../shared/bytes";
import { createSession, objectOf } from "../../testing/sessions";
import { aFakeSandbox } from "../../testing/tool-context";
import { ProcessTable } from "../storage/claude-code";
import { SessionStore } from "../storage/store";
import { putBackTranscript, saveTranscript } from "./transcript";

const PATH = "/home/agent/t.jsonl";
const bytes = (text: string) => new TextEncoder().encode(text);

/** A sandbox with one file, from which a command reads the part that it names. */
function addFakeContainer(file: { content: string | null }): Sandbox {
  return aFakeSandbox({
    run: async ({ command }) => {
      const from = Number(/tail -c \+(\d+)/.exec(command)?.[1]);
      const size = Number(/head -c (\d+)/.exec(command)?.[1]);
      const content = file.content === null ? null : bytes(file.content);
      const piece = content?.subarray(from - 1, from - 1 + size);
      return {
        exitCode: piece ? 0 : 1,
        stdout: piece ? toBase64(piece) : "",
        stderr: "",
        ended: "exited",
        truncated: false,
      };
    },
  });
}

/** Saves several versions of a file in turn, and returns the stored transcript after each. */
async function kept(...contents: (string | null)[]): Promise<string[]> {
  const id = await createSession();
  return runInDurableObject(objectOf(id), async (_, { storage }) => {
    const store = new SessionStore(storage);
    const file = { content: null as string | null };
    const found: string[] = [];
    for (const content of contents) {
      file.content = content;
      await saveTranscript(PATH, addFakeContainer(file), store, (change) =>
        store.transaction(change),
      );
      found.push(new TextDecoder().decode(store.process.transcript()));
    }
    return found;
  });
}

/** Returns how many rows are read to save one more line after `pieces` pieces. */
async function rowsReadAfter(pieces: number): Promise<number> {
  const id = await createSession();
  return runInDurableObject(objectOf(id), async (_, { storage }) => {
    const { process: table } = new SessionStore(storage);
    storage.transactionSync(() => {
      for (let n = 0; n < pieces; n++) table.addTranscript(bytes("a line\n"));
    });
    let read = 0;
    const sql = {
      exec: (...query: Parameters<SqlStorage["exec"]>) => {
        const cursor = storage.sql.exec(...query);
        const rows = cursor.toArray();
        read += cursor.rowsRead;
        return Object.assign(rows, { toArray: () => rows });
      },
    };
    const counted = new ProcessTable(sql as never);
    expect(counted.transcriptSize()).toBe(pieces * 7);
    counted.addTranscript(bytes("another\n"));
    expect(counted.transcriptSize()).toBe(pieces * 7 + 8);
    return read;
  });
}

describe("a transcript", () => {
  it("costs the same to extend, whatever its length", async () => {
    expect(await rowsReadAfter(1_000)).toBe(await rowsReadAfter(10));
  });

  it("is stored in whole lines as it grows", async () => {
    expect(await kept(null, "", "a\n", "a\nb", "a\nbé\nc\n")).toEqual([
      "",
      "",
      "a\n",
      "a\n",
      "a\nbé\nc\n",
    ]);
  });

  it("is stored again from its start after its file was rewritten", async () => {
    expect(await kept("one\ntwo\n", "one\n", "other\nthing\nmore\n")).toEqual([
      "one\ntwo\n",
      "one\n",
      "other\nthing\nmore\n",
    ]);
  });

  it("is stored at any size, even if it is one line", async () => {
    const long = `${"é".repeat(700_000)}\n`;
    const lines = `${"x".repeat(1_000)}\n`.repeat(1_500);
    expect(await kept(long, long + lines)).toEqual([long, long + lines]);
  });

  it("is written to the file from which a new process reads it", async () => {
    const id = await createSession();
    const written = await runInDurableObject(objectOf(id), async (_, { storage }) => {
      const store = new SessionStore(storage);
      const files: [string, string][] = [];
      const sandbox = aFakeSandbox({
        writeFile: async (path, content) => {
          files.push([path, new TextDecoder().decode(content)]);
        },
      });
      await putBackTranscript("claude_0", sandbox, store);
      store.transaction(() => store.process.addTranscript(bytes("a\nb\nhalf a l")));
      await putBackTranscript("claude_1", sandbox, store);
      return files;
    });
    expect(written).toEqual([["/home/agent/start/claude_1/transcript.jsonl", "a\nb\n"]]);
  });
});
