import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { hasBrowser, openBrowser } from "../testing/browser.ts";
import { type CuttingProxy, startCuttingProxy } from "../testing/cutting-proxy.ts";
import { Rigger } from "./rigger.ts";

const serverUrl = inject("serverUrl");
const bundle = new URL("../../dist/client/rigger.js", import.meta.url);
const PROMPT = 'Look.\n/Bash {"command":"echo hi"}\n/tokens 60\ndone';

let proxy: CuttingProxy;
beforeAll(async () => {
  proxy = await startCuttingProxy(serverUrl);
});
afterAll(() => proxy.close());

/**
 * Sends a prompt and returns what a reply brought. It is written so that it can run in a page: it uses only what it is
 * given.
 */
async function ask(client: typeof Rigger, url: string, prompt: string) {
  const session = await new client({ url, retryMs: 1 }).create({ pattern: "long-running" });
  const seqs: number[] = [];
  let text = "";
  let end = "";
  for await (const event of session.send(prompt)) {
    if ("seq" in event) seqs.push(event.seq);
    if (event.type === "assistant.delta") text += event.text;
    if (event.type === "message.completed") end = event.result ?? "";
  }
  return { seqs, isWhole: text === end && end !== "" };
}

const whole = (seqs: number[]) => ({
  seqs: seqs.map((_, at) => at + (seqs[0] ?? 0)),
  isWhole: true,
});

/** Requires that a reply is whole wherever its connection is cut. */
async function survives(run: (url: string) => ReturnType<typeof ask>): Promise<void> {
  for (let cut = 0; ; cut++) {
    proxy.streams = 0;
    proxy.cuts = (stream) => (stream === 0 ? cut : undefined);
    const reply = await run(proxy.url);
    expect(reply).toEqual(whole(reply.seqs));
    if (proxy.streams === 1) {
      // The cut would have been behind the last event.
      expect(cut).toBeGreaterThan(10);
      return;
    }
  }
}

describe("the client", () => {
  it("survives a cut at every event in Node", async () => {
    await survives((url) => ask(Rigger, url, PROMPT));
  });

  it.runIf(hasBrowser)("survives a cut at every event in a browser", async () => {
    const browser = await openBrowser();
    const page = await browser.newPage({ bypassCSP: true });
    await page.goto(`${proxy.url}/openapi.json`);
    const source = await readFile(bundle, "utf8");
    const code = Buffer.from(source).toString("base64");
    // As text: the compiler of the tests would change the import.
    const run = (url: string) => `import("data:text/javascript;base64,${code}")
      .then(({ Rigger }) => (${ask})(Rigger, ${JSON.stringify(url)}, ${JSON.stringify(PROMPT)}))`;
    await survives((url) => page.evaluate(run(url)));
    await browser.close();
  });

  it("is published as one module without imports, of less than 10 KB", async () => {
    const source = await readFile(bundle);
    expect(source.toString()).not.toMatch(/\bimport\b\s*[{*"']|\brequire\(/);
    expect(gzipSync(source, { level: 9 }).byteLength).toBeLessThan(10_000);
  });

  it("runs the README's example", async () => {
    const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
    const [, example = ""] = /```js\n(import \{ Rigger \}.*?)```/s.exec(readme) ?? [];
    expect(example.trim().split("\n").length).toBeLessThanOrEqual(10);
    const local = example.replaceAll("http://localhost:3333", serverUrl);
    const program = ["--input-type=module", "--eval", local];
    const { stdout } = await promisify(execFile)(process.execPath, program, {
      cwd: new URL("../../", import.meta.url),
    });
    expect(stdout).toContain("hello from the sandbox");
  });
});
