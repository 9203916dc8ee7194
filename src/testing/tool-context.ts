import { env } from "cloudflare:workers";
import type { ToolContext, ToolResult } from "../agent/tool";
import { embedded } from "../sandbox/embedded";
import type { Sandbox } from "../sandbox/sandbox";

/** Returns a new embedded sandbox. */
export function aSandbox(): Sandbox {
  const id = crypto.randomUUID();
  return embedded(env.EMBEDDED_SANDBOXES, id, { workspace: "/workspace" });
}

/** Returns the context of a tool call, with a new sandbox and no network. */
export function aContext(parts: Partial<ToolContext> = {}): ToolContext {
  return {
    sandbox: parts.sandbox ?? aSandbox(),
    cwd: "/workspace",
    setCwd: () => {},
    callId: `toolu_${crypto.randomUUID()}`,
    interrupted: false,
    env: {},
    signal: new AbortController().signal,
    output: () => {},
    search: () => Promise.reject(new Error("no search in this test")),
    wake: () => Promise.reject(new Error("no wake-ups in this test")),
    fetch: () => Promise.reject(new Error("no network in this test")),
    ...parts,
  };
}

/** Returns a sandbox with the given methods only. */
export function aFakeSandbox(parts: Partial<Sandbox> = {}): Sandbox {
  return {
    run: () => Promise.reject(new Error("no commands in this test")),
    kill: async () => {},
    readFile: async () => null,
    writeFile: async () => {},
    destroy: async () => {},
    ...parts,
  };
}

/** Returns the text of a tool result. */
export function textOf({ content }: ToolResult): string {
  if (typeof content === "string") return content;
  return content.map((block) => (block.type === "text" ? block.text : "[image]")).join("\n");
}
