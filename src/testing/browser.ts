import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PATHS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];

const executablePath = PATHS.find((path) => path !== undefined && existsSync(path));

/** Whether there is a browser. Without one, the tests of pages are skipped, and say so. */
export const hasBrowser = executablePath !== undefined;

if (!hasBrowser) {
  console.warn(
    "\n*** THE TESTS OF THE DASHBOARD ARE SKIPPED: there is no Chromium. Install it, or name it in CHROMIUM. ***\n",
  );
}

/** Starts the browser. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    ...(executablePath !== undefined && { executablePath }),
    // In containers there is no other sandbox; the pages are our own.
    args: ["--no-sandbox"],
  });
