import { readFile } from "node:fs/promises";
import type { Download, Page } from "playwright-core";
import { describe, expect, inject, it } from "vitest";
import { type CreateSession, Rigger, type SessionHandle } from "../client/rigger.ts";
import { hasBrowser } from "../testing/browser.ts";
import { requireAccessible, usePages } from "../testing/pages.ts";

const serverUrl = inject("serverUrl");
const rigger = new Rigger({ url: serverUrl });

const PHONE = { viewport: { width: 375, height: 740 }, colorScheme: "dark" } as const;
const WRITE = '/Write {"file_path":"dist/report.csv","content":"a,b\\n"}';
/** What a page would run, if it were no picture. */
const DRAWING = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><script>parent.document.title = "run"</script><rect width="20" height="10"/></svg>`;

describe.runIf(hasBrowser)("the files of a session in the dashboard", () => {
  const { open, expectFaults } = usePages(serverUrl);

  it("has its files: to see, upload, store and delete", async () => {
    const session = await create();
    await session.files.write("pages/page.html", '<script>document.title = "run"</script>');
    await session.files.write("pages/drawing.svg", DRAWING);
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByRole("button", { name: "Files" }).click();
    await page.getByRole("button", { name: "pages/" }).click();
    await page.getByRole("button", { name: "page.html", exact: true }).click();
    await page.getByText("<script>document.title").waitFor();
    await requireAccessible(page);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "drawing.svg", exact: true }).click();
    const width = () =>
      page.locator("img.shown").evaluate((img) => (img as HTMLImageElement).naturalWidth);
    await expect.poll(width).toBe(20);
    await page.keyboard.press("Escape");
    expect(await page.title()).not.toBe("run");

    const file = (text: string) => ({
      ...{ name: "ü #1.txt", mimeType: "text/plain", buffer: Buffer.from(text) },
    });
    await page.getByLabel("Files to upload").setInputFiles([file("first")]);
    await page.getByText("1 file was uploaded.").waitFor();
    // Once the list has it, the page asks for itself. Before that, the server refuses it first.
    await page.getByRole("button", { name: "ü #1.txt", exact: true }).waitFor();
    page.once("dialog", (dialog) => void dialog.accept());
    await page.getByLabel("Files to upload").setInputFiles([file("second")]);
    await expect.poll(() => session.files.text("pages/ü #1.txt")).toBe("second");
    await requireAccessible(page);
    expect(await stored(page, "Download ü #1.txt")).toBe("second");
    expect(await stored(page, "Download this directory")).toContain("drawing.svg");

    page.once("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Delete ü #1.txt" }).click();
    await page
      .getByRole("button", { name: "ü #1.txt", exact: true })
      .waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Timeline" }).click();
    await page.getByText("A caller deleted pages/ü #1.txt").waitFor();
  });

  it("asks before a dropped file replaces one that the page has not seen", async () => {
    const session = await create();
    const page = await open(`/#/sessions/${session.id}?tab=files`);
    await page.getByText("Files can be dropped here.").waitFor();
    await session.files.write("seen.txt", "old");
    await page.getByRole("button", { name: "seen.txt", exact: true }).waitFor();
    // Not even the list knows this one.
    await page.route("**/files?*", (route) => route.fulfill({ json: NO_FILES }));
    await page.getByRole("button", { name: "Reload" }).click();
    await page.getByText("Files can be dropped here.").waitFor();
    const asked: string[] = [];
    page.on("dialog", (dialog) => {
      asked.push(dialog.message());
      void dialog.dismiss();
    });
    await drop(page, "seen.txt", "new");
    await page.getByText("0 files were uploaded.").waitFor();
    expect(asked).toEqual(["Replace seen.txt? It is there already."]);
    expect(await session.files.text("seen.txt")).toBe("old");
    expectFaults(/412/);
  });

  it("shows files and artifacts of an ended session, to whoever may only read, on a phone", async () => {
    const session = await create({ pattern: "hybrid", config: { artifacts: ["dist/**"] } });
    await session.send(`Make the report.\n${WRITE}\nIt is there.`).message();
    const page = await open(`/#/sessions/${session.id}`);
    await page.getByRole("link", { name: "dist/report.csv" }).click();
    const artifacts = page.getByRole("region", { name: "Artifacts" });
    await artifacts.getByText("for “Make the report.”").waitFor();
    expect(await stored(page, "Download dist/report.csv")).toBe("a,b\n");

    await session.terminate();
    const { url } = await rigger.post("/api/sessions/{id}/shares", {
      ...{ path: { id: session.id }, body: { access: "read" } },
    });
    const guest = await open(url.replace(serverUrl, ""), PHONE);
    await guest.getByRole("button", { name: "Files" }).click();
    await guest.getByRole("button", { name: "dist/report.csv", exact: true }).click();
    await guest.getByText("a,b").waitFor();
    await requireAccessible(guest);
    await guest.keyboard.press("Escape");
    await guest.getByRole("button", { name: "dist/", exact: true }).click();
    await guest.getByRole("button", { name: "report.csv", exact: true }).waitFor();
    expect(await guest.getByRole("button", { name: /Upload|Delete/ }).count()).toBe(0);
    await requireAccessible(guest);
    const wide = await guest.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBeLessThanOrEqual(PHONE.viewport.width);
  });
});

const NO_FILES = { entries: [], nextCursor: null };

const create = (session: CreateSession = { pattern: "hybrid" }): Promise<SessionHandle> =>
  rigger.create(session);

/** Presses a button and returns the content of the file that the browser stores. */
async function stored(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download") as Promise<Download>,
    page.getByRole("button", { name: button }).click(),
  ]);
  return readFile(await download.path(), "utf8");
}

/** Drops a file on the workspace. */
async function drop(page: Page, name: string, text: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    ([fileName = "", content = ""]) => {
      const data = new DataTransfer();
      data.items.add(new File([content], fileName));
      return data;
    },
    [name, text],
  );
  await page.getByRole("region", { name: "Workspace" }).dispatchEvent("drop", { dataTransfer });
}
