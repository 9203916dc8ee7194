import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { readEntries } from "../sandbox/tar";
import { aClient } from "../testing/api-client";
import { requireDescribed } from "../testing/contract";
import { call, sessionOf, value } from "../testing/sessions";

const client = aClient();
let id = "";
let base = "";

const US = { owner: "anonymous", admin: false };

/** Returns the events of a session. */
async function eventsIn(session: string): Promise<{ type: string; [field: string]: unknown }[]> {
  const { body } = await send("GET", `/api/sessions/${session}/events`);
  return body.events;
}

/** Makes the agent of a session follow a script. */
const run = (session: string, prompt: string) => client.ask(session, { prompt });

/** Sends a request and holds its answer to the document of the API. */
async function send(
  method: string,
  path: string,
  options: { body?: string; headers?: Record<string, string> } = {},
) {
  const response = await client.raw(method, path, options);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const isJson = response.headers.get("Content-Type") === "application/json";
  const body = isJson && text !== "" ? JSON.parse(text) : text === "" ? null : text;
  if (method !== "HEAD" || response.ok) requireDescribed(method, path, response, body);
  return { status: response.status, headers: response.headers, text, bytes, body };
}

const put = (path: string, body: string, headers: Record<string, string> = {}) =>
  send("PUT", `${base}/files/${path}`, { body, headers });
const get = (path: string, headers: Record<string, string> = {}) =>
  send("GET", `${base}/files/${path}`, { headers });

beforeAll(async () => {
  ({ id } = await client.create());
  base = `/api/sessions/${id}`;
});

describe("a file of a session", () => {
  it("is written, read and deleted by its path", async () => {
    const made = await put("docs/a%20b%2Bc/%E4%B8%96.md", "# Hello");
    expect([made.status, made.headers.get("ETag")]).toEqual([201, expect.stringMatching(/^"/)]);
    const read = await get("docs/a%20b%2Bc/世.md");
    expect([read.status, read.text]).toEqual([200, "# Hello"]);
    expect(Object.fromEntries(read.headers)).toMatchObject({
      "content-type": "text/markdown; charset=utf-8",
      "accept-ranges": "bytes",
      "cache-control": "private, no-cache",
      "content-disposition": "attachment; filename*=UTF-8''%E4%B8%96.md",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      etag: made.headers.get("ETag"),
      "last-modified": expect.stringMatching(/GMT$/),
    });
    const head = await send("HEAD", `${base}/files/docs/a%20b%2Bc/世.md`);
    expect([head.status, head.text, head.headers.get("Content-Length")]).toEqual([200, "", "7"]);
    expect((await put("docs/a%20b%2Bc/世.md", "new")).status).toBe(204);
    expect((await send("DELETE", `${base}/files/docs/a%20b%2Bc/世.md`)).status).toBe(204);
    expect((await get("docs/a%20b%2Bc/世.md")).status).toBe(404);
    expect((await send("DELETE", `${base}/files/docs`)).body.error.reason).toBe("not_a_file");
    expect((await send("DELETE", `${base}/files/docs?recursive=true`)).status).toBe(204);
    const about = (await eventsIn(id)).filter(({ type }) => type.startsWith("file."));
    expect(about.map(({ seq: _, at: __, ...event }) => event)).toEqual([
      { type: "file.written", path: "docs/a b+c/世.md", size: 7 },
      { type: "file.written", path: "docs/a b+c/世.md", size: 3 },
      { type: "file.deleted", path: "docs/a b+c/世.md" },
      { type: "file.deleted", path: "docs" },
    ]);
  });

  it("may have any name, of which no character is taken for a part of the path", async () => {
    for (const name of [
      "%5C..%5C..%5Cx",
      "%252e%252e",
      "...",
      "~",
      "-rf",
      "a%0Ab",
      "con:",
      "%3F%23",
      "..a",
    ]) {
      const written = await put(`names/${name}`, name);
      expect([name, written.status]).toEqual([name, 201]);
      expect([name, (await get(`names/${name}`)).text]).toEqual([name, name]);
    }
    const { body } = await send("GET", `${base}/files?path=names`);
    const paths = body.entries.map(({ path }: { path: string }) => path);
    expect(paths).toContain("names/\\..\\..\\x");
    expect(paths).toContain("names/%2e%2e");
    expect(paths).toHaveLength(9);
    await send("DELETE", `${base}/files/names?recursive=true`);
  });

  it.each([
    ["an absolute path", "%2Fetc%2Fpasswd"],
    ["slashes that are encoded", "a%2F..%2F..%2Fb"],
    ["NUL", "a%00b"],
    ["an empty name", "a//b"],
    ["a name that is empty at its end", "a/"],
    ["no name", ""],
    ["a name that is not UTF-8", "%FF"],
    ["a broken escape", "%"],
    ["a name that is too long", `${"x".repeat(256)}`],
    ["a path that is too long", `${"x/".repeat(1_600)}x`],
  ])("is refused with %s", async (_, path) => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const body = method === "PUT" ? { body: "x" } : {};
      expect((await send(method, `${base}/files/${path}`, body)).status).toBe(400);
    }
  });

  it("with dots never arrives: they are resolved before, and lead to no other session", async () => {
    for (const path of ["../../x", "%2e%2e/%2E%2e/x", ".%2e/x"]) {
      expect((await send("PUT", `${base}/files/${path}`, { body: "x" })).status).toBe(
        path === ".%2e/x" ? 404 : 405,
      );
    }
    expect((await put("a/../dots", "x")).status).toBe(201);
    expect((await get("dots")).text).toBe("x");
    for (const path of ["..", "a/../../b", "/etc", "a//b", ".", "a%00"]) {
      const query = `path=${path}`;
      expect((await send("GET", `${base}/files?${query}`)).status).toBe(400);
      expect((await send("GET", `${base}/archive?${query}`)).status).toBe(400);
    }
  });

  it("is written and deleted if it is as the client knows it", async () => {
    expect((await put("if", "1", { "If-Match": "*" })).status).toBe(412);
    const first = await put("if", "1", { "If-None-Match": "*" });
    expect(first.status).toBe(201);
    expect((await put("if", "2", { "If-None-Match": "*" })).status).toBe(412);
    const etag = first.headers.get("ETag") ?? "";
    expect((await put("if", "2", { "If-Match": `"x", ${etag}` })).status).toBe(204);
    expect((await put("if", "3", { "If-Match": etag })).status).toBe(412);
    expect((await put("if", "3", { "If-Match": "nonsense" })).status).toBe(412);
    const { headers } = await get("if");
    const weak = `W/${headers.get("ETag")}`;
    const remove = (match: string) =>
      send("DELETE", `${base}/files/if`, { headers: { "If-Match": match } });
    expect((await remove(weak)).status).toBe(412);
    expect((await remove(headers.get("ETag") ?? "")).status).toBe(204);
  });

  it("is not sent to a client that has it", async () => {
    const etag = (await put("cached", "1")).headers.get("ETag") ?? "";
    expect((await get("cached", { "If-None-Match": etag })).status).toBe(304);
    expect((await get("cached", { "If-None-Match": `"x", W/${etag}` })).status).toBe(304);
    expect((await get("cached", { "If-None-Match": '"x"' })).text).toBe("1");
    const { headers } = await get("cached");
    const at = headers.get("Last-Modified") ?? "";
    expect((await get("cached", { "If-Modified-Since": at })).status).toBe(304);
    expect((await get("cached", { "If-Modified-Since": at, "If-None-Match": '"x"' })).status).toBe(
      200,
    );
    expect((await get("cached", { "If-Match": '"x"' })).status).toBe(412);
  });

  it.each<[string, number, string, string | null]>([
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=4-", 206, "456789", "bytes 4-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    [`bytes=8-${"9".repeat(400)}`, 206, "89", "bytes 8-9/10"],
    ["bytes=0-0,2-3", 200, "0123456789", null],
    ["bytes=5-2", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
    ["bytes=10-", 416, "", "bytes */10"],
    [`bytes=${"9".repeat(400)}-`, 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
  ])("is sent in part: %s", async (range, status, text, contentRange) => {
    await put("range", "0123456789");
    const read = await get("range", { Range: range });
    expect([read.status, read.headers.get("Content-Range")]).toEqual([status, contentRange]);
    if (status < 400) expect(read.text).toBe(text);
  });

  it("is sent whole if it is no longer the one of which the client has a part", async () => {
    const etag = (await put("part", "0123456789")).headers.get("ETag") ?? "";
    const since = (await get("part")).headers.get("Last-Modified") ?? "";
    const range = { Range: "bytes=5-" };
    for (const same of [etag, since]) {
      expect((await get("part", { ...range, "If-Range": same })).text).toBe("56789");
    }
    expect((await get("part", { ...range, "If-Range": '"x"' })).text).toBe("0123456789");
  });

  it("that is empty is written and read", async () => {
    expect((await put("empty", "")).status).toBe(201);
    const read = await get("empty");
    expect([read.status, read.text]).toEqual([200, ""]);
    expect((await get("empty", { Range: "bytes=0-" })).status).toBe(416);
  });

  it("is sent as what it is, by its ending", async () => {
    for (const [name, type] of [
      ["page.HTML", "text/html; charset=utf-8"],
      ["a.svg", "image/svg+xml"],
      ["a.json", "application/json; charset=utf-8"],
      ["constructor", "application/octet-stream"],
      ["a.constructor", "application/octet-stream"],
      ["noending", "application/octet-stream"],
    ] as const) {
      await put(`types/${name}`, "<script>");
      expect((await get(`types/${name}`)).headers.get("Content-Type")).toBe(type);
    }
  });

  it("is refused if it is too large for the sandbox, or not a whole file", async () => {
    const large = await put("large", "x".repeat(20 * 1024 ** 2));
    expect([large.status, large.body.error.message]).toEqual([
      413,
      expect.stringContaining("8 MiB"),
    ]);
    expect((await get("large")).status).toBe(404);
    expect((await put("part", "x", { "Content-Range": "bytes 0-0/2" })).status).toBe(400);
    expect((await put("part", "x", { "Content-Encoding": "gzip" })).status).toBe(400);
  });

  it("is read by links that stay in the workspace", async () => {
    await run(
      id,
      call("Bash", {
        command:
          "echo secret > /tmp/s; echo in > in; ln -s in inner; ln -s /tmp/s outer; ln -s /tmp out",
      }),
    );
    expect((await get("inner")).text).toBe("in\n");
    for (const path of ["outer", "out/s"]) {
      expect((await get(path)).status).toBe(403);
      expect((await put(path, "x")).status).toBe(403);
    }
    expect((await send("GET", `${base}/files?path=out`)).status).toBe(403);
    expect((await send("GET", `${base}/archive?path=out`)).status).toBe(403);
  });
});

describe("the files of a session", () => {
  it("are listed in pages", async () => {
    for (const path of ["list/a", "list/b/c", "list/d"]) await put(path, "12");
    const list = (query: string) => send("GET", `${base}/files?path=list${query}`);
    const { body } = await list("&recursive=true&limit=2");
    expect(body.entries).toEqual([
      {
        ...{ path: "list/a", type: "file", size: 2, mode: "0644" },
        modifiedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      },
      expect.objectContaining({ path: "list/b", type: "directory", size: 0, mode: "0755" }),
    ]);
    const rest = await list(`&recursive=true&cursor=${body.nextCursor}`);
    expect(rest.body.entries.map(({ path }: { path: string }) => path)).toEqual([
      "list/b/c",
      "list/d",
    ]);
    expect(rest.body.nextCursor).toBeNull();
    expect((await send("GET", `${base}/files?cursor=${body.nextCursor}`)).status).toBe(400);
    for (const query of ["&limit=0", "&limit=1001", "&recursive=yes", "&cursor=x", "&x=1"]) {
      expect([query, (await list(query)).status]).toEqual([query, 400]);
    }
    expect((await send("GET", `${base}/files?path=list/a`)).body.error.reason).toBe(
      "not_a_directory",
    );
    expect((await send("GET", `${base}/files?path=none`)).status).toBe(404);
  });

  it("come as a tar archive", async () => {
    await put("tar/d/one.txt", "one");
    const archive = await send("GET", `${base}/archive?path=tar`);
    expect(archive.headers.get("Content-Disposition")).toBe("attachment; filename*=UTF-8''tar.tar");
    expect([...readEntries(archive.bytes)]).toMatchObject([
      { path: "d", kind: "directory" },
      { path: "d/one.txt", kind: "file", bytes: new TextEncoder().encode("one") },
    ]);
    const whole = await send("HEAD", `${base}/archive`);
    expect([whole.status, whole.text]).toEqual([200, ""]);
    expect(whole.headers.get("Content-Disposition")).toContain(`${id}.tar`);
  });

  it("of an unused session are none, and nothing is stored for looking", async () => {
    const unused = `/api/sessions/${(await client.create()).id}`;
    expect((await send("GET", `${unused}/files`)).body).toEqual({ entries: [], nextCursor: null });
    expect((await send("GET", `${unused}/files/x`)).status).toBe(404);
    expect((await send("DELETE", `${unused}/files/x`)).status).toBe(404);
    expect([...readEntries((await send("GET", `${unused}/archive`)).bytes)]).toEqual([]);
  });

  it("are not those of another owner, nor of a session that does not exist", async () => {
    const none = `/api/sessions/sess_${"0".repeat(32)}`;
    for (const path of [`${none}/files`, `${none}/archive`, `${none}/files/x`]) {
      expect((await send("GET", path)).status).toBe(404);
    }
    expect((await send("PUT", `${none}/files/x`, { body: "x" })).status).toBe(404);
  });

  it("of an ended session are read, and not changed", async () => {
    const { id: ended } = await client.create();
    const path = `/api/sessions/${ended}`;
    await send("PUT", `${path}/files/a`, { body: "kept" });
    await client.post(`${path}/terminate`);
    expect((await send("GET", `${path}/files/a`)).text).toBe("kept");
    expect((await send("GET", `${path}/files`)).body.entries).toHaveLength(1);
    expect((await send("PUT", `${path}/files/a`, { body: "x" })).body.error.reason).toBe(
      "session_ended",
    );
    expect((await send("DELETE", `${path}/files/a`)).body.error.reason).toBe("session_ended");
  });

  it("wake a session that sleeps if they are written, not if they are read", async () => {
    const { id: sleeper } = await client.create({ pattern: "hybrid", maxIdleTimeMs: 3_600_000 });
    const path = `/api/sessions/${sleeper}`;
    await send("PUT", `${path}/files/a`, { body: "1" });
    const before = value(await sessionOf(sleeper).read(US));
    await send("GET", `${path}/files/a`);
    const after = value(await sessionOf(sleeper).read(US));
    expect(after.lastActivityAt).toBe(before.lastActivityAt);
    expect(after.status).toBe("active");
    await send("PUT", `${path}/files/a`, { body: "2" });
    const written = value(await sessionOf(sleeper).read(US));
    expect(written.lastActivityAt).toBeGreaterThan(before.lastActivityAt ?? 0);
  });
});

describe("who may", () => {
  it("read files by a link that may read, and write them by none", async () => {
    await put("shared", "for you");
    for (const access of ["read", "write"]) {
      const { body } = await client.post(`${base}/shares`, { access });
      const { token } = body as { token: string };
      const guest = aClient(undefined, { Authorization: `Bearer ${token}` });
      expect(await (await guest.raw("GET", `${base}/files/shared`)).text()).toBe("for you");
      expect((await guest.raw("GET", `${base}/files?path=list`)).status).toBe(200);
      expect((await guest.raw("GET", `${base}/archive?path=tar`)).status).toBe(200);
      expect((await client.raw("GET", `${base}/files?token=${token}`)).status).toBe(200);
      for (const method of ["PUT", "DELETE"]) {
        expect((await guest.raw(method, `${base}/files/shared`)).status).toBe(403);
      }
      const other = `/api/sessions/${(await client.create()).id}`;
      expect((await guest.raw("GET", `${other}/files`)).status).toBe(404);
    }
  });
});

describe("an agent", () => {
  it("does not overwrite what a caller has written since it saw it, nor is bothered else", async () => {
    const { id: own } = await client.create();
    const file = (text: string) => send("PUT", `/api/sessions/${own}/files/a.txt`, { body: text });
    const path = "/workspace/a.txt";
    const edit = call("Edit", { file_path: path, old_string: "one", new_string: "two" });
    const write = call("Write", { file_path: path, content: "agent" });
    const read = call("Read", { file_path: path });
    const errors = async (...lines: string[]) => {
      await run(own, lines.join("\n"));
      const done = (await eventsIn(own)).filter(({ type }) => type === "tool.completed");
      return done.slice(-lines.length).map(({ isError }) => isError);
    };
    expect(await errors(write, edit.replace("one", "agent"))).toEqual([false, false]);
    expect(await seenRows(own)).toBe(0);
    await file("one");
    expect(await errors(write, edit)).toEqual([true, true]);
    expect(await errors(read, edit)).toEqual([false, false]);
    await file("one again");
    expect(await errors(edit, write, read, write)).toEqual([true, true, false, false]);
    const refused = await send("PUT", `/api/sessions/${own}/files/a.txt`, {
      body: "x",
      headers: { "If-Match": '"x"' },
    });
    expect(refused.status).toBe(412);
    expect(await errors(write)).toEqual([false]);
    expect(await errors(call("Write", { file_path: "/workspace/b.txt", content: "b" }))).toEqual([
      false,
    ]);
  });
});

async function seenRows(session: string): Promise<number> {
  return runInDurableObject(env.SESSIONS.getByName(session), (_, { storage }) =>
    Number(storage.sql.exec("SELECT count(*) AS n FROM seen_files").one().n),
  );
}
