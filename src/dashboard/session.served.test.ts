import { describe, expect, inject, it } from "vitest";
import { type CreateSession, Rigger, type SessionHandle } from "../client/rigger.ts";
import { hasBrowser } from "../testing/browser.ts";
import { requireAccessible, usePages } from "../testing/pages.ts";

const serverUrl = inject("serverUrl");
const rigger = new Rigger({ url: serverUrl });

/** A machine of the stand-in of a vendor: it has a network, and commands can be run before the first message. */
const MACHINE = { provider: "e2b" } as const;

describe.runIf(hasBrowser)("a session in the dashboard", () => {
  const { open, expectFaults } = usePages(serverUrl);

  it("shows the steps of its set-up, and why it has failed", async () => {
    const setup = ["echo it is built", "echo there is no lock file >&2; exit 3"];
    const session = await create({ pattern: "hybrid", config: { sandbox: MACHINE, setup } });
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByLabel("Message", { exact: true }).fill('/Bash {"command":"ls"}\ndone');
    await page.keyboard.press("Enter");
    const steps = page.getByRole("region", { name: "Set-up" });
    await steps.getByText("there is no lock file", { exact: true }).waitFor();
    await steps.getByText("Exit code 3").waitFor();
    await steps.getByText("1 of 2 steps done").waitFor();
    await steps.locator("summary").first().click();
    await steps.getByText("it is built", { exact: true }).waitFor();
    await page.getByText(/^The session has failed: The set-up failed at step 2 of 2/).waitFor();
    await requireAccessible(page);
  });

  it("has previews, whose addresses are shown once", async () => {
    const session = await create({ pattern: "hybrid", config: { sandbox: MACHINE } });
    const page = await open(`/#/sessions/${session.id}?tab=details`);
    await page.getByLabel("Port").fill("5173");
    await page.getByRole("button", { name: "Create a preview" }).click();
    const address = page.getByLabel("Address of port 5173");
    expect(await address.inputValue()).toMatch(/^http:\/\/\w+\.localhost:\d+\/$/);
    expect(await page.getByRole("link", { name: "Open" }).getAttribute("href")).toBe(
      await address.inputValue(),
    );
    await requireAccessible(page);
    page.once("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Revoke the preview of port 5173" }).click();
    await page.getByText("No server of the sandbox is reachable.").waitFor();
    expect(await address.count()).toBe(0);
    expect(await session.previews.list()).toEqual([]);
    await page.getByRole("button", { name: "Timeline" }).click();
    await page.getByText("A preview of port 5173 was removed.").waitFor();
  });

  it("is created with an MCP server, of which nothing secret is shown, and says that it is down", async () => {
    const page = await open("/#/new");
    await page.getByLabel("Prompt", { exact: true }).fill("hello");
    await page.getByRole("heading", { name: "Workspace" }).click();
    await page.getByRole("button", { name: "Add a repository" }).click();
    await page.getByRole("button", { name: "Remove a repository 1" }).click();
    await page.getByRole("heading", { name: "More tools" }).click();
    await page.getByRole("button", { name: "Add an MCP server" }).click();
    const name = page.getByLabel("Name", { exact: true });
    await expect.poll(() => name.evaluate((one) => one === document.activeElement)).toBe(true);
    await page.keyboard.type("issues");
    await page.getByLabel("URL", { exact: true }).fill("http://127.0.0.1:9/mcp");
    await page.getByLabel("Its value").fill("Bearer of-nobody");
    await page.getByText("YOUR_SECRET").first().waitFor();
    expect(await page.locator("main").textContent()).not.toContain("of-nobody");
    await requireAccessible(page);
    await page.getByRole("button", { name: /^Create/ }).click();
    await page.getByText(/^The tools of the MCP server issues can't be listed: /).waitFor();
    await page.getByText("You said: hello").waitFor();
    await page.getByRole("button", { name: "Details" }).click();
    const card = page.getByRole("region", { name: "MCP servers" });
    await card.getByText("http://127.0.0.1:9", { exact: true }).waitFor();
    await card.getByText("headers").waitFor();
    await requireAccessible(page);

    await card.getByRole("button", { name: "Give new access to issues" }).click();
    const dialog = page.getByRole("dialog", { name: "New access to issues" });
    await requireAccessible(page);
    await dialog.getByLabel("Token URL").fill("no address");
    await dialog.getByLabel("Client id").fill("rigger");
    await dialog.getByLabel("Refresh token").fill("rt_of-nobody");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByLabel("Token URL").fill("http://127.0.0.1:9/token");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    await card.getByText("oauth", { exact: true }).waitFor();
    await card.getByText("The next request to it uses the new access.").waitFor();
    expectFaults(/400/);
  });

  it("asks for the results of tools of the caller, and goes on with them", async () => {
    const page = await open("/#/new");
    await page.getByRole("button", { name: /^Answer a tool yourself/ }).click();
    const call = '/lookup_order {"id":1} & /lookup_order {"id":2}\nWhere are they?';
    await page.getByLabel("Prompt", { exact: true }).fill(call);
    await page.getByRole("button", { name: /^Create/ }).click();
    await page.getByText("waits for the results of its calls").waitFor();
    await requireAccessible(page);
    const first = page.getByLabel('Result of lookup_order {"id":1}', { exact: true });
    await first.fill('{"status":"sent"}');
    await page.getByRole("button", { name: 'Give the result of lookup_order {"id":1}' }).click();
    await first.waitFor({ state: "detached" });
    await page
      .getByLabel('Result of lookup_order {"id":2}', { exact: true })
      .fill("There is none.");
    await page.getByLabel("The call has failed").check();
    await page.getByRole("button", { name: 'Give the result of lookup_order {"id":2}' }).click();
    await page.getByText('lookup_order returned: {"status":"sent"}').waitFor();
    await page.getByText("lookup_order failed: There is none.").waitFor();
    expect(await page.getByLabel(/^Result of/).count()).toBe(0);
  });
});

const create = (session: CreateSession = { pattern: "hybrid" }): Promise<SessionHandle> =>
  rigger.create(session);
