import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type CreateSession, Rigger } from "../client/rigger.ts";
import { hasBrowser } from "../testing/browser.ts";
import { type CuttingProxy, startCuttingProxy } from "../testing/cutting-proxy.ts";
import { requireAccessible, usePages } from "../testing/pages.ts";

const serverUrl = inject("serverUrl");
const rigger = new Rigger({ url: serverUrl });

let proxy: CuttingProxy;

describe.runIf(hasBrowser)("the dashboard", () => {
  const { open, expectFaults } = usePages(serverUrl);
  beforeAll(async () => {
    proxy = await startCuttingProxy(serverUrl);
  });
  afterAll(() => proxy.close());

  it("signs in with a key, and forgets one that is refused", async () => {
    const { key } = await rigger.post("/api/keys", { body: { name: "page", owner: "page-owner" } });
    const page = await open("/", {});
    await page.evaluate(() =>
      sessionStorage.setItem("rigger.key", `rk_${"0".repeat(20)}_${"0".repeat(48)}`),
    );
    await page.reload();
    await page.getByRole("alert").getByText("The API key is not known.").waitFor();
    await requireAccessible(page);
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("page-owner").waitFor();
    await page.getByText("There is no session yet.").waitFor();
    await page.reload();
    await page.getByText("page-owner").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    expect(
      await page.evaluate(() => Object.keys(sessionStorage).concat(Object.keys(localStorage))),
    ).toEqual([]);
    expectFaults(/401/);
  });

  it("shows what a key has scopes for, and says so where it has none", async () => {
    const page = await open("/", {});
    const enter = async (scopes: ("sessions:read" | "keys:write")[], path: string) => {
      const body = { name: "limited", owner: "limited", scopes };
      const { key } = await rigger.post("/api/keys", { body });
      await page.evaluate((secret) => sessionStorage.setItem("rigger.key", secret), key);
      await page.goto(`${serverUrl}${path}`);
      await page.reload();
    };
    await enter(["sessions:read"], "/#/overview");
    await page.getByText("No tool call waits for a decision or for a result.").waitFor();
    expect(await page.getByRole("heading", { name: "Spend" }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "New session" }).count()).toBe(0);
    await requireAccessible(page);
    await enter(["sessions:read"], "/#/new");
    await page.getByText("Your key can't create sessions.").waitFor();
    await requireAccessible(page);
    await enter(["keys:write"], "/#/overview");
    await page.getByText("Your key has no scope for what is shown here.").waitFor();
    await requireAccessible(page);
  });

  it("lists sessions as they change, and filters them by address", async () => {
    const tag = crypto.randomUUID().slice(0, 8);
    const page = await open(`/#/?tags=${tag}`);
    await page.getByText("No session fits the filters.").waitFor();
    const session = await create({
      pattern: "hybrid",
      description: "Appears by itself",
      tags: [tag],
    });
    await page.getByRole("link", { name: "Appears by itself" }).waitFor();
    await requireAccessible(page);
    await session.update({ description: "Has another name" });
    await page.getByRole("link", { name: "Has another name" }).waitFor();
    await page.getByLabel("Status").selectOption("Terminated");
    await page.getByText("No session fits the filters.").waitFor();
    expect(page.url()).toContain("status=terminated");
  });

  it("creates a session from an example, and shows the same request", async () => {
    const page = await open("/#/new");
    await page.getByRole("button", { name: /^Ask for approval/ }).click();
    await page.getByLabel("Description").fill("From the form");
    await requireAccessible(page);
    await page.getByText('"askTools"').first().waitFor();
    await page.getByRole("button", { name: "TypeScript" }).click();
    await page.getByText("rigger.create").first().waitFor();
    await page
      .getByLabel(/^Budget/)
      .first()
      .fill("-1");
    await page.getByRole("button", { name: /^Create/ }).click();
    expect(page.url()).toContain("#/new");
    await page
      .getByLabel(/^Budget/)
      .first()
      .fill("2");
    await page.getByRole("button", { name: /^Create/ }).click();
    await page.getByRole("heading", { name: "From the form" }).waitFor();
    await page.getByText("asks for approval").first().waitFor();
    const id = page.url().split("/").at(-1) ?? "";
    expect(await rigger.session(id).read()).toMatchObject({ maxBudgetUsd: 2, pendingApprovals: 1 });
    expectFaults(/400/);
  });

  it("sums up what was used, what waits, and how the deployment is", async () => {
    const session = await create({ pattern: "hybrid", config: { askTools: ["Bash"] } });
    const reply = session.send('/Bash {"command":"echo from the overview"}\ndone');
    for await (const event of reply) if (event.type === "message.waiting") break;
    // The index may lag behind the session by a moment.
    const isListed = async () => {
      const { approvals } = await rigger.get("/api/approvals", { query: { limit: 50 } });
      return approvals.some(({ sessionId }) => sessionId === session.id);
    };
    await expect.poll(isListed, { timeout: 8_000 }).toBe(true);
    const page = await open("/#/overview");
    await page.getByText("Spent this month").waitFor();
    await page.locator("canvas").first().waitFor();
    // What was used today is drawn, in the colour of the style sheet.
    await expect.poll(() => hasPixel(page, [79, 111, 216])).toBe(true);
    await page.getByText(/^\d+ created in 30 days, .*, with \d+ messages?$/).waitFor();
    await page.getByText("echo from the overview").waitFor();
    await requireAccessible(page);
    const card = page.locator(".pending", { hasText: "echo from the overview" });
    await card.getByRole("button", { name: "Allow Bash" }).click();
    await card.waitFor({ state: "detached" });
    await expect.poll(async () => (await session.read()).pendingApprovals).toBe(0);
  });

  it("shows what waits for a result, in the list and in the overview, and takes it", async () => {
    const tag = crypto.randomUUID().slice(0, 8);
    const lookup = {
      name: "lookup",
      description: "Returns a thing.",
      inputSchema: { type: "object" },
    };
    const session = await create({
      ...{ pattern: "hybrid", tags: [tag], description: "Looks things up" },
      config: { clientTools: [lookup] },
    });
    const reply = session.send(`/lookup {"thing":"${tag}"}`);
    for await (const event of reply) if (event.type === "message.waiting") break;
    const page = await open(`/#/?tags=${tag}`);
    await page.getByText("waits for results").waitFor();
    await requireAccessible(page);
    await page.getByRole("link", { name: "Overview" }).click();
    const card = page.locator(".pending", { hasText: tag });
    await card.getByLabel(/^Result of lookup, /).fill("a chair");
    await requireAccessible(page);
    await card.getByRole("button", { name: /^Give the result of lookup, / }).click();
    await card.waitFor({ state: "detached" });
    await page.getByText("lookup has its result.").waitFor();
    await expect.poll(async () => (await session.read()).pendingToolRequests).toBe(0);
    const [message] = await all(session.messages());
    await expect
      .poll(async () => (await session.message(message?.messageId ?? "")).result)
      .toContain("lookup returned: a chair");
  });

  it("streams a reply, and shows it once after a reload in its middle", async () => {
    const session = await create();
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByText("No message yet.").waitFor();
    const prompt = '/say The first part.\n/Bash {"command":"echo hi"}\n/delay 1500\nThe end.';
    await page.getByLabel("Message", { exact: true }).fill(prompt);
    await page.keyboard.press("Enter");
    await page.locator(".text").getByText("The first part.").waitFor();
    await page.locator(".message-end").getByText("running").waitFor();
    await page.reload();
    await page.getByText("You said: The end.").waitFor();
    await page.locator(".message-end").getByText("completed").waitFor();
    expect(await page.locator(".message").count()).toBe(1);
    expect(await page.locator(".tool").count()).toBe(1);
    expect(await page.locator(".text").count()).toBe(2);
    const [message] = await all(session.messages());
    expect(await textOf(page)).toBe(flat(message?.result ?? ""));
  });

  it("shows a reply once, however often its connection is cut", async () => {
    proxy.streams = 0;
    proxy.cuts = (stream) => (stream < 6 ? 3 : undefined);
    const session = await create();
    const page = await open(`/#/sessions/${session.id}`, { base: proxy.url });
    await page
      .getByLabel("Message", { exact: true })
      .fill('/say One.\n/Bash {"command":"echo hi"}\n/delay 300\nThe end.');
    await page.keyboard.press("Enter");
    await page.getByText("You said: The end.").waitFor();
    const [message] = await all(session.messages());
    await expect.poll(() => textOf(page)).toBe(flat(message?.result ?? ""));
    expect(await page.locator(".tool").count()).toBe(1);
    expect(proxy.streams).toBeGreaterThan(6);
    proxy.cuts = () => undefined;
    expectFaults(/ERR_/);
  });

  it("asks for approval, and the call is made when it is allowed", async () => {
    const session = await create({ pattern: "hybrid", config: { askTools: ["Bash"] } });
    const page = await open(`/#/sessions/${session.id}`);
    await page
      .getByLabel("Message", { exact: true })
      .fill('/Bash {"command":"echo allowed"}\n/Bash {"command":"rm x"}\ndone');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByLabel("Note for the agent on Bash echo allowed").fill("Go on.");
    await requireAccessible(page);
    await page.getByRole("button", { name: "Allow Bash echo allowed" }).click();
    await page.getByRole("button", { name: "Deny Bash rm x" }).click();
    await page.locator(".message-end").getByText("completed").waitFor();
    const { approvals } = await rigger.get("/api/sessions/{id}/approvals", {
      path: { id: session.id },
    });
    expect(approvals).toMatchObject([{ status: "allowed", note: "Go on." }, { status: "denied" }]);
  });

  it("interrupts a message, raises a limit, and terminates the session", async () => {
    const session = await create({ pattern: "hybrid", maxTurns: 2, onLimit: "pause" });
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByLabel("Message", { exact: true }).fill("/delay 60000\nslow");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Interrupt" }).click();
    await page.locator(".message-end").getByText("interrupted", { exact: true }).waitFor();

    await session
      .send('/Bash {"command":"echo 1"}\n/Bash {"command":"echo 2"}\nafter the limit')
      [Symbol.asyncIterator]()
      .next();
    await page.getByRole("button", { name: "Raise the limit" }).click();
    await requireAccessible(page);
    await page.getByLabel("Turns").fill("20");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("You said: after the limit").waitFor();

    page.on("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Terminate" }).click();
    await page.getByText("The session was terminated: user_requested.").waitFor();
    expect(await session.read()).toMatchObject({ status: "terminated" });
    await expect.poll(() => page.getByLabel("Message", { exact: true }).count()).toBe(0);
  });

  it("shares a session by a link that opens it, to read only", async () => {
    const session = await create({ pattern: "hybrid", description: "For you" });
    await session.send("/say shared words").message();
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByRole("button", { name: "Share" }).click();
    await page.getByRole("button", { name: "Link to read", exact: true }).click();
    const url = await page.getByLabel("Link to read").inputValue();
    await requireAccessible(page);
    const guest = await open(url.replace(serverUrl, ""));
    await guest.getByText("shared words", { exact: true }).waitFor();
    await guest.getByText("Shared with you").waitFor();
    await requireAccessible(guest);
    expect(guest.url()).not.toContain("rs_");
    expect(await guest.getByLabel("Message", { exact: true }).count()).toBe(0);
    expect(await guest.getByRole("button", { name: "Terminate" }).count()).toBe(0);
  });

  it("opens a share link in an open page, to write, and leaves the kept key alone", async () => {
    const session = await create({ pattern: "hybrid", description: "Written by a guest" });
    const path = { id: session.id };
    const { url } = await rigger.post("/api/sessions/{id}/shares", {
      path,
      body: { access: "write" },
    });
    const { key } = await rigger.post("/api/keys", { body: { name: "kept", owner: "guest" } });
    const page = await open("/");
    await page.evaluate((kept) => localStorage.setItem("rigger.key", kept), key);
    await page.evaluate((hash) => {
      location.hash = hash;
    }, new URL(url).hash);
    await page.getByText("Shared with you").waitFor();
    expect(page.url()).not.toContain("rs_");
    await page.getByLabel("Message", { exact: true }).fill("by a guest");
    await page.keyboard.press("Enter");
    await page.getByText("You said: by a guest").waitFor();
    expect(await page.getByRole("button", { name: /Terminate|Share|Fork|Limits/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Details" }).click();
    await page.getByRole("heading", { name: "Configuration" }).waitFor();
    expect(await page.getByRole("button", { name: /Delete|snapshot/ }).count()).toBe(0);
    expect(await page.evaluate(() => localStorage.getItem("rigger.key"))).toBe(key);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator(".owner").getByText("guest").waitFor();
  });

  it("shows agents side by side, and what models and tools say as text", async () => {
    const session = await create({
      pattern: "single-container",
      config: { customAgents: { player1: {}, player2: {} } },
    });
    const markup = '<img src=x onerror="document.title=1"><b>bold</b>';
    const task = (agent: string) =>
      `/Task ${JSON.stringify({ subagent_type: agent, prompt: `/say ${markup} ${agent}` })}`;
    await session
      .send(`${task("player1")} & ${task("player2")}\n/Bash {"command":"echo '<i>x</i>'"}\ndone`)
      .message();
    const page = await open(`/#/sessions/${session.id}`);
    await page
      .getByRole("region", { name: "Agent player2" })
      .locator(".text")
      .getByText(`${markup} player2`)
      .waitFor();
    expect(await page.locator("main b, main i, main .text img").count()).toBe(0);
    await requireAccessible(page);
  });

  it("has the events, the schedules and the snapshots of a session", async () => {
    const session = await create({ pattern: "hybrid" });
    await session.send("hello").message();
    const page = await open(`/#/sessions/${session.id}?tab=events`);
    await page.locator("summary").getByText("message.completed").click();
    await page.locator("details[open]").getByText('"stopReason": "end_turn"').waitFor();
    await requireAccessible(page);
    await page.getByRole("button", { name: "Details" }).click();
    await page.getByText("New schedule").click();
    await page.getByLabel("When").fill("@daily");
    await page.getByLabel("Prompt").fill("Good morning");
    await page.getByRole("button", { name: "Create the schedule" }).click();
    await page.getByText("Good morning").first().waitFor();
    await page.getByRole("button", { name: "Take a snapshot" }).click();
    await page.getByRole("button", { name: "Start from it" }).click();
    await page
      .getByText("began from")
      .waitFor({ timeout: 1 })
      .catch(() => {});
    await expect.poll(() => page.url()).not.toContain(session.id);
    await page.getByRole("button", { name: "Details" }).click();
    await page.getByText("began from").waitFor();
    await requireAccessible(page);
  });

  it("works on a phone, in the dark, and with the keyboard alone", async () => {
    const session = await create({ pattern: "hybrid", description: "By keyboard" });
    const phone = { viewport: { width: 375, height: 740 }, colorScheme: "dark" } as const;
    const page = await open("/", phone);
    await requireAccessible(page);
    await focusOn(page, "By keyboard");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "By keyboard" }).waitFor();
    await focusOn(page, "Send a message");
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await page.getByText("You said: typed").waitFor();
    await requireAccessible(page);
    // Nothing is wider than the phone.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
      375,
    );
    expect((await session.read()).numTurns).toBe(1);
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await ground()).toBe("rgb(18, 18, 22)");
    await page.getByLabel("Theme").selectOption("light");
    expect(await ground()).toBe("rgb(246, 246, 248)");
  });

  it("says what is wrong, and goes on when it is over", async () => {
    const session = await create({ pattern: "hybrid", description: "Is back" });
    const page = await open("/");
    await page.getByRole("link", { name: "Is back" }).waitFor();
    await page.context().setOffline(true);
    await page.getByText("You are offline.").first().waitFor();
    await requireAccessible(page);
    await page.context().setOffline(false);
    await session.update({ description: "Is back again" });
    await page.getByRole("link", { name: "Is back again" }).waitFor();
    await page.evaluate(() => {
      location.hash = "#/sessions/sess_00000000000000000000000000000000";
    });
    await page.getByText("There is no such session.").first().waitFor();
    await requireAccessible(page);
    expectFaults(/404|ERR_|offline/i);
  });

  it("is small: less than 150 KB compressed", async () => {
    const files = ["/", "/main.js", "/style.css", "/icon.svg"].map(async (path) => {
      const response = await fetch(serverUrl + path);
      return gzipSync(new Uint8Array(await response.arrayBuffer())).byteLength;
    });
    const bytes = (await Promise.all(files)).reduce((sum, one) => sum + one);
    expect(bytes).toBeLessThan(150_000);
  });

  it("shows the reference of the API, without a request to another host", async () => {
    const page = await open("/docs");
    await page.getByText("Create a session").first().waitFor();
  });
});

/** Returns whether a chart of the page has a pixel of a colour. */
const hasPixel = (page: Page, color: number[]): Promise<boolean> =>
  page.evaluate(
    (wanted) =>
      [...document.querySelectorAll("canvas")].some((canvas) => {
        const { width, height } = canvas;
        const { data = [] } = canvas.getContext("2d")?.getImageData(0, 0, width, height) ?? {};
        for (let i = 0; i < data.length; i += 4) {
          if (wanted.every((part, n) => data[i + n] === part)) return true;
        }
        return false;
      }),
    color,
  );

const create = (session: CreateSession = { pattern: "hybrid" }) => rigger.create(session);

/** Presses Tab until what has the focus has a name, a text or a placeholder. */
async function focusOn(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement | null;
      return `${element?.textContent ?? ""} ${element?.placeholder ?? ""}`;
    });
    if (focused.includes(name)) return;
  }
  throw new Error(`Tab does not lead to "${name}"`);
}

/** Returns the last text of the timeline, without line breaks. */
const textOf = async (page: Page): Promise<string> =>
  flat((await page.locator(".text").last().textContent()) ?? "");

const flat = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
