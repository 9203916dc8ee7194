import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Json, note, openTrial, type Trial, until } from "./client.ts";
import { containers, docker, startedSince } from "./docker.ts";

// Trials of the files of sessions in containers.

const MEGABYTE = 2 ** 20;
const LARGE_BYTES = 1024 * MEGABYTE;
/** How much memory in megabytes a large file may take in the Worker's process, and all programs in the container. */
const MAX_MEGABYTES = 500;

/** Checks what is done with files. Returns the number of rules that did not hold. */
export async function tryFiles(): Promise<number> {
  const trial = await openTrial({ OFFLINE_MODEL: "true" });
  await tryStates(trial);
  await tryLarge(trial);
  return trial.broken();
}

async function tryStates({ rule, create, call, bash, url }: Trial): Promise<void> {
  await rule(
    "files are the same while a session runs, while it sleeps and after its end",
    async () => {
      const id = await create({ pattern: "hybrid", maxIdleTimeMs: 15_000 });
      await bash(
        id,
        "mkdir -p d/e && seq 100000 > d/numbers && ln -s numbers d/link && touch 'ü 1'",
      );
      const sandbox = async () => ((await call("GET", `/sessions/${id}`)).sandbox as Json).state;
      const look = async () => {
        const { entries } = await call("GET", `/sessions/${id}/files?recursive=true`);
        const get = (headers: Record<string, string>) =>
          fetch(`${url()}/api/sessions/${id}/files/d/numbers`, { headers });
        const end = await get({ range: "bytes=-7" });
        const etag = end.headers.get("etag") ?? "";
        const middle = await get({ range: "bytes=8-11", "if-range": etag });
        const known = await get({ "if-none-match": etag });
        const answers = [end, middle, known].map(({ status }) => status);
        const through = await fetch(`${url()}/api/sessions/${id}/files/d/link`);
        const sum = createHash("sha256")
          .update(await through.text())
          .digest("hex");
        return { entries, answers, etag, end: await end.text(), middle: await middle.text(), sum };
      };
      assert.equal(await sandbox(), "ready");
      const running = await look();
      assert.deepEqual(
        (running.entries as Json[]).map(({ path, type, size }) => [path, type, size]),
        [
          ["d", "directory", 0],
          ["d/e", "directory", 0],
          ["d/link", "symlink", 7],
          ["d/numbers", "file", 588_895],
          ["ü 1", "file", 0],
        ],
      );
      assert.deepEqual(running.answers, [206, 206, 304]);
      assert.deepEqual([running.end, running.middle], ["100000\n", "5\n6\n"]);
      await until(async () => (await sandbox()) === "suspended");
      assert.deepEqual(await look(), running);
      assert.equal(await sandbox(), "suspended");
      await call("POST", `/sessions/${id}/terminate`);
      assert.equal((await call("GET", `/sessions/${id}`)).status, "terminated");
      assert.deepEqual(await look(), running);
      await call("DELETE", `/sessions/${id}`);
    },
  );
}

async function tryLarge({ rule, create, call, bash, url, megabytes }: Trial): Promise<void> {
  await rule("a file of 1 GB goes up and down in bounded memory", async () => {
    const started = startedSince(containers);
    const id = await create({ pattern: "long-running" });
    await bash(id, "true");
    const [container = ""] = started();
    const address = `${url()}/api/sessions/${id}/files/large`;
    const before = megabytes();
    const peak = { worker: 0, inside: 0 };
    const timer = setInterval(() => {
      peak.worker = Math.max(peak.worker, megabytes() - before);
      peak.inside = Math.max(peak.inside, megabytesIn(container));
    }, 1_000);
    const block = randomBytes(MEGABYTE);
    const sum = createHash("sha256");
    const content = Readable.from(blocks());
    function* blocks() {
      for (let n = 0; n < LARGE_BYTES / MEGABYTE; n++) {
        block.writeUInt32BE(n);
        sum.update(block);
        yield Buffer.from(block);
      }
    }
    const began = Date.now();
    assert.equal(await upload(address, content), 201);
    const upMs = Date.now() - began;
    const hash = sum.digest("hex");
    assert.match(await bash(id, "sha256sum large"), new RegExp(hash));
    const downBegan = Date.now();
    const received = createHash("sha256");
    const { body, headers } = await fetch(address);
    assert.equal(headers.get("content-length"), String(LARGE_BYTES));
    for await (const piece of body ?? []) received.update(piece);
    const downMs = Date.now() - downBegan;
    clearInterval(timer);
    assert.equal(received.digest("hex"), hash);
    const rate = (ms: number) => Math.round(LARGE_BYTES / 1_000 / ms);
    note(`up ${rate(upMs)} MB/s, down ${rate(downMs)} MB/s`);
    note(
      `at most ${rounded(peak.worker)} MB more in the Worker, ${rounded(peak.inside)} MB inside`,
    );
    assert(peak.worker < MAX_MEGABYTES && peak.inside < MAX_MEGABYTES);
    await call("DELETE", `/sessions/${id}`);
  });
}

const rounded = (megabytes: number) => Math.round(megabytes);

/** Returns the memory in megabytes of all programs in a container. */
function megabytesIn(container: string): number {
  const { said } = docker("top", container, "-eo", "pid,rss");
  const kilobytes = [...said.matchAll(/^\d+\s+(\d+)/gm)].map(([, rss]) => Number(rss));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1_024;
}

/** Uploads a file of a known size. Returns the status of the answer. */
async function upload(address: string, content: Readable): Promise<number | undefined> {
  const headers = { "content-length": LARGE_BYTES };
  const sent = request(address, { method: "PUT", headers });
  const answered = once(sent, "response") as Promise<[IncomingMessage]>;
  await pipeline(content, sent);
  const [answer] = await answered;
  answer.resume();
  return answer.statusCode;
}
