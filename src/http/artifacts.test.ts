import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readSettings } from "../settings";
import { aClient, local } from "../testing/api-client";
import { call } from "../testing/sessions";
import { sha256Hex } from "./ids";

const Artifact = z.looseObject({ id: z.string(), path: z.string(), sha256: z.string() });
const Page = z.object({ artifacts: z.array(Artifact), nextCursor: z.string().nullable() });

const client = aClient();
const write = (path: string, content: string) =>
  call("Write", { file_path: `/workspace/${path}`, content });

let id: string;
let path: string;
let messageIds: string[];

/** Returns the artifacts of a session that has three, of two messages. */
async function list(query = "") {
  const { status, body } = await client.get(`${path}/artifacts${query}`);
  expect(status).toBe(200);
  return Page.parse(body);
}

beforeAll(async () => {
  ({ id } = await client.create({ config: { artifacts: ["*.html", 'n"ö%.txt'] } }));
  path = `/api/sessions/${id}`;
  const one = [write("a.html", "<script>1</script>"), "done"].join("\n");
  const two = [write("a.html", "0123456789"), write('n"ö%.txt', ""), "done"].join("\n");
  messageIds = [];
  for (const prompt of [one, two]) messageIds.push((await client.ask(id, { prompt })).messageId);
});

describe("the list of artifacts", () => {
  it("is newest first, in pages, and can be of a path or a message", async () => {
    const { artifacts, nextCursor } = await list();
    expect(artifacts).toHaveLength(3);
    expect(nextCursor).toBeNull();
    const [newest, middle, oldest] = artifacts;
    expect(oldest).toMatchObject({ path: "a.html", messageId: messageIds[0], sessionId: id });
    const first = await list("?limit=2");
    expect(first).toEqual({ artifacts: [newest, middle], nextCursor: expect.any(String) });
    expect(await list(`?limit=2&cursor=${first.nextCursor}`)).toEqual({
      artifacts: [oldest],
      nextCursor: null,
    });
    expect((await list("?path=a.html")).artifacts.map((one) => one.path)).toEqual([
      ...["a.html", "a.html"],
    ]);
    expect((await list(`?messageId=${messageIds[0]}`)).artifacts).toEqual([oldest]);
    expect((await list("?path=none")).artifacts).toEqual([]);
    expect((await client.get(`${path}/artifacts/${newest?.id}`)).body).toEqual(newest);
  });

  it("is empty in a session that publishes nothing", async () => {
    const { id } = await client.create();
    const { body } = await client.get(`/api/sessions/${id}/artifacts`);
    expect(body).toEqual({ artifacts: [], nextCursor: null });
  });

  it.each(["?limit=0", "?limit=101", "?cursor=x", "?all=1", "?path="])(
    "refuses the query %s",
    async (query) => {
      expect((await client.get(`${path}/artifacts${query}`)).status).toBe(400);
    },
  );
});

describe("the content of an artifact", () => {
  const contentOf = async (of: string) => {
    const [{ id, sha256 } = { id: "", sha256: "" }] = (await list(of)).artifacts;
    return { sha256, answer: await client.raw("GET", `${path}/artifacts/${id}/content`) };
  };

  it("is downloaded under its name, and is no page", async () => {
    const { answer, sha256 } = await contentOf(`?messageId=${messageIds[0]}`);
    expect(await answer.text()).toBe("<script>1</script>");
    expect(sha256).toBe(await sha256Hex("<script>1</script>"));
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-length": "18",
      "content-disposition": "attachment; filename*=UTF-8''a.html",
      "accept-ranges": "bytes",
      etag: `"${sha256}"`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cache-control": "private, no-cache",
    });
    const { answer: named } = await contentOf(`?path=${encodeURIComponent('n"ö%.txt')}`);
    expect(await named.text()).toBe("");
    expect(named.headers.get("Content-Disposition")).toBe(
      "attachment; filename*=UTF-8''n%22%C3%B6%25.txt",
    );
  });

  it.each<[string, number, string, string | null]>([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-4", 206, "6789", "bytes 6-9/10"],
    ["bytes=0-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
    ["bytes=0-1,4-5", 200, "0123456789", null],
    ["bytes=4-2", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
  ])("with the range %s is answered with %d %s", async (range, status, text, said) => {
    const [{ id } = { id: "" }] = (await list("?path=a.html")).artifacts;
    const of = `${path}/artifacts/${id}/content`;
    const answer = await client.raw("GET", of, { headers: { Range: range } });
    expect([answer.status, answer.headers.get("Content-Range")]).toEqual([status, said]);
    if (status !== 416) expect(await answer.text()).toBe(text);
    else expect(await answer.json()).toMatchObject({ error: { type: "range_not_satisfiable" } });
  });

  it("is not sent again to who has it, nor to HEAD", async () => {
    const [{ id, sha256 } = { id: "", sha256: "" }] = (await list("?path=a.html")).artifacts;
    const of = `${path}/artifacts/${id}/content`;
    const etag = `"${sha256}"`;
    const ask = (headers: Record<string, string>, method = "GET") =>
      client.raw(method, of, { headers });
    expect((await ask({ "If-None-Match": `"x", W/${etag}` })).status).toBe(304);
    expect((await ask({ "If-None-Match": "*" })).status).toBe(304);
    expect((await ask({ "If-None-Match": '"x"' })).status).toBe(200);
    expect((await ask({ Range: "bytes=1-1", "If-Range": etag })).status).toBe(206);
    expect((await ask({ Range: "bytes=1-1", "If-Range": '"x"' })).status).toBe(200);
    const head = await ask({}, "HEAD");
    expect([head.status, head.headers.get("Content-Length")]).toEqual([200, "10"]);
    expect(await head.text()).toBe("");
  });

  it("can be read by a share link, and by nobody else", async () => {
    const made = await client.post(`${path}/shares`, { access: "read" });
    const { token } = z.looseObject({ token: z.string() }).parse(made.body);
    const [{ id } = { id: "" }] = (await list("?path=a.html")).artifacts;
    const of = `${path}/artifacts/${id}/content`;
    const shared = aClient(local, { Authorization: `Bearer ${token}` });
    expect(await (await shared.raw("GET", of)).text()).toBe("0123456789");
    expect((await shared.get(`${path}/artifacts`)).status).toBe(200);
    const other = await client.create();
    expect((await shared.get(`/api/sessions/${other.id}/artifacts`)).status).toBe(404);
    const keys = [{ name: "k", owner: "mallory", sha256: await sha256Hex("mallory") }];
    const stranger = aClient(readSettings({ API_KEYS: JSON.stringify(keys) }), {
      Authorization: "Bearer mallory",
    });
    for (const at of [`${path}/artifacts`, `${path}/artifacts/${id}`, of]) {
      expect((await stranger.get(at)).status).toBe(404);
    }
    // An artifact is that of its own session only.
    for (const name of [id, `art_${"0".repeat(64)}`, "art_1", ".."]) {
      const asked = `/api/sessions/${other.id}/artifacts/${name}/content`;
      expect((await client.raw("GET", asked)).status).toBe(404);
    }
  });

  it("is a 503 while the bucket can't be reached", async () => {
    const get = vi.spyOn(env.SNAPSHOTS, "get").mockRejectedValueOnce(new Error("down"));
    const [{ id } = { id: "" }] = (await list("?path=a.html")).artifacts;
    expect((await client.get(`${path}/artifacts/${id}/content`)).status).toBe(503);
    get.mockRestore();
  });
});
