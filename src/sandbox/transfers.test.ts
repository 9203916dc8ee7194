import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sha256, toHex } from "../shared/bytes";
import { newSessionId, sessionOf } from "../testing/sessions";
import { handleOutbound } from "./outbound";
import { grantOf, openTransfer, serveTransfer } from "./transfers";

const content = Uint8Array.from(new TextEncoder().encode("the content of a pack"));
const nameOf = async (bytes: Uint8Array) => toHex(await sha256(bytes));
const newPrefix = () => `archives/${crypto.randomUUID()}/objects/`;

async function send(
  method: string,
  path: string,
  body?: Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { "content-length": `${body?.length}` },
): Promise<Response> {
  const init = body ? { method, body, headers } : { method };
  return serveTransfer(new Request(`http://archive.rigger/${path}`, init), env.SNAPSHOTS, grantOf);
}

describe("a container that saves or restores a workspace", () => {
  it("stores and reads objects below its prefix with its token, until the transfer ends", async () => {
    const prefix = newPrefix();
    const { token, close } = openTransfer({ prefix, bytesLeft: 1_000 });
    const name = await nameOf(content);
    expect((await send("PUT", `${token}/${name}`, content)).status).toBe(204);
    expect(await (await env.SNAPSHOTS.get(prefix + name))?.text()).toBe("the content of a pack");
    expect(await (await send("GET", `${token}/${name}`)).text()).toBe("the content of a pack");
    close();
    for (const method of ["GET", "PUT"]) {
      const body = method === "PUT" ? content : undefined;
      expect((await send(method, `${token}/${name}`, body)).status).toBe(403);
    }
    expect((await send("GET", `${"0".repeat(32)}/${name}`)).status).toBe(403);
  });

  it("stores nothing under a name that is not its SHA-256", async () => {
    const prefix = newPrefix();
    const { token, close } = openTransfer({ prefix, bytesLeft: 1_000 });
    const other = await nameOf(new Uint8Array(1));
    await expect(send("PUT", `${token}/${other}`, content)).rejects.toThrow();
    for (const name of ["index.json", other.toUpperCase(), ""]) {
      expect((await send("PUT", `${token}/${name}`, content)).status).toBe(400);
    }
    expect((await env.SNAPSHOTS.list({ prefix })).objects).toEqual([]);
    close();
  });

  it("changes nothing while it restores", async () => {
    const prefix = newPrefix();
    const { token, close } = openTransfer({ prefix, bytesLeft: 0 });
    const name = await nameOf(content);
    expect((await send("PUT", `${token}/${name}`, content)).status).toBe(403);
    expect((await send("DELETE", `${token}/${name}`)).status).toBe(405);
    expect((await send("GET", `${token}/${name}`)).status).toBe(404);
    expect((await send("GET", `${token}/a/../../index.json`)).status).toBe(403);
    close();
  });

  it("states the length of what it stores: 64 MB at most, and no more than its transfer may store", async () => {
    const { token, close } = openTransfer({ prefix: newPrefix(), bytesLeft: 1_000 });
    const name = await nameOf(content);
    expect((await send("PUT", `${token}/${name}`, content, {})).status).toBe(411);
    for (const status of [...Array.from({ length: 47 }, () => 204), 403]) {
      expect((await send("PUT", `${token}/${name}`, content)).status).toBe(status);
    }
    const large = { "content-length": `${65 * 1024 ** 2}` };
    expect((await send("PUT", `${token}/${name}`, content, large)).status).toBe(413);
    close();
  });

  it("reaches the bucket whatever the session allows, and no other session's token", async () => {
    const { token, close } = openTransfer({ prefix: newPrefix(), bytesLeft: 1_000 });
    const deps = {
      egress: async () => ({ to: "nowhere" }) as const,
      callModel: async () => new Response(),
      callMcp: async () => new Response(),
      fetch: async () => new Response(),
      archive: (call: Request) => serveTransfer(call, env.SNAPSHOTS, grantOf),
    };
    const name = await nameOf(content);
    const missing = new Request(`http://archive.rigger/${token}/${name}`);
    expect((await handleOutbound(missing, deps)).status).toBe(404);
    expect(await sessionOf(newSessionId()).transfer("no token", 0)).toBeNull();
    close();
  });
});
