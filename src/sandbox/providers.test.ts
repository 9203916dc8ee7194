import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { openSandbox, PROVIDERS } from "./providers";
import { SandboxError } from "./sandbox";

describe("openSandbox", () => {
  it.each(PROVIDERS)(
    "opens a sandbox of %s, which costs nothing before its first use",
    (provider) => {
      openSandbox(env, { provider, id: crypto.randomUUID() }, { workspace: "/w" });
    },
  );

  it("refuses a provider it does not know by its name", () => {
    const open = () => openSandbox(env, { provider: "cellar", id: "x" }, { workspace: "/w" });
    expect(open).toThrow(SandboxError);
    expect(open).toThrow('"cellar"');
  });
});
