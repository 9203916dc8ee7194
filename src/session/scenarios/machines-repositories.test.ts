import { afterAll, describe, expect, it, vi } from "vitest";
import { bashIn } from "../../testing/container-sessions";
import { HAS_CONTAINERS } from "../../testing/containers";
import { withoutPauses } from "../../testing/faults";
import { machineSessions } from "../../testing/machine-sessions";
import { answerMachines } from "../../testing/machines";
import { aRepository, tokenFor } from "../../testing/repositories";
import { eventsOf, read, rowOf, typesOf, until } from "../../testing/sessions";
import type { Repository, SessionConfig } from "../rpc";

// Real git in machines of a stand-in, and a real git server outside, which machines with a token reach by way of the Worker.

vi.setConfig({ testTimeout: 60_000 });

const answering = answerMachines();
afterAll(() => answering.stop());

describe.runIf(HAS_CONTAINERS)("the repositories of a session", () => {
  const { create } = machineSessions("e2b");
  const network = { allow: ["default", "git.example.com"] };

  /** Creates a session, and waits until it is set up. Returns its id. */
  async function prepared(given: Repository[], config: SessionConfig = {}): Promise<string> {
    // Machines reach the server by way of the Worker, as they do with a token, and not directly.
    const repositories = given.map((repository) => ({ token: "any", ...repository }));
    const id = await create({ config: { ...config, sandbox: { network }, repositories } });
    await until(async () => (await read(id)).status !== "initializing", 20_000);
    return id;
  }
  const eventOf = async (id: string, wanted: string) =>
    (await eventsOf(id)).find(({ type }) => type === wanted);

  it("are cloned with a token that is nowhere in the machine, and are pulled and pushed by git", async () => {
    const repository = aRepository("private");
    const { url } = repository;
    const commit = await repository.commit({ "README.md": "one" });
    const token = tokenFor(repository);
    const id = await prepared([{ url, path: "code", token }]);
    expect(await bashIn(id, "cd code && git rev-parse HEAD && git status -sb")).toContain(
      `${commit}\n## main...origin/main`,
    );
    await repository.commit({ more: "two" });
    const work = [
      "git pull -q && cat more && echo three > more",
      "git -c user.name=A -c user.email=a@example.com commit -qam three && git push -q",
    ];
    expect(await bashIn(id, work.join(" && "))).toContain("two");
    expect(await repository.file("main", "more")).toBe("three");
    const files = "grep -raE 'token-of|dG9rZW4tb2' /workspace /opt/rigger | head -3";
    const seen = [
      await bashIn(id, `env; git config --list; ${files}`),
      JSON.stringify(await eventsOf(id)),
      JSON.stringify(await rowOf(id)),
      JSON.stringify(await read(id)),
    ].join("\n");
    // Git sends the placeholder, which the Worker replaces.
    expect(seen).toContain(btoa("x-access-token:rigger_secret_").slice(0, 36));
    expect(seen).not.toContain(token);
    expect(seen).not.toContain(btoa(`x-access-token:${token}`));
    // A session that starts from this one has the token too, or another one that is given for it.
    const resume = { resumeSessionId: id };
    const again = await prepared([], resume);
    expect(await bashIn(again, "git -C /workspace/code fetch && echo fetched")).toContain(
      "fetched",
    );
    const other = await prepared([{ url, token: "revoked" }], resume);
    expect(await bashIn(other, "git -C /workspace/code fetch || echo refused")).toContain(
      "refused",
    );
    expect(await typesOf(other)).not.toContain("setup.started");
  });

  it("are at the commit of a branch, a tag or a commit, with as much history as was asked for", async () => {
    const [one, old] = [aRepository(), aRepository("old")];
    const made: string[] = [];
    for (const repository of [one, old]) {
      made.push(await repository.commit({ a: "1" }, { tag: "v1" }));
      await repository.commit({ a: "2" }, { branch: "next" });
      await repository.commit({ b: "3" });
    }
    const [v1 = "", v1Old = ""] = made;
    const id = await prepared([
      { url: one.url },
      { url: one.url, path: "next", ref: "next", depth: 1 },
      { url: one.url, path: "tag", ref: "v1" },
      { url: one.url, path: "commit", ref: v1, depth: 1 },
      // The server gives no commit that is not at a ref.
      { url: old.url, path: "old", ref: v1Old, depth: 1 },
      { url: old.url, path: "deep/older", ref: "refs/heads/main", depth: 1 },
    ]);
    const look = `for dir in ${one.name} next tag commit old deep/older; do
      echo $dir $(git -C $dir rev-list --count HEAD) $(git -C $dir branch --show-current) $(cat $dir/a)
    done`;
    const said = (await bashIn(id, look)).split("returned: ")[1]?.split("\n");
    expect(said).toEqual([
      ...[`${one.name} 2 main 1`, "next 1 next 2", "tag 1 1", "commit 1 1"],
      ...["old 1 1", "deep/older 1 main 1"],
    ]);
    expect(await bashIn(id, "git -C next pull && git -C deep/older pull")).toContain("up to date");
  });

  it("are taken over by the next session at the same commit, and cloned again at another", async () => {
    const repository = aRepository();
    const { url, name } = repository;
    const commit = await repository.commit({ a: "1" });
    const setup = [`echo built > ${name}/built`];
    await prepared([{ url }], { setup });
    const asked = (await repository.requests()).length;
    const next = await prepared([{ url: `${url}/` }], { setup });
    expect(await eventOf(next, "setup.reused")).toMatchObject({
      repositories: [{ url, path: name, commit }],
    });
    expect(await bashIn(next, `cat ${name}/built && git -C ${name} status -sb`)).toMatch(
      /built\n## main\.\.\.origin\/main/,
    );
    // Only its commit was looked up.
    expect((await repository.requests()).slice(asked)).toEqual([
      "GET /info/refs",
      "POST /git-upload-pack",
    ]);
    const newer = await repository.commit({ a: "2" });
    const last = await prepared([{ url }], { setup });
    expect(await eventOf(last, "setup.started")).toMatchObject({ commit: newer, path: name });
  });

  it("end the session if one can't be cloned, and are tried again if the server fails for a while", async () => {
    const [busy, secret] = [aRepository(), aRepository("private")];
    await busy.commit({ a: "1" });
    await secret.commit({ a: "1" });
    await busy.fail(503, 500);
    const id = await withoutPauses(() => prepared([{ url: busy.url }]), 1 / 20);
    expect((await read(id)).status).toBe("active");
    const refused = await prepared([{ url: secret.url, token: "wrong" }]);
    const { error } = await read(refused);
    expect(error).toMatchObject({ type: "upstream_error", reason: "setup_failed" });
    expect(error?.message).toMatch(/^A repository can't be cloned: git.example.com answered 401/);
    const nowhere = await prepared([{ url: busy.url, ref: "gone" }]);
    expect((await read(nowhere)).error?.message).toContain('it has no branch or tag "gone"');
  });
});
