import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DamagedError } from "./archive-writer.ts";
import { change } from "./changes.ts";
import { find, kill, run } from "./commands.ts";
import { read, write } from "./files.ts";
import { openPorts, servePorts } from "./ports.ts";
import { begin, endSince, listen, tellProgram } from "./programs.ts";
import {
  type Ask,
  type AskFile,
  type AskPieces,
  asciiJson,
  BEAT_MS,
  RUNNER,
  type Tell,
} from "./protocol.ts";
import { restore } from "./restore.ts";
import { save } from "./save.ts";
import { HOME, machineName, Refusal } from "./state.ts";
import { prepareStop } from "./stop.ts";
import { archive, list, piece } from "./workspace-read.ts";
import { dropFiles, putFile, remove } from "./workspace-write.ts";

// The runner: the program that the Worker starts in a container for every operation, by way of `rigger-run`.

const tell: Tell = (frame) => {
  process.stdout.write(`${asciiJson(frame)}\n`);
};

async function main(): Promise<void> {
  // Renames the process, so that `pkill node` in a user's command does not kill the runner.
  process.title = RUNNER;
  // The caller may disconnect; the operation continues.
  process.stdout.on("error", () => {});
  process.on("SIGHUP", () => {});
  const beat = setInterval(() => tell({ beat: true }), BEAT_MS);
  try {
    const ask = readAsk();
    const machine = machineName({ make: ask.do === "start" });
    if (ask.machine !== undefined && ask.machine !== machine) tell({ lost: true });
    else tell({ answer: (await answer(ask, machine)) ?? null });
  } catch (error) {
    const isFinal = error instanceof Refusal || error instanceof DamagedError;
    if (!isFinal) throw error;
    tell({ refused: error.message });
  } finally {
    clearInterval(beat);
  }
}

function answer(ask: Ask, machine: string | undefined): unknown {
  switch (ask.do) {
    case "start":
      for (const folder of [ask.workspace, join(HOME, "inbox")])
        mkdirSync(folder, { recursive: true });
      return machine;
    case "run":
      return run(ask.command, ask.workspace, tell);
    case "find":
      return find(ask.id);
    case "kill":
      return kill(ask.id);
    case "read":
      return read(ask.path, tell);
    case "write":
      return write(ask.path, ask.content);
    case "change":
      return change(ask);
    case "list":
      return list(ask);
    case "piece":
      return piece(ask, tell);
    case "archive":
      return archive(ask, tell);
    case "put":
      return putFile(ask);
    case "remove":
      return remove(ask);
    case "drop":
      return dropFiles(ask.files);
    case "prepare-stop":
      return prepareStop(machine);
    case "save":
      return save(ask, tell);
    case "restore":
      return restore(ask, tell);
    case "begin":
      return begin(ask.program, ask.workspace, tell);
    case "tell":
      tellProgram(ask.id, ask.n, ask.line);
      return true;
    case "endSince":
      return endSince(ask.id, ask.n);
    case "listen":
      return listen(ask.id, ask.after, tell);
    case "openPorts":
      return openPorts(ask.token);
    case "servePorts":
      return servePorts(ask.token);
  }
}

function readAsk(): Ask {
  const ask: Ask | AskFile | AskPieces = JSON.parse(process.env.RIGGER_ASK ?? "{}");
  if ("pieces" in ask) {
    const pieces = Array.from({ length: ask.pieces }, (_, n) => process.env[`RIGGER_ASK_${n + 1}`]);
    return JSON.parse(pieces.join(""));
  }
  if (!("file" in ask)) return ask;
  const path = join(HOME, ask.file);
  const text = readFileSync(path, "utf8");
  rmSync(path);
  return JSON.parse(text);
}

await main();
