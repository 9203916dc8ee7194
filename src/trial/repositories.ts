import { strict as assert } from "node:assert";
import { randomBytes, randomUUID } from "node:crypto";
import { standInGit } from "../testing/vendors/git.ts";
import { serveHandler } from "../testing/vendors/local-machine.ts";
import { type Json, note, openTrial, type Trial, until } from "./client.ts";
import { containers, startedSince, traces } from "./docker.ts";

// Trials of repositories: real git in a container, and a git server that it reaches by way of the Worker.

const git = standInGit();
const HOST = "https://git.example.com";

/** Returns a new repository, to which only those with its token have access. */
function aRepository() {
  const name = `private-${randomUUID().slice(0, 8)}`;
  const ask = (what: string, body?: object) =>
    git.handle(
      new Request(`${HOST}/-/${name}/${what}`, {
        ...(body && { method: "POST", body: JSON.stringify(body) }),
      }),
    );
  return {
    url: `${HOST}/${name}.git`,
    token: `token-of-${name}`,
    async commit(files: Record<string, string>): Promise<string> {
      return ((await (await ask("commits", { files })).json()) as { commit: string }).commit;
    },
    file: async (path: string) => (await ask(`file/main:${path}`)).text(),
    requests: async () => (await (await ask("requests")).json()) as string[],
  };
}

/** Checks what sessions do with repositories. Returns the number of rules that did not hold. */
export async function tryRepositories(): Promise<number> {
  const { url, close } = await serveHandler(git.handle);
  const vars = { OFFLINE_MODEL: "true", GIT_SERVER: url };
  const trial = await openTrial(vars, "src/trial/workers/rigger.ts");
  for (const runtime of ["loop", "claude-code"]) await tryClone(trial, runtime);
  await tryLarge(trial);
  close();
  return trial.broken();
}

const network = { allow: ["default", "git.example.com"] };

async function tryClone({ rule, create, call, bash }: Trial, runtime: string): Promise<void> {
  await rule(
    `${runtime}: a repository is there at the first command, is pulled and pushed, and its token is nowhere`,
    async () => {
      const started = startedSince(containers);
      const repository = aRepository();
      const { url, token } = repository;
      const commit = await repository.commit({ "README.md": "one" });
      const config = {
        runtime,
        sandbox: { network },
        repositories: [{ url, path: "code", token }],
      };
      const id = await create({ pattern: "long-running", config });
      const seen = await bash(id, "cd code; git rev-parse HEAD && git status -sb");
      assert.match(seen, new RegExp(`${commit}\\s+## main...origin/main`));
      await repository.commit({ more: "two" });
      const author = "-c user.name=A -c user.email=a@example.com";
      const push = `echo three > more && git ${author} commit -qam three && git push -q`;
      assert.match(await bash(id, `git pull -q && cat more && ${push}`), /two/);
      assert.equal(await repository.file("more"), "three");
      // The user agent works in the clone that root has made.
      assert.doesNotMatch(await bash(id, "git status -s && touch new"), /denied|fatal/);
      const [container = ""] = started();
      for (const secret of [token, btoa(`x-access-token:${token}`)]) {
        const [files, processes = ""] = traces(container, secret, "agent");
        assert.equal(files, "searched\n");
        assert.match(processes, /rigger/);
        assert(!processes.includes(secret));
      }
      await call("DELETE", `/sessions/${id}`);
    },
  );
}

async function tryLarge({ rule, create, call, bash }: Trial): Promise<void> {
  await rule(
    "a large repository is cloned and set up once, and taken over after that",
    async () => {
      const repository = aRepository();
      const { url, token } = repository;
      const text = (bytes: number) => randomBytes(bytes).toString("base64");
      const small = Array.from({ length: 3_000 }, (_, n) => [
        `src/${n % 50}/${n}.txt`,
        text(1_500),
      ]);
      const large = Array.from({ length: 40 }, (_, n) => [`assets/${n}.bin`, text(1_000_000)]);
      await repository.commit(Object.fromEntries([...small, ...large]));
      const fill = [
        "for n in range(5_000):",
        "  open('built/%d.js' % n, 'w').write('export const n = %d;\\n' % n * 200)",
      ].join("\n");
      const config = {
        sandbox: { network },
        repositories: [{ url, path: ".", token }],
        setup: [`mkdir built && python3 -c "${fill}"`, "date +%s%N > built/made.txt"],
      };
      const read = (id: string) => call("GET", `/sessions/${id}`);
      /** Creates a session, and waits until it is set up. Returns its id and how long that took. */
      const prepared = async (): Promise<[string, number]> => {
        const began = Date.now();
        const id = await create({ pattern: "hybrid", config });
        await until(async () => (await read(id)).status !== "initializing", 300);
        return [id, Date.now() - began];
      };
      const look =
        "cat built/made.txt; git status -sb; git fsck 2>&1; ls built src/7 assets | wc -l";
      const [first, firstMs] = await prepared();
      const seen = await bash(first, look);
      const asked = (await repository.requests()).length;
      const [next, nextMs] = await prepared();
      assert.equal(await bash(next, look), seen);
      assert.match(seen, /## main\.\.\.origin\/main/);
      // Only its commit was looked up.
      assert.equal((await repository.requests()).length, asked + 2);
      const steps = ((await call("GET", `/sessions/${first}/events`)).events as Json[])
        .filter(({ type }) => type === "setup.completed")
        .map(({ kind, durationMs }) => `${kind} ${durationMs} ms`);
      note(`first session ${firstMs} ms (${steps.join(", ")}), next one ${nextMs} ms`);
      for (const id of [first, next]) await call("DELETE", `/sessions/${id}`);
    },
  );
}
