import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../http/app";
import { readEntries } from "../sandbox/tar";
import { readSettings } from "../settings";
import { Rigger, type SessionHandle } from "./rigger.ts";

type Fetch = typeof fetch;

const app = createApp(readSettings({ ALLOW_ANONYMOUS: "true" }));
const direct: Fetch = async (input, init) => app.fetch(new Request(input, init), env);

/** Returns a session, and a client of it whose requests pass through `send`. */
async function aSession(send: Fetch = direct): Promise<SessionHandle> {
  const options = { url: "http://rigger.test", fetch: send, retryMs: 1 };
  const { id } = await new Rigger({ ...options, fetch: direct }).create({
    pattern: "long-running",
  });
  return new Rigger(options).session(id);
}

/** Returns a `fetch` that loses the first answers to a method, and counts its requests. */
function losing(method: string, lost: number) {
  const count = { requests: 0 };
  const send: Fetch = async (input, init) => {
    const response = await direct(input, init);
    if (init?.method !== method) return response;
    count.requests += 1;
    if (count.requests > lost) return response;
    await response.body?.cancel();
    throw new TypeError("network connection lost");
  };
  return { count, send };
}

describe("the files of a session", () => {
  it("are written, listed, read and removed", async () => {
    const { files, ...session } = await aSession();
    const first = await files.write("d/a b%.txt", "one two");
    expect(first).toMatchObject({ created: true, etag: expect.stringMatching(/^"/) });
    expect(await files.text("d/a b%.txt")).toBe("one two");
    const part = await files.read("d/a b%.txt", { range: { start: 4, end: 6 } });
    expect([part.status, await part.text()]).toEqual([206, "tw"]);
    const rest = await files.read("d/a b%.txt", { range: { start: 4 } });
    expect(await rest.text()).toBe("two");
    expect(await files.write("d/a b%.txt", new Blob(["three"]))).toMatchObject({ created: false });
    await files.write("d/e/bytes", new Uint8Array([1, 2, 3]));
    await files.write("stream", new Blob(["piped"]).stream());
    const all: string[] = [];
    for await (const { path } of files.list("", { recursive: true })) all.push(path);
    expect(all).toEqual(["d", "d/a b%.txt", "d/e", "d/e/bytes", "stream"]);
    const archive = new Uint8Array(await (await files.archive("d")).arrayBuffer());
    expect([...readEntries(archive)].map(({ path }) => path)).toEqual(["a b%.txt", "e", "e/bytes"]);
    await expect(files.remove("d")).rejects.toMatchObject({ status: 409, reason: "not_a_file" });
    await files.remove("d", { recursive: true });
    await expect(files.text("d/e/bytes")).rejects.toMatchObject({ status: 404 });
    expect(session.id).toMatch(/^sess_/);
  });

  it("change under a condition, whose request is not repeated", async () => {
    const { files } = await aSession();
    const { etag } = await files.write("a", "one", { ifNoneMatch: "*" });
    await expect(files.write("a", "two", { ifNoneMatch: "*" })).rejects.toMatchObject({
      ...{ status: 412, type: "precondition_failed" },
    });
    const next = await files.write("a", "two", { ifMatch: etag });
    await expect(files.remove("a", { ifMatch: etag })).rejects.toMatchObject({ status: 412 });
    await files.remove("a", { ifMatch: next.etag });
    const { count, send } = losing("PUT", 1);
    const cut = await aSession(send);
    await expect(cut.files.write("a", "x", { ifNoneMatch: "*" })).rejects.toMatchObject({
      type: "connection_error",
    });
    expect(count.requests).toBe(1);
  });

  it("are written again if the answer is lost, but a stream", async () => {
    const { count, send } = losing("PUT", 2);
    const { files } = await aSession(send);
    expect(await files.write("a", "one")).toMatchObject({ created: false });
    expect(count.requests).toBe(3);
    count.requests = 0;
    const stream = new Blob(["x"]).stream();
    await expect(files.write("b", stream)).rejects.toMatchObject({ type: "connection_error" });
    expect(count.requests).toBe(1);
  });

  it("have no path that leads to another one of the API", async () => {
    const { count, send } = losing("DELETE", 0);
    const { files } = await aSession(send);
    for (const path of ["../../sess_x", "a/../../b", "", "a//b", "/a", "."]) {
      const refused = { type: "invalid_request_error", status: undefined };
      const asks = [
        () => files.remove(path),
        () => files.read(path),
        () => files.write(path, "x"),
        () => files.text(path),
      ];
      for (const ask of asks) {
        await expect((async () => ask())()).rejects.toMatchObject(refused);
      }
    }
    expect(count.requests).toBe(0);
  });
});
