import type { CreateSession } from "../client/api.ts";

// The request of a form, as others would write it. The text is copied into shells and editors: nothing that somebody has
// typed may become code there.

interface Wanted {
  session: CreateSession;
  /** Empty if no message is sent. */
  prompt: string;
  /** Where the deployment is: `https://rigger.example.com`. */
  url: string;
  /** Whether requests need a key. */
  needsKey: boolean;
}

/** Returns the commands of a POSIX shell that make the request with `curl`. */
export function curlOf({ session, prompt, url, needsKey }: Wanted): string {
  const key = needsKey ? ` \\\n  -H "Authorization: Bearer $RIGGER_KEY"` : "";
  const create = `curl -s ${quoted(`${url}/api/sessions`)}${key} \\\n  -d ${quoted(json(session))}`;
  if (prompt === "") return create;
  const message = json({ prompt, background: true });
  const path = `${quoted(`${url}/api/sessions/`)}"$ID"`;
  return [
    `ID=$(${create} | jq -r .id)`,
    `curl -s ${path}/message${key} \\\n  -d ${quoted(message)}`,
    `curl -sN ${path}/events${key} \\\n  -H 'Accept: text/event-stream'`,
  ].join("\n\n");
}

/** Returns a TypeScript module that makes the request with the client. */
export function typescriptOf({ session, prompt, url, needsKey }: Wanted): string {
  const key = needsKey ? ", key: process.env.RIGGER_KEY" : "";
  const lines = [
    `import { Rigger } from "rigger/client";`,
    "",
    `const rigger = new Rigger({ url: ${literal(url)}${key} });`,
    `const session = await rigger.create(${literal(session)});`,
  ];
  if (prompt === "") return [...lines, "console.log(session.id);"].join("\n");
  return [
    ...lines,
    `for await (const event of session.send(${literal(prompt)})) {`,
    `  if (event.type === "assistant.delta") process.stdout.write(event.text);`,
    "}",
  ].join("\n");
}

/**
 * Returns a text as one word of a POSIX shell. Between single quotes every character stands for itself, line breaks, `$`,
 * `!` and backslashes too; only the quote itself has to be written outside of them.
 */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const json = (value: unknown): string => JSON.stringify(value, null, 2);

const WIDTH = 80;

/** Returns a JSON value as an expression of TypeScript. */
export function literal(value: unknown, indent = ""): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => [item, ""] as const)
    : Object.entries(value).flatMap(([key, item]) =>
        item === undefined ? [] : [[item, `${name(key)}: `] as const],
      );
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return open + close;
  const inner = `${indent}  `;
  const items = parts.map(([item, key]) => `${key}${literal(item, inner)}`);
  const space = isList ? "" : " ";
  const short = `${open}${space}${items.join(", ")}${space}${close}`;
  if (indent.length + short.length <= WIDTH && !short.includes("\n")) return short;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${indent}${close}`;
}

function name(key: string): string {
  // As a plain or quoted name this one would set the prototype.
  if (key === "__proto__") return `["__proto__"]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
}
