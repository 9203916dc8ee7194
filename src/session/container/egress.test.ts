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

/** What commands of a session see of a variable. */
const seen = async (id: string, name: string) =>
  (await ask(id, `/Bash {"command":"echo $${name}"}`)).result?.match(/returned: (\S+)/)?.[1];

describe("a session's outgoing requests", () => {
  it("go to the default hosts unless its config says otherwise, and the model is no exception", async () => {
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

  it("for the model go to the model where a program in the sandbox is the agent", async () => {
    const config = { runtime: "claude-code", sandbox: { network: "none" } } as const;
    const id = await createSession({ config });
    expect(await egress(id, "api.anthropic.com")).toEqual({ to: "model" });
    expect(await egress(id, "github.com")).toEqual(NOWHERE);
  });

  it("of one that was never made, has ended or is removed go nowhere, and leave nothing behind", async () => {
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

describe("a page", () => {
  it("is not fetched while nobody can say where its name leads", async () => {
    const id = await createSession();
    const prompt = '/WebFetch {"url":"https://example.com/","prompt":"What is it?"}';
    expect((await ask(id, prompt)).result).toContain(
      "the address of example.com could not be checked (the DNS resolver answered 599)",
    );
  });
});

describe("a secret of a session", () => {
  it("is a placeholder in its commands, the same after a loss, and its value only for its hosts", async () => {
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

  it("is inherited by a resumed session with its placeholder, since files may hold that", async () => {
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

  it("is in no view, no event, no transcript and not in the index; a snapshot keeps it with the environment", async () => {
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
