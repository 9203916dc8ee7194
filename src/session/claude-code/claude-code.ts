import type { Ending } from "../../agent/agent-deps";
import {
  programStart,
  programTools,
  transcriptPath,
  uuidOf,
} from "../../agent/claude-code/options";
import {
  type CallResult,
  type Heard,
  interruptLine,
  promptLine,
  readLine,
} from "../../agent/claude-code/protocol";
import { apiError } from "../../agent/relay";
import { commandEnv } from "../../sandbox/egress";
import { type Programs, type Sandbox, SandboxError } from "../../sandbox/sandbox";
import { backoffMs, pause } from "../../shared/backoff";
import { errorText, log } from "../../shared/log";
import { type Notifier, notifier } from "../../shared/notifier";
import { settledWithin } from "../../shared/timeout";
import type { SessionContext } from "../context";
import { upstream, workspace } from "../deployment";
import type { SessionEnv } from "../session-env";
import type { StoredProgram } from "../storage/claude-code";
import { hasAgents } from "../transactions/agents";
import {
  endingOfMessage,
  finishCall,
  giveUpCalls,
  type MessageChange,
  noteCompaction,
  setupOfProgram,
  startAgent,
  tryLeftOpen,
} from "../transactions/claude-code";
import { recoverRun } from "../transactions/turns";
import { later, passOn, stopped } from "./model-proxy";
import { putBackTranscript, saveTranscript } from "./transcript";

/** Deaths of the program, or of its machine, without progress before its message fails. */
const MAX_DEATHS = 5;
const DEATH_PAUSE_MS = 500;
const MAX_DEATH_PAUSE_MS = 32_000;
/** How long a program may take to stop what it does before it is killed. */
const STOP_MS = 3_000;
/** How long a message's end waits for the transcript; what is missed then is kept the next time. */
const SAVE_MS = 20_000;
/** How long a call of a program waits for its session to be at work again after a loss of the object. */
const TAKE_UP_MS = 10_000;
const MAX_NOISE_CHARACTERS = 500;

/** What is said to a program that had heard its prompt before it died. */
const GO_ON =
  "You were interrupted before you were done. Go on where you were. Look at what is there first: a command may have run in part, and files may be missing.";

/** What is said to one that has given up on a model that is to be asked again. */
const ASK_AGAIN = "The model could not be reached for a moment. Go on where you were.";

/** The message that is worked on. */
interface Work {
  messageId: string;
  signal: AbortSignal;
  /** Opens whenever a call was settled, a result was written down, or an agent has become known. */
  settled: Notifier;
  /** What the program said last that was no line of its protocol. */
  noise: string;
  /** The try after whose failure the program was last told to ask the model again. */
  askedAfter: string | null;
  /** Aborted when the program dies: what it has asked is for nobody. */
  program: AbortController;
}

/**
 * Claude Code as a session's agent: one process in the session's machine, started at need, that takes message
 * after message. What it says is written down as the loop's events are, each line once; what it costs is
 * settled where its model calls pass through. It and its machine may die at any time: it is started again
 * with what it remembers.
 */
export class ClaudeCode {
  readonly #context: SessionContext;
  readonly #env: SessionEnv;
  #work: Work | null = null;
  #begun = Promise.withResolvers<void>();
  /** Resolves when nobody works on a message, nor stops what was worked on. */
  #free: Promise<void> = Promise.resolve();
  /** Whether what the program did for a message is being stopped: what it asks meanwhile is for nobody. */
  #stopping = false;
  #saving: Promise<unknown> | null = null;
  /** The newest line that a program is known to have. */
  #given = "";

  constructor(context: SessionContext, env: SessionEnv) {
    this.#context = context;
    this.#env = env;
  }

  /** Works on a message until it has come to its end. Null when it was stopped from outside. */
  async runMessage(messageId: string, signal: AbortSignal): Promise<Ending | null> {
    const before = this.#free;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#free = promise;
    try {
      await before;
      return signal.aborted ? null : await this.#runAlone(messageId, signal);
    } finally {
      resolve();
    }
  }

  async #runAlone(messageId: string, signal: AbortSignal): Promise<Ending | null> {
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const settled = notifier(both);
    const program = new AbortController();
    const work: Work = { messageId, signal: both, settled, noise: "", askedAfter: null, program };
    const { store, commit } = this.#context;
    for (const run of store.runs.openOf(messageId)) {
      if (store.calls.hasAny(run.id)) commit((now) => recoverRun({ store, run, now }));
    }
    this.#work = work;
    this.#begun.resolve();
    try {
      return await this.#untilItEnds(work);
    } finally {
      over.abort();
      this.#work = null;
      this.#begun = Promise.withResolvers();
      if (signal.aborted) {
        this.#stopping = true;
        await this.#stop(messageId);
        this.#stopping = false;
      }
    }
  }

  /** Answers a request of the program: a call of the model is passed on, and nothing else is there. */
  async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/model/v1/messages") {
      return apiError(404, "not_found_error", "Not found");
    }
    const { store } = this.#context;
    const { running } = store.state;
    if (running === null || this.#stopping || !upstream) return stopped();
    await settledWithin(this.#begun.promise, TAKE_UP_MS);
    const work = this.#work;
    if (!work) return later();
    if (work.messageId !== running) return stopped();
    const hasTools = programTools(store.identity.config, hasAgents(store)).length > 0;
    const finish = (result: CallResult) =>
      this.#context.commit((now) => finishCall(this.#at(work.messageId, now), result));
    const { messageId, settled } = work;
    const signal = AbortSignal.any([work.signal, work.program.signal]);
    const deps = { ...this.#context, messageId, settled, signal, upstream, hasTools, finish };
    return passOn(request, deps).catch((error) => {
      log("model_call.crashed", { session: store.identity.id, error: errorText(error) });
      return later();
    });
  }

  /** Has the program work, and starts it again as often as it dies and makes sense. */
  async #untilItEnds(work: Work): Promise<Ending | null> {
    const { store, commit } = this.#context;
    const { messageId, signal } = work;
    for (;;) {
      const before = store.programs.read()?.id;
      const ending = await this.#attempt(work).catch((error) => {
        work.noise = errorText(error).slice(0, MAX_NOISE_CHARACTERS);
        return failureOf(error);
      });
      if (signal.aborted) return null;
      if (typeof ending === "object") return ending;
      const run = store.runs.get(messageId);
      if (!run || run.restarts >= MAX_DEATHS) return diedTooOften(work.noise);
      if (ending === "died") await this.#bury(work);
      commit(() => store.runs.saveRestarts(run.id, run.restarts + 1));
      // One that was left from an earlier message may have been dead for long.
      if (run.restarts > 0 || before === undefined || ending === "unheard") {
        await pause(backoffMs(run.restarts + 1, DEATH_PAUSE_MS, MAX_DEATH_PAUSE_MS), signal);
      }
      if (signal.aborted) return null;
    }
  }

  /** Clears away after a program that has died: what it asked is given up, and what it left running ends. */
  async #bury(work: Work): Promise<void> {
    const { store, commit } = this.#context;
    const { messageId } = work;
    const id = store.programs.read()?.id;
    commit((now) => {
      store.programs.forget();
      for (const run of store.runs.openOf(messageId)) recoverRun({ store, run, now });
      giveUpCalls(this.#at(messageId, now));
    });
    work.program.abort();
    work.program = new AbortController();
    work.settled.notify();
    // On a machine that is gone there is nothing left.
    if (id !== undefined)
      await settledWithin(
        this.#context
          .sandbox()
          .kill(id)
          .catch(() => {}),
        STOP_MS,
      );
  }

  /** Makes sure that the program runs and has its prompt, and follows it. */
  async #attempt(work: Work): Promise<Ending | Failed> {
    const { store, commit } = this.#context;
    const { messageId, signal } = work;
    const sandbox = this.#context.sandbox();
    const { programs } = sandbox;
    if (!programs) return NO_PROGRAMS;
    const machine = (await sandbox.start?.()) ?? "";
    await this.#clearAway(messageId, machine, sandbox);
    const program = await this.#begin(machine, sandbox, programs);
    if (signal.aborted) return "died";
    if (program.messageId !== messageId) {
      const line = promptLine(uuidIn(messageId), store.messages.prompt(messageId));
      commit(() => store.programs.beginMessage(messageId, line));
    }
    const { id, heard, ending } = this.#program();
    if (ending) {
      await this.#save(sandbox);
      return ending;
    }
    await this.#tell(programs);
    for await (const { line, end } of heeding(signal, programs.listen(id, heard, signal))) {
      const ended = await this.#hear(readLine(line), end, work, programs);
      if (ended) {
        await this.#save(sandbox);
        return ended;
      }
      if (signal.aborted) break;
    }
    return "died";
  }

  /** Ends a program that stands on another machine, or in the middle of another message. */
  async #clearAway(messageId: string, machine: string, sandbox: Sandbox): Promise<void> {
    const { store, commit } = this.#context;
    const left = store.programs.read();
    if (!left) return;
    const busy = left.messageId !== null && left.messageId !== messageId && left.ending === null;
    if (left.machine === machine && !busy) return;
    if (left.machine === machine) await sandbox.kill(left.id);
    commit(() => store.programs.forget());
  }

  /** Returns the program as it runs; starts one with what was remembered where there is none. */
  async #begin(machine: string, sandbox: Sandbox, programs: Programs): Promise<StoredProgram> {
    const { store, commit } = this.#context;
    const known = store.programs.read();
    const id = known?.id ?? `claude_${crypto.randomUUID()}`;
    const setup = setupOfProgram(store, commandEnv(await this.#env.read()));
    const { files, command, env } = programStart(id, setup);
    if (!known) {
      await putBackTranscript(id, sandbox, store);
      for (const { path, text } of files) {
        await sandbox.writeFile(path, new TextEncoder().encode(text));
      }
      commit(() => store.programs.start(id, machine));
    }
    await programs.begin({ id, command, env });
    return this.#program();
  }

  /** Writes down what a line means, once. Answers how the message ends, if it is its end. */
  async #hear(
    heard: Heard | null,
    end: number,
    work: Work,
    programs: Programs,
  ): Promise<Ending | undefined> {
    const { store } = this.#context;
    const { messageId } = work;
    const uuid = uuidIn(messageId);
    switch (heard?.type) {
      case undefined:
        return undefined;
      case "noise":
        work.noise = heard.text.slice(0, MAX_NOISE_CHARACTERS);
        return undefined;
      case "begun":
        if (heard.uuid === uuid) this.#note(work, end, () => store.programs.saveBegun());
        return undefined;
      case "done": {
        if (heard.uuid !== uuid || this.#program().begun) return undefined;
        // It remembers the prompt from before it died, and says nothing to it.
        this.#note(work, end, () => {
          store.programs.addLine(promptLine(crypto.randomUUID(), GO_ON));
          store.programs.saveBegun();
        });
        await this.#tell(programs);
        return undefined;
      }
      case "agent":
        await this.#toolKnown(heard.toolUseId, work);
        this.#note(work, end, (now) => startAgent(this.#at(messageId, now), heard));
        work.settled.notify();
        return undefined;
      case "results":
        for (const { toolUseId } of heard.results) await this.#toolKnown(toolUseId, work);
        this.#note(work, end, (now) => {
          for (const result of heard.results) finishCall(this.#at(messageId, now), result);
        });
        work.settled.notify();
        this.#saveSoon();
        return undefined;
      case "compacted":
        this.#note(work, end, (now) =>
          noteCompaction(this.#at(messageId, now), heard.tokensBefore),
        );
        return undefined;
      case "ended": {
        const open = tryLeftOpen(store, messageId, heard.failure);
        // One that came to no further try would come to none again.
        if (open && open.id !== work.askedAfter) {
          work.askedAfter = open.id;
          // The program gives up sooner than we do.
          this.#note(work, end, () =>
            store.programs.addLine(promptLine(crypto.randomUUID(), ASK_AGAIN)),
          );
          await pause(backoffMs(open.attempt + 1, DEATH_PAUSE_MS, MAX_DEATH_PAUSE_MS), work.signal);
          if (!work.signal.aborted) await this.#tell(programs);
          return undefined;
        }
        const ending = endingOfMessage(store, messageId, heard.failure);
        this.#note(work, end, () => store.programs.saveEnding(ending));
        return ending;
      }
    }
  }

  /** Commits what a line means together with how far was heard; nothing once the work was stopped. */
  #note(work: Work, end: number, change: (now: number) => void): void {
    if (work.signal.aborted) return;
    this.#context.commit((now) => {
      change(now);
      this.#context.store.programs.saveHeard(end);
    });
  }

  #at(messageId: string, now: number): MessageChange {
    const { store, drafts } = this.#context;
    return { store, drafts, messageId, now };
  }

  /** Waits until the reply that makes a call is written down: the program makes calls while it still reads. */
  async #toolKnown(toolUseId: string, { messageId, settled, signal }: Work): Promise<void> {
    const { runs, calls, tools } = this.#context.store;
    for (;;) {
      const next = settled.wait();
      if (signal.aborted || tools.openInMessage(messageId, toolUseId)) return;
      if (!runs.openOf(messageId).some(({ id }) => calls.openOf(id).length > 0)) return;
      await next;
    }
  }

  /** Stops what the program does for a message that was ended from outside. Never rejects. */
  async #stop(messageId: string): Promise<void> {
    const { store, commit } = this.#context;
    const program = store.programs.read();
    if (program?.messageId !== messageId || program.ending !== null) return;
    try {
      const sandbox = this.#context.sandbox();
      if (!(await this.#halt(program.id, sandbox.programs))) {
        await sandbox.kill(program.id);
        commit(() => store.programs.forget());
      }
      await this.#save(sandbox);
    } catch (error) {
      // Whoever works on the next message finds it busy, and kills it.
      log("program.stop_failed", { session: store.identity.id, error: errorText(error) });
    }
  }

  /** Asks a program to stop what it does; tells whether it has, within a bound. */
  async #halt(id: string, programs: Programs | undefined): Promise<boolean> {
    const { store, commit } = this.#context;
    const { told, heard } = this.#program();
    if (!programs || this.#given !== lineName(id, told)) return false;
    commit(() => store.programs.addLine(interruptLine(crypto.randomUUID())));
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), STOP_MS);
    const halted = async () => {
      await this.#tell(programs);
      const { signal } = over;
      for await (const { line, end } of heeding(signal, programs.listen(id, heard, signal))) {
        if (readLine(line)?.type !== "ended") continue;
        commit(() => {
          store.programs.saveHeard(end);
          store.programs.saveEnding({ stopReason: "interrupted" });
        });
        return;
      }
    };
    try {
      await settledWithin(halted(), STOP_MS);
    } finally {
      clearTimeout(timer);
    }
    return store.programs.read()?.ending != null;
  }

  /** Gives the program the newest of its lines, once more if need be. */
  async #tell(programs: Programs): Promise<void> {
    const { id, told, line } = this.#program();
    await programs.tell(id, told, line);
    this.#given = lineName(id, told);
  }

  /** Keeps what the program remembers. A failure is left to the next time. */
  async #save(sandbox: Sandbox): Promise<void> {
    await this.#saving;
    const { store, commit } = this.#context;
    const path = transcriptPath(workspace, uuidOf(store.identity.sessionId));
    this.#saving = saveTranscript(path, sandbox, store, (change) => commit(change)).catch((error) =>
      log("transcript.save_failed", { session: store.identity.id, error: errorText(error) }),
    );
    await settledWithin(this.#saving, SAVE_MS);
    this.#saving = null;
  }

  #saveSoon(): void {
    if (!this.#saving) void this.#save(this.#context.sandbox());
  }

  #program(): StoredProgram {
    const program = this.#context.store.programs.read();
    if (!program) throw new Error("the session has no program");
    return program;
  }
}

/** Returns the same lines, given up on at once when the signal aborts. */
async function* heeding<T>(signal: AbortSignal, lines: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = lines[Symbol.asyncIterator]();
  const { promise: aborted, resolve } = Promise.withResolvers<null>();
  const stop = () => resolve(null);
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === null || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not awaited: what does not end is what is given up on.
    iterator.return?.().catch(() => {});
  }
}

const lineName = (programId: string, n: number): string => `${programId} ${n}`;

/** Returns a message's id as the UUID that its prompt goes by. */
function uuidIn(messageId: string): string {
  const hex = messageId.replace(/^msg_/, "");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Why there has to be another try: the program is dead, or it may go on and only was not heard. */
type Failed = "died" | "unheard";

/** Returns what a failure of the sandbox means: another try, or the end of the message. */
function failureOf(error: unknown): Ending | Failed {
  if (!(error instanceof SandboxError)) throw error;
  if (error.lost) return "died";
  if (error.transient) return "unheard";
  const message = `The sandbox failed: ${error.message}`;
  return { stopReason: "error", error: { type: "unavailable_error", message } };
}

const NO_PROGRAMS: Ending = {
  stopReason: "error",
  error: { type: "unavailable_error", message: "The session's sandbox can't run Claude Code." },
};

function diedTooOften(noise: string): Ending {
  const why = noise === "" ? "" : ` What was heard last: ${noise}`;
  const message = `Claude Code could not be kept at work: it was started again and again without getting any further.${why}`;
  return { stopReason: "error", error: { type: "unavailable_error", message } };
}
