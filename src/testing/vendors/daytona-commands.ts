import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Command, SessionCommandLogsResponse } from "@daytona/toolbox-api-client";
import type { LocalMachine } from "./local-machine.ts";

/** The interval at which the daemon looks for output. */
export const LOOK_MS = 20;
/** A followed log ends when a command has ended and written nothing for this long. */
const QUIET_MS = 1_000;
/** The most bytes of a message of a followed log. */
const MESSAGE_BYTES = 1024;
/** What precedes each line of a log. */
const PREFIXES = { stdout: [1, 1, 1], stderr: [2, 2, 2] } as const;

/** A command of a session. Its output is in two files, from which its log is made. */
export class SessionCommand {
  readonly id = crypto.randomUUID();
  readonly script: string;
  readonly #machine: LocalMachine;
  readonly #command: string;
  readonly #folder: string;
  readonly #read = { stdout: 0, stderr: 0 };
  readonly #rest = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #log: Uint8Array[] = [];

  constructor(machine: LocalMachine, command: string) {
    this.#machine = machine;
    this.#command = command;
    this.#folder = join(machine.root, "daytona", this.id);
    mkdirSync(this.#folder, { recursive: true });
    const place = (name: string) => join(this.#folder, name);
    writeFileSync(place("cmd.sh"), machine.toLocal(command));
    for (const name of ["stdout", "stderr"]) writeFileSync(place(name), "");
    // What the runner finds in its file is translated, too.
    const ask = /RIGGER_ASK='([^']*)'/.exec(command)?.[1];
    if (ask) machine.variablesToLocal({ RIGGER_ASK: ask });
    const paths = `< /dev/null > '${place("stdout")}' 2> '${place("stderr")}'`;
    this.script = `{ . '${place("cmd.sh")}'; } ${paths}; echo $? > '${place("exit")}'\n`;
  }

  get exitCode(): number | undefined {
    const path = join(this.#folder, "exit");
    const text = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
    return text === "" ? undefined : Number(text);
  }

  dto(): Command {
    const { id, exitCode } = this;
    return { id, command: this.#command, ...(exitCode !== undefined && { exitCode }) };
  }

  logs(): SessionCommandLogsResponse {
    this.#look();
    const textOf = (marks: readonly number[]) =>
      String(
        Buffer.concat(
          this.#log.filter((line) => line[0] === marks[0]).map((line) => line.slice(3)),
        ),
      );
    const [stdout, stderr] = [textOf(PREFIXES.stdout), textOf(PREFIXES.stderr)];
    return { output: String(Buffer.concat(this.#log)), stdout, stderr };
  }

  async *follow(isSplit: boolean, isOpen: () => boolean): AsyncGenerator<Uint8Array> {
    let [told, quietSince] = [0, Date.now()];
    while (isOpen()) {
      const hasEnded = this.exitCode !== undefined;
      this.#look();
      const lines = this.#log.slice(told);
      told += lines.length;
      const bytes = Buffer.concat(lines.map((line) => (isSplit ? line : line.slice(3))));
      for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
        yield bytes.subarray(at, at + MESSAGE_BYTES);
      }
      if (bytes.length > 0) quietSince = Date.now();
      if (hasEnded && Date.now() - quietSince >= QUIET_MS) return;
      await pause(LOOK_MS);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Adds the lines that were written to the log. */
  #look(): void {
    const hasEnded = this.exitCode !== undefined;
    for (const stream of ["stdout", "stderr"] as const) {
      const path = join(this.#folder, stream);
      const size = existsSync(path) ? statSync(path).size : 0;
      const fresh = Buffer.alloc(Math.max(0, size - this.#read[stream]));
      if (fresh.length > 0) {
        const file = openSync(path, "r");
        readSync(file, fresh, 0, fresh.length, this.#read[stream]);
        closeSync(file);
      }
      this.#read[stream] = size;
      const text = Buffer.concat([this.#rest[stream], fresh]).toString("latin1");
      const lines = text.split("\n");
      const last = lines.pop() ?? "";
      if (hasEnded && last !== "") lines.push(last);
      this.#rest[stream] = Buffer.from(hasEnded ? "" : last, "latin1");
      for (const line of lines) {
        const translated = `${line.replaceAll(this.#machine.root, "")}\n`;
        this.#log.push(Buffer.from([...PREFIXES[stream], ...Buffer.from(translated, "latin1")]));
      }
    }
  }
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
