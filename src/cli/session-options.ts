import type { CreateSession } from "../client/rigger.ts";
import {
  type Call,
  numberOf,
  type Options,
  objectOf,
  oneOf,
  textOf,
  UsageError,
} from "./command.ts";

// The options of every command that creates a session.

export const PATTERNS = ["ephemeral", "long-running", "hybrid", "single-container"] as const;

export const SESSION_OPTIONS = {
  pattern: { type: "string", short: "p", value: "pattern", help: PATTERNS.join(", ") },
  model: { type: "string", short: "m", value: "model", help: "the model" },
  system: { type: "string", value: "text", help: "the system prompt" },
  "max-budget": { type: "string", value: "usd", help: "maximum cost of the session" },
  "max-turns": { type: "string", value: "count", help: "maximum turns of the session" },
  allow: { type: "string", multiple: true, value: "rule", help: "allows a tool: Read, Bash(ls *)" },
  ask: { type: "string", multiple: true, value: "rule", help: "asks before a tool is used" },
  deny: { type: "string", multiple: true, value: "rule", help: "denies a tool" },
  tag: { type: "string", short: "t", multiple: true, value: "tag", help: "a tag of the session" },
  description: { type: "string", value: "text", help: "describes the session" },
  user: { type: "string", value: "id", help: "the user of your app" },
  resume: { type: "string", value: "session", help: "goes on from a session that has ended" },
  body: {
    type: "string",
    value: "file",
    help: "a JSON file with any fields of POST /api/sessions; options take precedence",
  },
} as const satisfies Options;

/** Returns the session that the options describe. Throws a `UsageError` if they don't. */
export async function sessionOf(
  values: Call<typeof SESSION_OPTIONS>["values"],
  pattern: CreateSession["pattern"],
): Promise<CreateSession> {
  const file: Partial<CreateSession> =
    values.body === undefined ? {} : objectOf("body", await textOf("body", values.body));
  const config = {
    ...(file.config as CreateSession["config"]),
    ...(values.model !== undefined && { model: values.model }),
    ...(values.system !== undefined && { systemPrompt: values.system }),
    ...(values.allow && { allowedTools: values.allow }),
    ...(values.ask && { askTools: values.ask }),
    ...(values.deny && { disallowedTools: values.deny }),
    ...(values.resume !== undefined && { resumeSessionId: values.resume }),
  };
  return {
    pattern,
    ...file,
    ...(values.pattern !== undefined && { pattern: oneOf("pattern", PATTERNS, values.pattern) }),
    ...limitsOf(values),
    ...(values.tag && { tags: values.tag }),
    ...(values.description !== undefined && { description: values.description }),
    ...(values.user !== undefined && { userId: values.user }),
    ...(Object.keys(config).length > 0 && { config }),
  };
}

/** Throws a `UsageError` if there are options for a session that is not created. */
export function requireNoneOf(values: object): void {
  const [name] = Object.keys(SESSION_OPTIONS).filter((name) => name in values);
  if (name !== undefined) throw new UsageError(`--${name} is for a new session only.`);
}

/** Returns the limits that the options set. */
export const limitsOf = (values: {
  "max-budget"?: string | undefined;
  "max-turns"?: string | undefined;
}): Pick<CreateSession, "maxBudgetUsd" | "maxTurns"> => ({
  ...(values["max-budget"] !== undefined && {
    maxBudgetUsd: numberOf("max-budget", values["max-budget"]),
  }),
  ...(values["max-turns"] !== undefined && {
    maxTurns: numberOf("max-turns", values["max-turns"]),
  }),
});
