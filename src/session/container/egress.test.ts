import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  ALICE,
  ask,
  createSession,
  lose,
  newSessionId,
  objectOf,
  sessionOf,
  tablesOf,
  value,
} from "../../testing/sessions";
import { SnapshotBucket, snapshotKey } from "../storage/snapshot-bucket";

const TOKEN = { secret: "s3cret-value", hosts: ["api.github.com"] };
const NOWHERE = { to: "nowhere" };
const egress = (id: string, host: string) => sessionOf(id).egress(host);

/** Returns the value of a variable in the session's commands. */
const seen = async (id: string, name: string) =>
  (await ask(id, `/Bash {"command":"echo $${name}"}`)).result?.match(/returned: (\S+)/)?.[1];

describe("a session's outgoing requests", () => {
  it("may go to the default hosts only, unless its config says otherwise, and not to the model", async () => {
    const id = await createSession();
    expect(await egress(id, "github.com")).toEqual({ to: "host", replacements: [] });
    expect(await egress(id, "example.com")).toEqual(NOWHERE);
    expect(await egress(id, "api.anthropic.com")).toEqual(NOWHERE);

    const none = await createSession({ config: { sandbox: { network: "none" } } });
    expect(await egress(none, "github.com")).toEqual(NOWHERE);
    const one = await createSession({ config: { sandbox: { network: { allow: ["*.a.com"] } } } });
    expect(await egress(one, "b.a.com")).toMatchObject({ to: "host" });
    expect(await egress(one, "github.com")).toEqual(NOWHERE);
  });

  it("to the API's hosts go to the model if the runtime is Claude Code", async () => {
    const config = { runtime: "claude-code", sandbox: { network: "none" } } as const;
    const id = await createSession({ config });
    expect(await egress(id, "api.anthropic.com")).toEqual({ to: "model" });
    expect(await egress(id, "github.com")).toEqual(NOWHERE);
  });

  it("go nowhere and leave no storage if the session does not exist, has ended or is removed", async () => {
    const unknown = newSessionId();
    expect(await egress(unknown, "github.com")).toEqual(NOWHERE);
    expect(await tablesOf(objectOf(unknown))).toEqual([]);

    const id = await createSession({ config: { env: { TOKEN } } });
    expect(await egress(id, "api.github.com")).toMatchObject({ to: "host" });
    value(await sessionOf(id).terminate(ALICE, "done"));
    expect(await egress(id, "api.github.com")).toEqual(NOWHERE);
    value(await sessionOf(id).remove(ALICE));
    expect(await egress(id, "api.github.com")).toEqual(NOWHERE);
  });
});

describe("fetching a page", () => {
  it("fails if its host name can't be resolved", async () => {
    const id = await createSession();
    const prompt = '/WebFetch {"url":"https://example.com/","prompt":"What is it?"}';
    expect((await ask(id, prompt)).result).toContain(
      "the address of example.com could not be checked (the DNS resolver answered 599)",
    );
  });
});

describe("a secret of a session", () => {
  it("is a stable placeholder in commands and has its value only in requests to its hosts", async () => {
    const id = await createSession({ config: { env: { TOKEN, PLAIN: "plain" } } });
    const placeholder = await seen(id, "TOKEN");
    expect(placeholder).toMatch(/^rigger_secret_/);
    expect(await seen(id, "PLAIN")).toBe("plain");
    await lose(id);
    expect(await seen(id, "TOKEN")).toBe(placeholder);
    expect(await egress(id, "api.github.com")).toEqual({
      to: "host",
      replacements: [{ placeholder, value: TOKEN.secret }],
    });
    expect(await egress(id, "github.com")).toEqual({ to: "host", replacements: [] });
  });

  it("keeps its placeholder in a resumed session, since files may contain it", async () => {
    const origin = await createSession({ pattern: "hybrid", config: { env: { TOKEN } } });
    const placeholder = await seen(origin, "TOKEN");
    const same = await createSession({ config: { resumeSessionId: origin } });
    expect(await seen(same, "TOKEN")).toBe(placeholder);
    const env = { TOKEN: { secret: "renewed", hosts: ["gitlab.com"] } };
    const renewed = await createSession({ config: { resumeSessionId: origin, env } });
    expect(await seen(renewed, "TOKEN")).toBe(placeholder);
    expect(await egress(renewed, "api.github.com")).toEqual({ to: "host", replacements: [] });
    expect(await egress(renewed, "gitlab.com")).toMatchObject({
      replacements: [{ placeholder, value: "renewed" }],
    });
  });

  it("appears in no response, event, transcript or index row, and in a snapshot only in the environment", async () => {
    const id = await createSession({ pattern: "hybrid", config: { env: { TOKEN } } });
    await ask(id, '/Bash {"command":"env; set"}');
    const snapshot = value(await sessionOf(id).snapshot(ALICE));
    const row = await env.DB.prepare("SELECT * FROM agent_sessions WHERE id = ?").bind(id).first();
    const told = [
      value(await sessionOf(id).read(ALICE)),
      value(await sessionOf(id).messages(ALICE, { after: 0, limit: 100 })),
      value(await sessionOf(id).events(ALICE, { after: 0, limit: 1_000 })),
      snapshot,
      row,
      await new SnapshotBucket(env.SNAPSHOTS).part(snapshotKey(snapshot.id), 1),
    ];
    expect(JSON.stringify(told)).not.toContain(TOKEN.secret);
    const manifest = await new SnapshotBucket(env.SNAPSHOTS).manifest(snapshotKey(snapshot.id));
    expect(manifest?.env).toEqual({ TOKEN: { ...TOKEN, placeholder: await seen(id, "TOKEN") } });
  });
});
