import { openAsBlob } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { relative } from "../shared/readable.ts";
import { command, UsageError } from "./command.ts";
import { writeOut } from "./output.ts";
import { jsonLine, note, print, printTable } from "./terminal.ts";

// Commands for the files of a session. Paths are relative to its workspace.

const OUTPUT = {
  type: "string",
  short: "o",
  value: "file",
  help: "a file; stdout without it",
} as const;

export const ls = command({
  summary: "Lists the files of a session",
  args: "<session> [path]",
  options: {
    recursive: { type: "boolean", short: "r", help: "also what is below directories" },
  },
  json: "each entry as a line of JSON",
  async run({ values, args: [id = "", path = ""], isJson, rigger }) {
    const rows: string[][] = [];
    const recursive = values.recursive === true;
    for await (const entry of rigger.session(id).files.list(withoutSlash(path), { recursive })) {
      if (isJson) print(jsonLine(entry));
      else {
        const { mode, size, modifiedAt, type, target } = entry;
        const name = `${entry.path}${type === "directory" ? "/" : ""}`;
        const shown = target === undefined ? name : `${name} -> ${target}`;
        rows.push([mode, `${size}`, relative(modifiedAt, Date.now()), shown]);
      }
    }
    if (!isJson) printTable(["MODE", "SIZE", "CHANGED", "PATH"], rows);
    return 0;
  },
});

export const get = command({
  summary: "Writes a file of a session to stdout",
  args: "<session> <path>",
  options: { output: OUTPUT },
  async run({ values, args: [id = "", path = ""], rigger }) {
    await writeOut(await rigger.session(id).files.read(path), values.output);
    return 0;
  },
});

export const put = command({
  summary: "Writes a file to a session",
  args: "<session> <file> [path]",
  options: {
    new: { type: "boolean", help: "fails if there is such a file" },
  },
  details: "The file - is stdin. Without a path, the file has its own name in the workspace.",
  json: "the ETag of the file, and whether it is new",
  async run({ values, args: [id = "", file = "", given], isJson, rigger }) {
    if (file === "-" && given === undefined) throw new UsageError("[path] is missing for stdin.");
    const path = given === undefined ? basename(file) : given;
    const content = file === "-" ? Readable.toWeb(process.stdin) : await blobOf(file);
    const condition = values.new ? { ifNoneMatch: "*" } : {};
    const written = await rigger.session(id).files.write(path, content as Blob, condition);
    if (isJson) print(jsonLine({ path, ...written }));
    else note(`${written.created ? "Created" : "Replaced"} ${path}.`);
    return 0;
  },
});

export const remove = command({
  summary: "Deletes files of a session",
  args: "<session> <path…>",
  options: {
    recursive: { type: "boolean", short: "r", help: "also directories, with all below them" },
  },
  async run({ values, args: [id = "", ...paths], rigger }) {
    const recursive = values.recursive === true;
    for (const path of paths)
      await rigger.session(id).files.remove(withoutSlash(path), { recursive });
    return 0;
  },
});

export const archive = command({
  summary: "Writes the files of a session to stdout as a tar archive",
  args: "<session> [path]",
  options: { output: OUTPUT },
  async run({ values, args: [id = "", path = ""], rigger }) {
    if (values.output === undefined && process.stdout.isTTY) {
      throw new UsageError("An archive is not for a terminal: use --output, or a pipe.");
    }
    await writeOut(await rigger.session(id).archive(withoutSlash(path)), values.output);
    return 0;
  },
});

/** Returns a file without reading it. */
async function blobOf(file: string): Promise<Blob> {
  // `openAsBlob` does not say why it can't.
  const found = await stat(file).catch((error) => {
    throw new UsageError(`${file} can't be read (${error.code}).`);
  });
  if (found.isDirectory()) throw new UsageError(`${file} is a directory.`);
  return openAsBlob(file);
}

/** Returns the path of a directory as the API takes it. */
const withoutSlash = (path: string): string => path.replace(/(?<=.)\/+$/, "");
