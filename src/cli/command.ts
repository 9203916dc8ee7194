import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type ParseArgsOptionDescriptor, parseArgs } from "node:util";
import { Rigger, type SessionHandle } from "../client/rigger.ts";

// What a command is, and how its arguments are read.

interface Option extends ParseArgsOptionDescriptor {
  /** What the option does, for its help. */
  help: string;
  /** The name of its value in the help. */
  value?: string;
}

export type Options = Readonly<Record<string, Option>>;

const COMMON = {
  url: { type: "string", value: "url", help: "the deployment (RIGGER_URL; http://localhost:3333)" },
  key: {
    type: "string",
    value: "key",
    help: "the API key; RIGGER_KEY keeps it out of the history",
  },
  help: { type: "boolean", short: "h", help: "shows this help" },
} satisfies Options;

const JSON_OPTION = { type: "boolean" } as const;

type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; strict: true; allowPositionals: true }>
>["values"];

/** A command as it is called. */
export interface Call<O extends Options> {
  values: Values<O>;
  args: string[];
  isJson: boolean;
  /** For requests that are tried for two seconds. */
  rigger: Rigger;
  /** Returns a session whose requests and streams are tried for most of a minute: as long as a deploy takes. */
  session(id: string): SessionHandle;
}

interface Definition<O extends Options> {
  summary: string;
  /** The arguments: `<one>` is required, `[one]` is not, and `…` is for several. */
  args?: string;
  /** More help. */
  details?: string;
  options?: O;
  /** What `--json` prints; without it, the command does not have the option. */
  json?: string;
  /** Returns the exit code. */
  run(call: Call<O>): Promise<number>;
}

export interface Command {
  summary: string;
  usage(name: string): string;
  help(name: string): string;
  /** Runs the command and returns its exit code. Throws a `UsageError` for wrong arguments. */
  start(name: string, argv: readonly string[], environment: Environment): Promise<number>;
}

interface Environment {
  RIGGER_URL?: string | undefined;
  RIGGER_KEY?: string | undefined;
}

/** Wrong arguments; the message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Returns a command whose arguments are checked before it runs. */
export function command<const O extends Options>(definition: Definition<O>): Command {
  const { summary, args = "", details, json } = definition;
  const own: Options = definition.options ?? {};
  const options: Options = {
    ...own,
    ...(json !== undefined && { json: { ...JSON_OPTION, help: `prints ${json}` } }),
    ...COMMON,
  };
  const usage = (name: string) =>
    `rigger ${[name, Object.keys(own).length > 0 && "[options]", args].filter(Boolean).join(" ")}`;
  return {
    summary,
    usage,
    help: (name) =>
      [
        `Usage: ${usage(name)}`,
        `${summary}.${details === undefined ? "" : `\n\n${details}`}`,
        `Options:\n${optionsHelp(options)}`,
      ].join("\n\n"),
    start(_, argv, environment) {
      const { values, positionals } = parse(argv, options);
      requireCount(positionals, args);
      const given = values as Values<typeof COMMON>;
      const connection = {
        url: given.url ?? (environment.RIGGER_URL || "http://localhost:3333"),
        key: given.key ?? environment.RIGGER_KEY,
      };
      if (!URL.canParse(connection.url)) throw new UsageError(`"${connection.url}" is no URL.`);
      const patient = new Rigger(connection);
      return definition.run({
        values: values as Values<O>,
        args: positionals,
        isJson: values.json === true,
        rigger: new Rigger({ ...connection, maxRetries: 3 }),
        session: (id) => patient.session(id),
      });
    },
  };
}

function parse(argv: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  } catch (error) {
    // Node's messages go on with advice about other arguments.
    const [first = ""] = String((error as Error).message).split(/\.? To specify|\n/);
    throw new UsageError(`${first.replace(/\.$/, "")}.`);
  }
}

function requireCount(given: readonly string[], args: string): void {
  const names = args.match(/[<[][^>\]]+[>\]]/g) ?? [];
  const missing = names.filter((name) => name.startsWith("<"))[given.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing.`);
  const extra = given[names.length];
  if (extra !== undefined && !args.includes("…")) {
    throw new UsageError(`"${extra}" is one argument too many.`);
  }
}

function optionsHelp(options: Options): string {
  const rows = Object.entries(options).map(([name, { short, value, multiple, help }]) => ({
    flag: `${short ? `-${short}, ` : "    "}--${name}${value ? ` <${value}>` : ""}`,
    help: multiple ? `${help}; can be repeated` : help,
  }));
  const width = Math.max(...rows.map(({ flag }) => flag.length));
  return rows.map(({ flag, help }) => `  ${flag.padEnd(width)}  ${help}`).join("\n");
}

/** Returns the number of an option. */
export function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) {
    throw new UsageError(`--${name} needs a number, not "${text}".`);
  }
  return number;
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Returns the milliseconds of an option such as `90s`, `15m`, `2h` or `30d`. */
export function durationOf(name: string, text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  if (count === undefined)
    throw new UsageError(`--${name} needs a duration such as 90s, 2h or 7d.`);
  return Math.round(Number(count) * UNITS[unit as keyof typeof UNITS]);
}

/** Returns the text of the file that an option names; of stdin for `-`. */
export async function textOf(name: string, file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  return readFile(file, "utf8").catch((error) => {
    throw new UsageError(`--${name} ${file} can't be read (${error.code}).`);
  });
}

/** Returns the JSON object of an option. */
export function objectOf(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message says enough.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`--${name} needs a JSON object.`);
  }
  return value as Record<string, unknown>;
}

/** Returns an option's value if it is one of the words. */
export function oneOf<T extends string>(name: string, words: readonly T[], text: string): T {
  const word = words.find((one) => one === text);
  if (word === undefined) throw new UsageError(`--${name} is one of ${words.join(", ")}.`);
  return word;
}
