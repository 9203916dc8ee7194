import type { Browser, Page } from "playwright-core";
import { Rigger, type SessionHandle } from "../client/rigger.ts";
import { openBrowser } from "../testing/browser.ts";
import { sampleOf } from "./measure.ts";
import { newState, start, stop } from "./servers.ts";
import { type Aim, printTable, row } from "./table.ts";

const SESSIONS = 1_000;
/** How many calls a message makes, each of which is six events. */
const CALLS = 100;
/** A page of the list that is loaded at once. */
const LISTED = 100;

/** The reader waits a second more at most than it takes to fetch the data. */
const SOON: Aim = { more: 1_000 };

/** What a browser did until a page was ready. */
interface Visit {
  readyMs: number;
  firstPaintMs: number;
  requests: number;
  kilobytes: number;
}

/**
 * Compares the pages of the dashboard, in a browser, with the same data fetched by a page that shows nothing. Returns the
 * number of missed aims.
 */
export async function withPage({
  events,
  each,
  progress,
}: {
  /** The number of events of the long session. */
  events: number;
  /** How often each page is opened. */
  each: number;
  progress: (what: string) => void;
}): Promise<number> {
  progress("starting");
  const vars = { ALLOW_ANONYMOUS: "true", OFFLINE_MODEL: "true" };
  const server = await start({ config: "wrangler.toml", state: await newState(), vars });
  const rigger = new Rigger({ url: server.url });
  progress(`${events} events`);
  const session = await rigger.create({ pattern: "long-running", maxBudgetUsd: 10_000 });
  await fill(session, events);
  progress(`${SESSIONS} sessions`);
  await makeSessions(rigger);
  const browser = await openBrowser();
  const visits = async (path: string, ready: (page: Page) => Promise<unknown>) => {
    progress(path);
    const all: Visit[] = [];
    for (let n = 0; n < each; n++) all.push(await visit(browser, server.url + path, ready));
    return (field: keyof Visit) => sampleOf(all.map((one) => one[field]));
  };
  const fetchAll = (path: string) => (page: Page) => page.evaluate(fetchPages, path);
  const none = await visits("/icon.svg", async () => {});
  const list = await visits("/", (page) =>
    page
      .locator("tbody tr")
      .nth(LISTED - 1)
      .waitFor(),
  );
  const listData = await visits("/icon.svg", fetchAll(`/api/sessions?pageSize=${LISTED}`));
  const log = `/api/sessions/${session.id}/events`;
  const past = await visits(`/#/sessions/${session.id}`, async (page) => {
    await page.locator(".message-end").last().waitFor();
    await page.getByText(/^Loading/).waitFor({ state: "hidden" });
  });
  const pastData = await visits("/icon.svg", fetchAll(log));
  await browser.close();
  await stop(server);
  const rows = [
    row("first paint", "ms", { base: none("firstPaintMs"), rigger: list("firstPaintMs") }),
    row("requests", "", { base: none("requests"), rigger: list("requests") }),
    row("received", "KB", { base: none("kilobytes"), rigger: list("kilobytes") }),
    row(`${LISTED} of ${SESSIONS} sessions`, "ms", {
      base: listData("readyMs"),
      rigger: list("readyMs"),
    }),
    row(`${events} events`, "ms", { base: pastData("readyMs"), rigger: past("readyMs") }, SOON),
  ];
  return printTable("The dashboard in a browser", { base: "data only", rigger: "shown" }, rows);
}

/** Makes a session have so many events. */
async function fill(session: SessionHandle, events: number): Promise<void> {
  const prompt = Array.from({ length: CALLS }, (_, n) => `/Bash {"command":"echo ${n}"}`).join(
    "\n",
  );
  for (let last = 0; last < events; ) {
    for await (const event of session.send(prompt)) if ("seq" in event) last = event.seq;
  }
}

async function makeSessions(rigger: Rigger): Promise<void> {
  for (let n = 0; n < SESSIONS; n += 20) {
    const some = Array.from({ length: 20 }, (_, i) =>
      rigger.create({ pattern: "hybrid", description: `Session ${n + i}` }),
    );
    await Promise.all(some);
  }
}

/** Opens a page in a browser without a cache, and waits until it is ready. */
async function visit(
  browser: Browser,
  url: string,
  ready: (page: Page) => Promise<unknown>,
): Promise<Visit> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  let requests = 0;
  let bytes = 0;
  network.on("Network.requestWillBeSent", () => requests++);
  network.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await network.send("Network.enable");
  const beganAt = performance.now();
  await page.goto(url);
  await ready(page);
  const readyMs = performance.now() - beganAt;
  const firstPaintMs = await page.evaluate(
    () => performance.getEntriesByName("first-paint")[0]?.startTime ?? 0,
  );
  await context.close();
  return { readyMs, firstPaintMs, requests, kilobytes: bytes / 1024 };
}

/** Fetches the JSON of a path, and of the pages of events after it. Runs in the page. */
async function fetchPages(path: string): Promise<void> {
  for (let after = 0, hasMore = true; hasMore; ) {
    const next = after > 0 ? `${path}?after=${after}` : path;
    const page = (await (await fetch(next)).json()) as {
      events?: { seq: number }[];
      hasMore?: boolean;
    };
    after = page.events?.at(-1)?.seq ?? 0;
    hasMore = page.hasMore ?? false;
  }
}
