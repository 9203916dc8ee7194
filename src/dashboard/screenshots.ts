// Draws the screenshots of the docs: starts a server, fills it with examples, and opens pages in a browser.

import { mkdir } from "node:fs/promises";
import { newState, start, stopAll } from "../bench/servers.ts";
import { Rigger } from "../client/rigger.ts";
import { openBrowser } from "../testing/browser.ts";

const images = new URL("../../docs/images/", import.meta.url).pathname;
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const vars = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };
const server = await start({ config: "wrangler.toml", state: await newState(), vars });
const rigger = new Rigger({ url: server.url });

const tool = (name: string, input: object) => `/${name} ${JSON.stringify(input)}`;

const keeper = await rigger.create({
  ...{ pattern: "hybrid", description: "Changelog keeper", userId: "ann" },
  ...{ tags: ["changelog", "docs"], maxBudgetUsd: 0.5, maxTurns: 40 },
});
await keeper
  .send(
    [
      "Start the changelog, and show me what is in it.",
      "/say I write the file first.",
      tool("Write", { file_path: "CHANGES.md", content: "# Changes\n\n- The first release\n" }),
      "/fail 529",
      tool("Bash", { command: "ls -l && cat CHANGES.md" }),
      "/say The changelog is in CHANGES.md and has one entry:\n```\n- The first release\n```\nTell me what else has changed.",
    ].join("\n"),
  )
  .message();

const asking = await rigger.create({
  ...{ pattern: "hybrid", description: "Release assistant", userId: "ben", tags: ["release"] },
  config: { askTools: ["Bash(git push *)"] },
});
const wait = asking.send(
  `Push the release.\n${tool("Bash", { command: "git push origin v2.0" })}\nIt is pushed.`,
);
for await (const event of wait) if (event.type === "message.waiting") break;

const players = await rigger.create({
  ...{ pattern: "single-container", description: "Two players", tags: ["game"] },
  config: { customAgents: { white: {}, black: {} } },
});
const task = (agent: string, prompt: string) => tool("Task", { subagent_type: agent, prompt });
const white = task(
  "white",
  `Open.\n${tool("Bash", { command: "echo 1. e4 >> game.txt" })}\n/say I open with e4.`,
);
const black = task(
  "black",
  `Answer.\n${tool("Bash", { command: "sleep 0.2; cat game.txt" })}\n/say I answer with e5.`,
);
await players.send(`Play.\n${white} & ${black}\n/say The game is on: 1. e4 e5.`).message();

const paused = await rigger.create({
  ...{ pattern: "hybrid", description: "Nightly report", maxTurns: 1, onLimit: "pause" },
});
for await (const event of paused.send(`${tool("Bash", { command: "date" })}\nDone.`)) {
  if (event.type === "message.waiting") break;
}
const question = await rigger.create({
  pattern: "ephemeral",
  description: "One question",
  userId: "ann",
});
await question.send("/say Emma is a novel by Jane Austen.").message();
const failed = await rigger.create({ pattern: "long-running", description: "Import of orders" });
await failed.send("/fail 400").message();

const reporter = await rigger.create({
  ...{ pattern: "hybrid", description: "Weekly report", tags: ["report"] },
  config: { artifacts: ["dist/**"] },
});
await reporter.files.write("data/orders.csv", "id,status\n4711,sent\n");
await reporter.files.write("data/customers.csv", "id,name\n1,Ann\n2,Ben\n");
await reporter.files.write("README.md", "# Report\n\nRun report.py each Monday.\n");
await reporter.files.write("report.py", "import csv\n\nprint('report')\n");
await reporter
  .send(
    [
      "Write the report of this week.",
      tool("Write", { file_path: "dist/report.md", content: "# Week 48\n\nOne order was sent.\n" }),
      tool("Write", { file_path: "dist/orders.csv", content: "id,status\n4711,sent\n" }),
      "/say The report is in dist.",
    ].join("\n"),
  )
  .message();

const SHOTS = [
  { name: "sessions", path: "/", viewport: DESKTOP },
  { name: "session", path: `/#/sessions/${keeper.id}`, viewport: { ...DESKTOP, height: 900 } },
  {
    name: "session-dark",
    path: `/#/sessions/${keeper.id}`,
    viewport: DESKTOP,
    colorScheme: "dark",
  },
  { name: "agents", path: `/#/sessions/${players.id}`, viewport: DESKTOP },
  {
    name: "files",
    path: `/#/sessions/${reporter.id}?tab=files`,
    viewport: { ...DESKTOP, height: 700 },
  },
  { name: "approval", path: `/#/sessions/${asking.id}`, viewport: PHONE },
  { name: "overview", path: "/#/overview", viewport: { ...DESKTOP, height: 1100 } },
  { name: "new-session", path: "/#/new", viewport: { ...DESKTOP, height: 1100 } },
] as const;

await mkdir(images, { recursive: true });
const browser = await openBrowser();
for (const { name, path, ...options } of SHOTS) {
  const context = await browser.newContext({ ...options, timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(server.url + path);
  await page.waitForLoadState("networkidle").catch(() => {});
  await page.waitForTimeout(1_500);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${images}${name}.png` });
  await context.close();
}
await browser.close();
await stopAll();
process.exit(0);
