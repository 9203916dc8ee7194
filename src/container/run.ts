import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DamagedError } from "./archive-format.ts";
import {
  type Ask,
  type AskFile,
  type AskPieces,
  asciiJson,
  BEAT_MS,
  RUNNER,
  type Tell,
} from "./protocol.ts";
import { HOME, machineName, Refusal } from "./state.ts";

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

/** Answers a request. Loads only what it needs: to load all of the runner and of Node's modules takes as long as a command. */
async function answer(ask: Ask, machine: string | undefined): Promise<unknown> {
  switch (ask.do) {
    case "start":
      for (const folder of [ask.workspace, join(HOME, "inbox")])
        mkdirSync(folder, { recursive: true });
      return machine;
    case "run":
      return (await import("./commands.ts")).run(ask.command, ask.workspace, tell);
    case "find":
      return (await import("./commands.ts")).find(ask.id);
    case "kill":
      return (await import("./commands.ts")).kill(ask.id);
    case "read":
      return (await import("./files.ts")).read(ask.path, tell);
    case "write":
      return (await import("./files.ts")).write(ask.path, ask.content);
    case "change":
      return (await import("./changes.ts")).change(ask);
    case "list":
      return (await import("./workspace-read.ts")).list(ask);
    case "piece":
      return (await import("./workspace-read.ts")).piece(ask, tell);
    case "archive":
      return (await import("./workspace-read.ts")).archive(ask, tell);
    case "put":
      return (await import("./workspace-write.ts")).putFile(ask);
    case "remove":
      return (await import("./workspace-write.ts")).remove(ask);
    case "drop":
      return (await import("./workspace-write.ts")).dropFiles(ask.files);
    case "prepare-stop":
      return (await import("./stop.ts")).prepareStop(machine);
    case "save":
      return (await import("./save.ts")).save(ask, tell);
    case "restore":
      return (await import("./restore.ts")).restore(ask, tell);
    case "begin":
      return (await import("./programs.ts")).begin(ask.program, ask.workspace, tell);
    case "tell":
      (await import("./programs.ts")).tellProgram(ask.id, ask.n, ask.line);
      return true;
    case "endSince":
      return (await import("./programs.ts")).endSince(ask.id, ask.n);
    case "listen":
      return (await import("./programs.ts")).listen(ask.id, ask.after, tell);
    case "openPorts":
      return (await import("./ports.ts")).openPorts(ask.token);
    case "servePorts":
      return (await import("./ports.ts")).servePorts(ask.token);
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

void main();
