import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { clean, note, oneLine, painter } from "./terminal.ts";

// A terminal that shows what happens while somebody can type.

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
/** Lines that come faster than somebody types are pasted. */
const PASTE_MS = 25;
const ERASE_LINE = "\r\u001b[2K";

/**
 * Text on stdout, and below it on stderr, if that is a terminal, what is waited for and since when. Text that comes while a
 * question is asked is written after the answer.
 */
export class Screen {
  readonly #paint = painter(process.stderr);
  #label: string | undefined;
  #since = 0;
  #frame = 0;
  #isDrawn = false;
  #timer: NodeJS.Timeout | undefined;
  #held: string[] | undefined;

  write(text: string): void {
    if (this.#held) {
      this.#held.push(text);
      return;
    }
    if (text === "") return;
    this.#erase();
    process.stdout.write(text);
  }

  /** Writes a line for people on stderr. */
  note(line: string): void {
    this.#erase();
    note(line);
  }

  /** Writes why something has failed. */
  failed(error: Error): void {
    this.note(clean(error.message));
  }

  /** Shows what is waited for, until there is something else or nothing. */
  busy(label: string | undefined): void {
    if (!process.stderr.isTTY || label === this.#label) return;
    this.#label = label;
    this.#since = Date.now();
    this.#erase();
    if (label !== undefined) this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  /** Keeps text back until `release`, because a question is on the screen. */
  hold(): void {
    this.#held ??= [];
    this.#erase();
  }

  release(): void {
    const text = this.#held?.join("") ?? "";
    this.#held = undefined;
    this.write(text);
  }

  #draw(): void {
    if (this.#label === undefined || this.#held) return;
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const seconds = Math.floor((Date.now() - this.#since) / 1_000);
    const text = oneLine(this.#label, (process.stderr.columns ?? 80) - 12);
    process.stderr.write(
      `${ERASE_LINE}${this.#paint("dim", `${FRAMES[this.#frame]} ${text} ${seconds} s`)}`,
    );
    this.#isDrawn = true;
  }

  #erase(): void {
    if (!this.#isDrawn) return;
    process.stderr.write(ERASE_LINE);
    this.#isDrawn = false;
  }
}

/**
 * Lines that somebody types, or that stdin has. Between two of them the terminal handles its keys itself, so Ctrl-C is a
 * SIGINT of the process at any time.
 */
export class Input {
  readonly #isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  readonly #reader = createInterface({
    input: process.stdin,
    ...(this.#isTerminal && { output: this.#echo() }),
    terminal: this.#isTerminal,
  });
  readonly #lines: string[] = [];
  #hasEnded = false;
  #wake: (() => void) | undefined;
  /** Takes what is typed while nothing is asked. */
  #taker: ((line: string) => void) | undefined;
  #isAsking = false;

  constructor() {
    this.#reader.on("line", (line) => {
      if (this.#taker && !this.#isAsking) return this.#taker(line);
      this.#lines.push(line);
      this.#wake?.();
    });
    this.#reader.on("close", () => {
      this.#hasEnded = true;
      this.#wake?.();
    });
    this.#reader.on("SIGINT", () => process.emit("SIGINT"));
    this.#listen(false);
  }

  /**
   * Returns a message: a line; with those that follow it while they end in a backslash, or that are pasted together.
   * Undefined when there is no more, or after `close`.
   */
  async message(): Promise<string | undefined> {
    const lines: string[] = [];
    for (let prompt = "› "; ; prompt = "… ") {
      const line = await this.#line(prompt);
      if (line === undefined) return lines.length === 0 ? undefined : lines.join("\n");
      const goesOn = line.endsWith("\\");
      lines.push(goesOn ? line.slice(0, -1) : line);
      if (!goesOn && !(await this.#isPasting())) return lines.join("\n");
    }
  }

  /**
   * Asks a question until there is an answer that `parse` understands, and returns it; undefined when the input ends or the
   * question is withdrawn.
   */
  async answer<T>(
    question: string,
    {
      parse,
      hint,
      signal,
    }: { parse(line: string): T | undefined; hint: string; signal: AbortSignal },
  ): Promise<T | undefined> {
    this.#isAsking = true;
    // What was typed before the question is no answer to it.
    await this.#drain();
    const typedAhead = this.#lines.splice(0);
    this.#clear();
    try {
      for (;;) {
        const line = await this.#line(question, signal);
        const answer = line === undefined ? undefined : parse(line);
        if (line === undefined || answer !== undefined) return answer;
        note(hint);
      }
    } finally {
      // Half an answer to a question that was withdrawn is none to the next one.
      this.#clear();
      this.#isAsking = false;
      if (this.#taker) typedAhead.forEach(this.#taker);
      else this.#lines.unshift(...typedAhead);
    }
  }

  /**
   * Passes on the lines that somebody types on a terminal while nothing is asked, until the returned function is called. The
   * terminal echoes them and handles its keys itself.
   */
  watch(take: (line: string) => void): () => void {
    if (!this.#isTerminal) return () => {};
    this.#taker = take;
    this.#listen(false);
    return () => {
      this.#taker = undefined;
      this.#listen(false);
    };
  }

  close(): void {
    this.#reader.close();
  }

  /** Returns where the reader writes what is typed: the terminal, unless that does so itself. */
  #echo(): Writable {
    const echo = new Writable({
      write: (chunk, _, done) => {
        if (!this.#taker || this.#isAsking) process.stdout.write(chunk);
        done();
      },
    });
    return Object.defineProperty(echo, "columns", { get: () => process.stdout.columns });
  }

  async #line(prompt: string, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#lines.length === 0 && !this.#hasEnded) {
      this.#listen(true);
      this.#reader.setPrompt(prompt);
      if (this.#isTerminal) this.#reader.prompt(true);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal?.addEventListener("abort", () => resolve(), { once: true });
        if (signal?.aborted) resolve();
      });
      this.#wake = undefined;
      this.#listen(false);
    }
    return signal?.aborted ? undefined : this.#lines.shift();
  }

  /** Whether more of what was pasted has come, or a part of a line that has to be ended. */
  async #isPasting(): Promise<boolean> {
    await this.#drain();
    return this.#isTerminal && (this.#lines.length > 0 || this.#reader.line !== "");
  }

  /** Takes what the terminal has already. */
  async #drain(): Promise<void> {
    if (!this.#isTerminal || this.#hasEnded) return;
    this.#listen(true);
    await sleep(PASTE_MS);
    this.#listen(false);
  }

  /** Removes what stands on the line that is typed. */
  #clear(): void {
    if (!this.#isTerminal || this.#hasEnded || this.#reader.line === "") return;
    this.#reader.write(null, { ctrl: true, name: "e" });
    this.#reader.write(null, { ctrl: true, name: "u" });
    this.#listen(false);
  }

  #listen(isOn: boolean): void {
    if (this.#hasEnded) return;
    if (this.#isTerminal) process.stdin.setRawMode(isOn);
    if (isOn || this.#taker) this.#reader.resume();
    else this.#reader.pause();
  }
}
