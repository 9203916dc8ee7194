import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import type { Artifact, SessionHandle } from "../client/rigger.ts";
import { relative } from "../shared/readable.ts";
import { command } from "./command.ts";
import { writeOut } from "./output.ts";
import { clean, jsonLine, note, print, printTable } from "./terminal.ts";

// Commands about what agents have published.

export const ls = command({
  summary: "Lists what the agent of a session has published, newest first",
  args: "<session>",
  options: {
    path: { type: "string", value: "path", help: "only what was published as this file" },
  },
  json: "each artifact as a line of JSON",
  async run({ values, args: [id = ""], isJson, rigger }) {
    const rows: string[][] = [];
    const of = { ...(values.path !== undefined && { path: values.path }) };
    for await (const one of rigger.session(id).artifacts.list(of)) {
      if (isJson) print(jsonLine(one));
      else {
        const size = one.sizeBytes.toLocaleString("en-US");
        const when = relative(one.createdAt, Date.now());
        rows.push([one.id, when, size, one.path, one.description ?? ""]);
      }
    }
    if (isJson) return 0;
    if (rows.length === 0) note("Nothing was published.");
    else printTable(["ARTIFACT", "PUBLISHED", "BYTES", "PATH", "DESCRIPTION"], rows);
    return 0;
  },
});

export const get = command({
  summary: "Downloads what the agent of a session has published",
  args: "<session> [artifact…]",
  details:
    "An artifact is an id, or a path, which is the newest artifact of that path. Without one, the newest of each path.",
  options: {
    output: {
      type: "string",
      short: "o",
      value: "directory",
      help: "where to; the session's id when absent",
    },
  },
  json: "each artifact as a line of JSON",
  async run({ values, args: [id = "", ...names], isJson, rigger }) {
    const session = rigger.session(id);
    const directory = resolve(values.output ?? id);
    for (const artifact of await found(session, names)) {
      const file = await download(session, artifact, directory);
      print(isJson ? jsonLine(artifact) : clean(file));
    }
    return 0;
  },
});

/** Returns the artifacts that the names mean, or the newest of each path. Throws if there is none of a name. */
async function found(session: SessionHandle, names: readonly string[]): Promise<Artifact[]> {
  const newest = new Map<string, Artifact>();
  const byId = new Map<string, Artifact>();
  for await (const one of session.artifacts.list()) {
    byId.set(one.id, one);
    if (!newest.has(one.path)) newest.set(one.path, one);
  }
  if (names.length === 0) return [...newest.values()];
  return names.map((name) => {
    const artifact = byId.get(name) ?? newest.get(name);
    if (!artifact) throw new Error(`The session has no artifact ${name}.`);
    return artifact;
  });
}

/** Downloads an artifact below a directory, and returns its file. */
async function download(
  session: SessionHandle,
  { id, path, sha256 }: Artifact,
  directory: string,
): Promise<string> {
  const file = resolve(directory, path);
  if (!file.startsWith(`${directory}${sep}`)) {
    throw new Error(`${clean(path)} is no path below a directory.`);
  }
  const content = await session.artifacts.content(id);
  await mkdir(dirname(file), { recursive: true });
  await writeOut(content, file, async function* (chunks) {
    const hash = createHash("sha256");
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest("hex") !== sha256)
      throw new Error(`${clean(path)} is not complete. Try again.`);
  });
  return file;
}
