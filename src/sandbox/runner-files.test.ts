import { describe, expect, it } from "vitest";
import { contentOf } from "./files";
import { createRunnerClient, type RunnerEvent, type RunnerLink } from "./runner-client";
import { runnerFiles } from "./runner-files";

const MIB = 1024 ** 2;

/** Returns the files behind a runner that answers with these frames, and writes files as `write` does. */
function filesOf(
  answer: (ask: Record<string, unknown>) => object[],
  write: RunnerLink["write"] = async () => {},
) {
  const link: RunnerLink = {
    async start(_, env): Promise<AsyncIterable<RunnerEvent>> {
      const frames = answer(JSON.parse(env.RIGGER_ASK ?? "{}"));
      const data = frames.map((frame) => `${JSON.stringify(frame)}\n`).join("");
      return (async function* () {
        yield { type: "stdout", data };
        yield { type: "complete", exitCode: 0 };
      })();
    },
    write,
  };
  return runnerFiles(createRunnerClient(link, undefined), "/workspace");
}

/** Returns a stream of so many MiB, and how many it has been asked for. */
function counted(size: number) {
  const count = { pulled: 0 };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(MIB));
      count.pulled += 1;
      if (count.pulled === size) controller.close();
    },
  });
  return { stream, count };
}

describe("the files behind a runner", () => {
  it("say that it is of an earlier version, if it is", async () => {
    const files = filesOf(() => [{ answer: null }]);
    const old = { transient: false, message: expect.stringContaining("an earlier version") };
    await expect(files.list("", { recursive: false, after: "", limit: 1 })).rejects.toMatchObject(
      old,
    );
    await expect(files.read("a", { from: 0, length: 1 })).rejects.toMatchObject(old);
    await expect(files.put("a", counted(1).stream, {})).rejects.toMatchObject(old);
  });

  it("are uploaded no faster than the container takes them", async () => {
    const uploads: (() => void)[] = [];
    let asked: Record<string, unknown> = {};
    const files = filesOf(
      (ask) => {
        asked = ask;
        return [{ answer: { etag: '"x"', size: 1, created: true } }];
      },
      async (_, content) => {
        await new Response(content).arrayBuffer();
        await new Promise<void>((resolve) => uploads.push(resolve));
      },
    );
    const { stream, count } = counted(64);
    const put = files.put("a", stream, {});
    for (let n = 1; n <= 16; n++) {
      while (uploads.length < n) await scheduler.wait(1);
      // Two pieces of 4 MiB are in memory at most, and what the stream has ready.
      expect(count.pulled).toBeLessThanOrEqual(Math.min(64, 4 * (n + 1) + 2));
      uploads[n - 1]?.();
    }
    await put;
    expect(asked).toMatchObject({ do: "put", path: "a", content: { files: { length: 16 } } });
  });

  it("are downloaded no faster than they are read", async () => {
    let pieces = 0;
    const base64 = btoa("x".repeat(96 * 1024));
    const stat = { path: "a", type: "file", size: 64 * MIB, mode: 0, mtimeMs: 0, etag: '"x"' };
    const files = filesOf((ask) => {
      pieces += 1;
      const frames = Math.ceil(Number(ask.length) / (96 * 1024));
      return [...Array.from({ length: frames }, () => ({ base64 })), { answer: stat }];
    });
    const body = contentOf(files, "a", { stat: stat as never, from: 0, end: 64 * MIB });
    const reader = body.getReader();
    for (let n = 1; n <= 4; n++) await reader.read();
    await scheduler.wait(20);
    expect(pieces).toBeLessThanOrEqual(6);
    await reader.cancel();
  });

  it("that are replaced while they are read break off", async () => {
    let n = 0;
    const files = filesOf(() => {
      n += 1;
      const id = `1:${n > 1 ? 2 : 1}`;
      const etag = `"${n}"`;
      const stat = { path: "a", type: "file", size: 8 * MIB, mode: 0, mtimeMs: n, etag, id };
      return [{ base64: btoa("x".repeat(96 * 1024)) }, { answer: stat }];
    });
    const first = await files.read("a", { from: 0, length: MIB });
    if ("problem" in first) throw new Error(first.message);
    const { stat, bytes } = first;
    const body = contentOf(files, "a", { stat, from: 0, end: stat.size, first: bytes });
    await expect(new Response(body).arrayBuffer()).rejects.toThrow();
  });
});
