import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { openBrowser } from "./browser.ts";

/** The pages of a test file. */
interface Pages {
  /** Opens a page in a profile of its own, and notes what it may not do. */
  open(path: string, options?: BrowserContextOptions & { base?: string }): Promise<Page>;
  /** Forgets what a page may not do, but for a reason that the test knows. */
  expectFaults(pattern: RegExp): void;
}

/** Opens a browser for the tests of a file. A test fails if its page asks other hosts, breaks its policy, or throws. */
export function usePages(serverUrl: string): Pages {
  let browser: Browser;
  let faults: string[] = [];
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    const found = faults.splice(0);
    expect(found.join("\n")).toBe("");
  });
  return {
    async open(path, { base = serverUrl, ...options } = {}) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      page.on("pageerror", ({ message }) => faults.push(`threw: ${message}`));
      page.on(
        "console",
        (message) =>
          message.type() === "error" && faults.push(`${message.text()} ${message.location().url}`),
      );
      page.on("request", (request) => {
        if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(base)) {
          faults.push(`asked ${request.url()}`);
        }
      });
      await page.goto(`${base}${path}`);
      return page;
    },
    expectFaults(pattern) {
      faults = faults.filter((fault) => !pattern.test(fault));
    },
  };
}

/** Requires that a page has no violation that axe knows. */
export async function requireAccessible(page: Page): Promise<void> {
  // Before that there is no page yet.
  await page.getByRole("heading", { level: 1 }).first().waitFor({ state: "attached" });
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(),
  );
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" ")}`,
  );
  expect(found).toEqual([]);
}
