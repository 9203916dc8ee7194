import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { openSandbox, PROVIDERS } from "./providers";
import { SandboxError } from "./sandbox";

describe("openSandbox", () => {
  it.each(PROVIDERS)("opens a sandbox of %s", async (provider) => {
    const sandbox = openSandbox(env, { provider, id: crypto.randomUUID() }, { workspace: "/w" });
    expect(await sandbox.readFile("/w/file")).toBeNull();
  });

  it("refuses a provider it does not know by its name", () => {
    const open = () => openSandbox(env, { provider: "cellar", id: "x" }, { workspace: "/w" });
    expect(open).toThrow(SandboxError);
    expect(open).toThrow('"cellar"');
  });
});
