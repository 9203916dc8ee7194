/** One call of a tool in a script. */
interface ScriptedCall {
  name: string;
  input: unknown;
}

/** The faults of the first attempts at a turn. */
export type Fault =
  | { kind: "fail"; times: number; status: number; retryAfterSeconds?: number }
  | { kind: "cut"; times: number };

/** One scripted reply. A turn without calls is the answer, and the last. */
export interface Turn {
  calls: readonly ScriptedCall[];
  faults: readonly Fault[];
  delayMs?: number;
  tokens?: number;
  thinking?: string;
  /** The text of the reply, in place of the default one. */
  say?: string;
  /** The lines of this turn in the prompt. */
  lines: readonly string[];
}

/** A parsed prompt: the turns, the answer among them, and the plain text. */
export interface Script {
  turns: readonly [Turn, ...Turn[]];
  text: string;
  /** Errors of lines that could not be followed. */
  problems: readonly string[];
}

type Directive = Partial<Pick<Turn, "delayMs" | "tokens" | "thinking" | "say">> & { fault?: Fault };

/** The meaning of a line; a string is an error. */
type Reading = { calls: ScriptedCall[] } | { directive: Directive } | { text: string } | string;

/** Parses a prompt line by line: calls are turns, directives shape the turn after them, the rest is text. */
export function parseScript(prompt: string): Script {
  const turns: Turn[] = [];
  const text: string[] = [];
  const problems: string[] = [];
  let next: Turn = { calls: [], faults: [], lines: [] };

  for (const line of prompt.split(/\r?\n/)) {
    const reading = readLine(line.trim());
    if (typeof reading === "string") problems.push(reading);
    else if ("text" in reading) text.push(line);
    else if ("calls" in reading) {
      turns.push({ ...next, calls: reading.calls, lines: [...next.lines, line] });
      next = { calls: [], faults: [], lines: [] };
    } else {
      const { fault, ...shape } = reading.directive;
      const faults = fault ? [...next.faults, fault] : next.faults;
      next = { ...next, ...shape, faults, lines: [...next.lines, line] };
    }
  }
  const [first = next, ...more] = turns;
  return {
    turns: turns.length > 0 ? [first, ...more, next] : [next],
    text: text.join("\n").trim(),
    problems,
  };
}

/** Returns the fault of the n-th attempt (from 1) at a turn. Its faults are used up one after the other. */
export function faultOf(turn: Turn, attempt: number): Fault | undefined {
  let before = attempt;
  for (const fault of turn.faults) {
    if (before <= fault.times) return fault;
    before -= fault.times;
  }
  return undefined;
}

function readLine(line: string): Reading {
  const [, name, rest = ""] = /^\/(\w[\w-]*)(?:\s+(.*))?$/s.exec(line) ?? [];
  if (name && Object.hasOwn(DIRECTIVES, name)) {
    const directive = DIRECTIVES[name]?.(rest.trim());
    return directive ? { directive } : `"${line}" has a value that "/${name}" can't take.`;
  }
  return readCalls(line);
}

const DIRECTIVES: Readonly<Record<string, (rest: string) => Directive | undefined>> = {
  delay: (rest) => whole(rest, 0, 600_000, (delayMs) => ({ delayMs })),
  tokens: (rest) => whole(rest, 1, 10_000_000, (tokens) => ({ tokens })),
  think: (thinking) => (thinking ? { thinking } : undefined),
  say: (say) => (say ? { say } : undefined),
  fail: (rest) => {
    const [status = "", ...words] = rest.split(/\s+/);
    return whole(status, 400, 599, (code) => {
      const options = readOptions(words, ["times", "retry-after"]);
      if (!options) return undefined;
      const { times = 1, "retry-after": wait } = options;
      const retryAfter = wait === undefined ? {} : { retryAfterSeconds: wait };
      return { fault: { kind: "fail", times, status: code, ...retryAfter } };
    });
  },
  cut: (rest) => {
    const options = readOptions(rest.split(/\s+/).filter(Boolean), ["times"]);
    return options && { fault: { kind: "cut", times: options.times ?? 1 } };
  },
};

/** Passes an integer within bounds to `use`; returns undefined for anything else. */
function whole<T>(
  text: string,
  least: number,
  most: number,
  use: (value: number) => T,
): T | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? use(value) : undefined;
}

/** Parses options such as `times=2`; undefined if a word is not an option. */
function readOptions(
  words: readonly string[],
  names: readonly string[],
): Record<string, number | undefined> | undefined {
  const pairs = words.map((word) => /^([a-z-]+)=(\d{1,6})$/.exec(word));
  const options = pairs.map((pair) => [pair?.[1] ?? "", Number(pair?.[2])] as const);
  return options.every(([name]) => names.includes(name)) ? Object.fromEntries(options) : undefined;
}

/** Parses `/Bash {"command":"ls"} & /Read {…}`. A path such as `/usr/bin` is text. */
function readCalls(line: string): Reading {
  const calls: ScriptedCall[] = [];
  let at = 0;
  do {
    const head = /\s*\/([A-Za-z_][\w-]*)(?=[\s{&]|$)\s*/y;
    head.lastIndex = at;
    const name = head.exec(line)?.[1];
    if (!name) return at === 0 ? { text: line } : `"${line}" has no call after "&".`;
    at = head.lastIndex;
    const end = line[at] === "{" ? objectEnd(line, at) : at;
    const input = end === at ? {} : parseObject(line.slice(at, end));
    if (input === undefined) return `"${line}" has an input for "${name}" that is not JSON.`;
    calls.push({ name, input });
    at = end + (/^\s*/.exec(line.slice(end))?.[0].length ?? 0);
    if (at < line.length && line[at] !== "&") {
      return `"${line}" has something else than a JSON object after "/${name}".`;
    }
    at += 1;
  } while (at <= line.length);
  return { calls };
}

/** Returns the end of the JSON object that begins at an index; the end of the text if it is not closed. */
function objectEnd(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}" && --depth === 0) return at + 1;
  }
  return text.length;
}

function parseObject(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
