// Repositories of the git server outside of the Worker under test: see vendors/git.ts.

const SERVER = "https://git.example.com";

/** A repository of the server. */
export interface TestRepository {
  name: string;
  url: string;
  /** Adds a commit to a branch, `main` by default. Returns its id. */
  commit(files: Record<string, string>, more?: { branch?: string; tag?: string }): Promise<string>;
  /** Returns a file as a branch has it. */
  file(branch: string, path: string): Promise<string>;
  /** Lets the next requests fail with these statuses. */
  fail(...statuses: number[]): Promise<unknown>;
  /** Returns the requests so far. */
  requests(): Promise<string[]>;
}

/** Returns a new repository with a name that begins so. */
export function aRepository(prefix = "public"): TestRepository {
  const name = `${prefix}-${crypto.randomUUID().slice(0, 8)}`;
  const ask = (what: string, body?: unknown) =>
    fetch(`${SERVER}/-/${name}/${what}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    });
  return {
    name,
    url: `${SERVER}/${name}.git`,
    async commit(files, more = {}) {
      const { commit } = await (await ask("commits", { files, ...more })).json<{
        commit: string;
      }>();
      return commit;
    },
    file: async (branch, path) => (await ask(`file/${branch}:${path}`)).text(),
    fail: (...statuses) => ask("faults", statuses),
    requests: async () => (await ask("requests")).json(),
  };
}

/** Returns the token of a private repository. */
export const tokenFor = ({ name }: TestRepository): string => `token-of-${name}`;
