import type { CreateSession } from "../client/api.ts";

// The form of a new session, and the request that it makes.

/** A git repository that is cloned. */
interface RepositoryRow {
  url: string;
  ref: string;
  token: string;
}

/** An MCP server, with a header that authorizes requests to it. */
export interface McpServerRow {
  name: string;
  url: string;
  header: string;
  secret: string;
}

/** The fields of the form, as text, and rows of them. What is empty is not sent. */
export interface SessionForm {
  pattern: CreateSession["pattern"];
  prompt: string;
  description: string;
  tags: string;
  userId: string;
  maxBudgetUsd: string;
  maxTurns: string;
  maxIdleTimeMs: string;
  maxLifetimeMs: string;
  onLimit: string;
  model: string;
  systemPrompt: string;
  allowedTools: string;
  askTools: string;
  disallowedTools: string;
  runtime: string;
  effort: string;
  repositories: readonly RepositoryRow[];
  /** Commands, one in each line. */
  setup: string;
  artifacts: string;
  mcpServers: readonly McpServerRow[];
  /** The JSON of a list. */
  clientTools: string;
  /** The JSON of fields of `config` that have no field of their own. */
  config: string;
}

export type FormField = keyof SessionForm;
export type Problems = Partial<Record<FormField, string>>;
type FieldOf<T> = { [F in FormField]: SessionForm[F] extends T ? F : never }[FormField];
export type TextField = FieldOf<string>;
export type RowsField = FieldOf<readonly object[]>;

/** The columns of rows. */
export const COLUMNS = {
  repositories: ["url", "ref", "token"],
  mcpServers: ["name", "url", "header", "secret"],
} as const satisfies { [F in RowsField]: readonly (keyof SessionForm[F][number])[] };

/** Columns whose values are shown to nobody. */
export const SECRETS: readonly string[] = ["token", "secret"];

export const EMPTY_FORM: SessionForm = {
  pattern: "hybrid",
  ...{ prompt: "", description: "", tags: "", userId: "" },
  ...{ maxBudgetUsd: "", maxTurns: "", maxIdleTimeMs: "", maxLifetimeMs: "", onLimit: "" },
  ...{ model: "", systemPrompt: "", allowedTools: "", askTools: "", disallowedTools: "" },
  ...{
    runtime: "",
    effort: "",
    repositories: [],
    setup: "",
    artifacts: "",
    mcpServers: [],
    clientTools: "",
    config: "",
  },
};

const OF_CONFIG = ["model", "systemPrompt", "runtime", "effort"] as const;
const LISTS_OF_CONFIG = ["allowedTools", "askTools", "disallowedTools", "artifacts"] as const;

/** Returns the body that creates the session, and what can't be read. The API checks the rest. */
export function readForm(form: SessionForm): { session: CreateSession; problems: Problems } {
  const problems: Problems = {};
  const read = <T>(field: TextField, parse: (text: string) => T | undefined, message: string) => {
    const text = form[field].trim();
    if (text === "") return {};
    const value = parse(text);
    if (value === undefined) problems[field] = message;
    return value === undefined ? {} : { [field]: value };
  };
  const text = (field: TextField) => read(field, (value) => value, "");
  const list = (field: TextField) => read(field, listOf, "");
  const duration = (field: TextField) =>
    read(field, durationOf, "Such as 30 s, 15 min, 2 h or 3 d.");

  const repositories = form.repositories.map(filled).filter(isNotEmpty);
  const servers = form.mcpServers.map(filled).filter(isNotEmpty);
  const names = servers.map(({ name }) => name);
  if (names.includes(undefined)) problems.mcpServers = "Each server needs a name.";
  else if (new Set(names).size < names.length) problems.mcpServers = "Two servers have one name.";
  const mcpServers = Object.fromEntries(servers.map(serverOf));
  const more = read("config", objectOf, "This is not a JSON object.").config ?? {};
  const config = Object.assign(
    {},
    ...OF_CONFIG.map((field) => (form[field].trim() === "" ? {} : { [field]: form[field].trim() })),
    ...LISTS_OF_CONFIG.map(list),
    repositories.length > 0 && { repositories },
    servers.length > 0 && { mcpServers },
    read("clientTools", jsonListOf, "This is not a JSON list."),
    read("setup", linesOf, ""),
  );
  const twice = Object.keys(config).find((name) => Object.hasOwn(more, name));
  if (twice !== undefined) problems.config = `${twice} has a field of its own: leave it out here.`;
  const all = { ...config, ...more };
  const session = {
    pattern: form.pattern,
    ...(Object.keys(all).length > 0 && { config: all }),
    ...text("description"),
    ...list("tags"),
    ...text("userId"),
    ...read("maxBudgetUsd", amountOf, "Such as 0.50, or none."),
    ...read("maxTurns", countOf, "A whole number, or none."),
    ...duration("maxIdleTimeMs"),
    ...duration("maxLifetimeMs"),
    ...text("onLimit"),
  };
  return { session, problems };
}

/** Returns the form with a word in place of each secret, to be shown. */
export function withoutSecrets(form: SessionForm): SessionForm {
  const hidden = <R extends object>(row: R): R =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        SECRETS.includes(name) && value !== "" ? `YOUR_${name.toUpperCase()}` : value,
      ]),
    ) as R;
  return {
    ...form,
    repositories: form.repositories.map(hidden),
    mcpServers: form.mcpServers.map(hidden),
  };
}

/** Returns the values of a row that are not empty. */
function filled<R extends object>(row: R): Partial<Record<keyof R, string>> {
  const fields = Object.entries(row).map(([name, value]) => [name, value.trim()] as const);
  return Object.fromEntries(fields.filter(([, value]) => value !== "")) as Partial<
    Record<keyof R, string>
  >;
}

const isNotEmpty = (row: object): boolean => Object.keys(row).length > 0;

/** Returns an MCP server by its name, as the API takes it. */
function serverOf({
  name = "",
  url = "",
  header = "Authorization",
  secret,
}: Partial<McpServerRow>) {
  return [name, { url, ...(secret !== undefined && { headers: { [header]: { secret } } }) }];
}

/** Returns the lines of a text that are not empty. */
const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** Returns the field of the form that an issue of the API is about; undefined if there is none. */
export function fieldOf(path: string): FormField | undefined {
  const [first = "", second = ""] = path.split(".");
  const name = first === "config" && isField(second) && second !== "prompt" ? second : first;
  return isField(name) ? name : undefined;
}

const isField = (name: string): name is FormField => Object.hasOwn(EMPTY_FORM, name);

/** Returns the items of a list, by lines or commas. A comma in the brackets of a rule belongs to the rule. */
export function listOf(text: string): string[] {
  const items = text.match(/(?:\([^()\n]*\)|[^,\n])+/g) ?? [];
  return [...new Set(items.map((item) => item.trim()).filter((item) => item !== ""))];
}

const UNITS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** Returns a duration in ms; null for `none`, undefined if it can't be read. */
export function durationOf(text: string): number | null | undefined {
  if (text === "none") return null;
  const [, amount, unit] = text.match(/^(\d+(?:\.\d+)?) *(ms|s|min|h|d)$/) ?? [];
  return unit === undefined
    ? undefined
    : Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS]);
}

function amountOf(text: string): number | null | undefined {
  if (text === "none") return null;
  return /^\d*\.?\d+$/.test(text.replace(/^\$ */, ""))
    ? Number(text.replace(/^\$ */, ""))
    : undefined;
}

function countOf(text: string): number | null | undefined {
  if (text === "none") return null;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function objectOf(text: string): Record<string, unknown> | undefined {
  const value = jsonOf(text);
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function jsonListOf(text: string): unknown[] | undefined {
  const value = jsonOf(text);
  return Array.isArray(value) ? value : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
