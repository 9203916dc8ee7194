import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";

// A git server over HTTP: the `git http-backend` of this computer. Those who can't run git change repositories by requests
// below `/-/`. A repository whose name begins with `private` needs the token `token-of-<name>`, and a server of one whose
// name begins with `old` knows only version 0 of the protocol.

const run = promisify(execFile);

const ENV = {
  PATH: process.env.PATH ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  ...{ GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@example.com" },
  ...{ GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@example.com" },
};

/** What a request below `/-/` asks for: a commit on a branch, which a tag may name. */
interface CommitRequest {
  files: Record<string, string>;
  branch?: string;
  tag?: string;
}

/** Returns a git server. */
export function standInGit(): { handle(request: Request): Promise<Response> } {
  const root = mkdtempSync(join(tmpdir(), "rigger-git-"));
  process.on("exit", () => rmSync(root, { recursive: true, force: true }));
  /** The statuses with which the next requests for a repository fail. */
  const faults = new Map<string, number[]>();
  /** The requests for each repository. */
  const requests = new Map<string, string[]>();
  const git = async (cwd: string, ...args: string[]): Promise<string> => {
    const { stdout } = await run("git", args, { cwd, env: { ...ENV, HOME: root } });
    return stdout.trim();
  };
  return { handle };

  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, first = "", ...rest] = url.pathname.split("/");
    if (first === "-") return change(request, rest);
    const name = first.replace(/\.git$/, "");
    requests.set(name, [...(requests.get(name) ?? []), `${request.method} /${rest.join("/")}`]);
    const fault = faults.get(name)?.shift();
    if (fault !== undefined) return new Response(null, { status: fault });
    if (name.startsWith("moved")) {
      const location = `/${name.replace("moved-", "")}/${rest.join("/")}${url.search}`;
      return new Response(null, { status: 301, headers: { location } });
    }
    const isOpen =
      !name.startsWith("private") || request.headers.get("authorization") === key(name);
    if (!isOpen) {
      const headers = { "www-authenticate": 'Basic realm="git"' };
      return new Response("no", { status: 401, headers });
    }
    if (!existsSync(bare(name))) return new Response("no", { status: 404 });
    return backend(request, `/${name}.git/${rest.join("/")}`, name);
  }

  async function change(request: Request, [name = "", what, ...path]: string[]): Promise<Response> {
    if (what === "faults") faults.set(name, (await request.json()) as number[]);
    if (what === "requests") return Response.json(requests.get(name) ?? []);
    if (what === "file") return new Response(await git(bare(name), "show", path.join("/")));
    if (what !== "commits") return new Response(null, { status: 204 });
    return Response.json({ commit: await commit(name, (await request.json()) as CommitRequest) });
  }

  async function commit(
    name: string,
    { files, branch = "main", tag }: CommitRequest,
  ): Promise<string> {
    const isNew = !existsSync(bare(name));
    if (isNew) await git(root, "init", "-q", "--bare", "-b", "main", bare(name));
    if (isNew) await git(bare(name), "config", "http.receivepack", "true");
    const work = mkdtempSync(join(root, "work-"));
    await git(root, "clone", "-q", bare(name), work);
    await git(work, "checkout", "-q", "-B", branch);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(work, path)), { recursive: true });
      writeFileSync(join(work, path), text);
    }
    await git(work, "add", "--all");
    await git(work, "commit", "-q", "--allow-empty", "-m", "a commit");
    if (tag !== undefined) await git(work, "tag", "-a", "-m", tag, tag);
    await git(work, "push", "-q", "--follow-tags", "origin", branch);
    const made = await git(work, "rev-parse", "HEAD");
    rmSync(work, { recursive: true });
    return made;
  }

  function bare(name: string): string {
    return join(root, `${name.replace(/[^\w-]/g, "")}.git`);
  }

  /** Runs git's CGI program. */
  async function backend(request: Request, path: string, name: string): Promise<Response> {
    const { headers, method } = request;
    const isOld = name.startsWith("old");
    const child = spawn("git", ["http-backend"], {
      env: {
        ...ENV,
        ...{ HOME: root, GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: "1" },
        ...{ REQUEST_METHOD: method, PATH_INFO: path },
        QUERY_STRING: new URL(request.url).search.slice(1),
        CONTENT_TYPE: headers.get("content-type") ?? "",
        HTTP_CONTENT_ENCODING: headers.get("content-encoding") ?? "",
        GIT_PROTOCOL: isOld ? "" : (headers.get("git-protocol") ?? ""),
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin.on("error", () => {});
    if (request.body) Readable.fromWeb(request.body as never).pipe(child.stdin);
    else child.stdin.end();
    const pieces: Buffer[] = [];
    for await (const piece of child.stdout) pieces.push(piece);
    const answer = Buffer.concat(pieces);
    const end = answer.indexOf("\r\n\r\n");
    const lines = answer.subarray(0, end).toString().split("\r\n");
    const fields = lines.map((line) => line.split(": ") as [string, string]);
    const status = Number(fields.find(([field]) => field === "Status")?.[1].slice(0, 3) ?? 200);
    return new Response(answer.subarray(end + 4), {
      status,
      headers: fields.filter(([field]) => field !== "Status"),
    });
  }
}

const key = (name: string): string =>
  `Basic ${Buffer.from(`x-access-token:token-of-${name}`).toString("base64")}`;
