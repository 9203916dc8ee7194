import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { Account } from "../../account/account";
import { accountOf } from "../../account/address";
import { readSettings } from "../../settings";
import { aClient } from "../../testing/api-client";
import { mcpServer } from "../../testing/mcp";
import { bash, objectOf } from "../../testing/sessions";
import { sha256Hex } from "../ids";

// Plants secrets, does what a client can do, well and badly, and looks for them wherever Rigger writes.

const Made = z.looseObject({ id: z.string() });
const WithKey = Made.extend({ key: z.string() });
const WithToken = Made.extend({ token: z.string() });

afterEach(() => vi.restoreAllMocks());

/** Returns all that an object stores, as text. */
const storedBy = (object: DurableObjectStub) =>
  runInDurableObject(object, (_, { storage: { sql, kv } }) => {
    const tables = sql
      .exec(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray();
    const rows = tables.map(({ name }) => sql.exec(`SELECT * FROM "${name}"`).toArray());
    return JSON.stringify([rows, [...kv.list()]]);
  });

/** Returns all rows of the index, as text. */
async function indexed(): Promise<string> {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  ).all<{ name: string }>();
  const rows = results.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`).all());
  return JSON.stringify((await Promise.all(rows)).map(({ results }) => results));
}

it("no secret of a client is in an answer, an event, the log, the index, or what an object stores", async () => {
  const logged: string[] = [];
  for (const level of ["debug", "info", "log", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((...words) => {
      logged.push(words.map(String).join(" "));
    });
  }
  const answers: string[] = [];
  const setting = `setting-${crypto.randomUUID()}`;
  const owner = `owner-${crypto.randomUUID()}`;
  const entry = { name: "root", owner, sha256: await sha256Hex(setting), admin: true };
  const settings = readSettings({ API_KEYS: JSON.stringify([entry]) });
  /** Sends a request with a secret and returns the answer's text. What makes a secret is not kept. */
  const send = async (
    secret: string,
    method: string,
    path: string,
    body?: unknown,
    keep = true,
  ) => {
    const client = aClient(settings, { Authorization: `Bearer ${secret}` });
    const text = await (await client.raw(method, path, { body })).text();
    if (keep) answers.push(text);
    return text;
  };
  const make = async <T>(kind: z.ZodType<T>, secret: string, path: string, body: unknown) =>
    kind.parse(JSON.parse(await send(secret, "POST", path, body, false)));

  const scopes = ["sessions:write", "keys:write"];
  const first = await make(WithKey, setting, "/api/keys", { name: "ci", scopes });
  const second = await make(WithKey, setting, `/api/keys/${first.id}/rotate`, { graceMs: 60_000 });
  const hidden = `hidden-${crypto.randomUUID()}`;
  const server = mcpServer("modern", { headers: { Authorization: `Bearer ${hidden}` } });
  await server.state({ access: "another" });
  const config = {
    env: { TOKEN: { secret: hidden, hosts: ["api.example.com"] } },
    mcpServers: { one: server.config },
  };
  const session = await make(Made, first.key, "/api/sessions", { pattern: "hybrid", config });
  const path = `/api/sessions/${session.id}`;
  const share = await make(WithToken, second.key, `${path}/shares`, { access: "write" });
  const secrets = [setting, first.key, second.key, share.token, hidden];

  // What works.
  const prompt = `${bash("echo $TOKEN; env; exit 3")}\n${bash("cat /etc/passwd")}\ndone`;
  await send(share.token, "POST", `${path}/message`, { prompt });
  await send(second.key, "POST", `${path}/message`, { prompt: "/fail 401 times=9\nhello" });
  for (const secret of [setting, first.key, second.key, share.token]) {
    for (const below of [
      "",
      "/messages",
      "/events",
      "/shares",
      "/export",
      "/snapshots",
      "/mcp-servers",
    ]) {
      await send(secret, "GET", `${path}${below}`);
      await send(secret, "GET", `${path}${below}?token=${share.token}`);
    }
    for (const other of ["/api/me", "/api/keys", "/api/sessions", "/api/pool", "/nowhere"]) {
      await send(secret, "GET", other);
    }
  }
  await send(second.key, "POST", `${path}/snapshots`);
  // What is wrong, with a secret where none belongs.
  for (const secret of secrets) {
    await send(secret.replace(/.$/, "x"), "GET", "/api/me");
    await send(second.key, "GET", `/api/sessions/${encodeURIComponent(secret)}`);
    await send(second.key, "DELETE", `/api/keys/${encodeURIComponent(secret)}`);
  }
  // What fails inside, with an error that quotes them.
  const error = new Error(`SELECT ${secrets.slice(1, 4).join(" ")}: no such column`);
  vi.spyOn(Account.prototype, "key").mockRejectedValue(error);
  expect(await send(setting, "GET", `/api/keys/${first.id}`)).toContain("api_error");
  await send(first.key, "DELETE", `${path}/shares/${share.id}`);
  await send(second.key, "DELETE", `/api/keys/${first.id}`);
  await send(share.token, "GET", path);
  await send(first.key, "GET", "/api/me");

  expect(logged.join("\n")).toContain("[redacted]");
  const account = env.ACCOUNTS.getByName(await accountOf(owner));
  const objects = `${await storedBy(account)} ${await storedBy(objectOf(session.id))}`;
  expect(objects).toContain(await sha256Hex(second.key));
  const index = await indexed();
  expect(index).toContain(session.id);
  for (const [n, secret] of secrets.entries()) {
    expect(
      answers.filter((text) => text.includes(secret)),
      `answers, secret ${n}`,
    ).toEqual([]);
    expect(
      logged.filter((text) => text.includes(secret)),
      `log, secret ${n}`,
    ).toEqual([]);
    expect(index.includes(secret), `index, secret ${n}`).toBe(false);
    // This deployment has no ENCRYPTION_KEYS, so that `env` and `mcpServers` are stored as they are.
    expect(objects.includes(secret), `objects, secret ${n}`).toBe(secret === hidden);
  }
});
