import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { curlOf, literal, quoted, typescriptOf } from "./snippets.ts";

const wanted = {
  session: { pattern: "hybrid", maxBudgetUsd: 0.5, description: "it's $HOME" } as const,
  prompt: "Say `hi` to\n$(whoami)\\",
  ...{ url: "https://rigger.example.com", needsKey: true },
};

/**
 * Reads one word as a POSIX shell does (2.2, quoting): between single quotes, and outside of quotes. Throws if the shell
 * would do more than read it.
 */
function wordOf(text: string): string {
  let word = "";
  let rest = text;
  while (rest !== "") {
    const inQuotes = /^'([^']*)'/.exec(rest);
    const escaped = /^\\([^\n])/.exec(rest);
    const [read, plain] = inQuotes ?? escaped ?? [];
    if (read === undefined) throw new Error(`the shell interprets ${rest}`);
    word += plain;
    rest = rest.slice(read.length);
  }
  return word;
}

describe("quoted", () => {
  test.each([
    "",
    "plain",
    "it's",
    "''",
    "'; rm -rf ~; '",
    "$HOME",
    "`id`",
    "a\\",
    "\\'",
    "!!",
    "a\nb",
    '"',
    "\t*?[x]~#",
  ])("a shell reads %j as it was", (text) => {
    expect(wordOf(quoted(text))).toBe(text);
  });

  test("a shell reads any text as it was", () => {
    const nasty = fc.string({
      unit: fc.constantFrom("'", '"', "\\", "$", "`", "\n", "!", "(", ")", "a", " "),
    });
    fc.assert(
      fc.property(fc.oneof(nasty, fc.string({ unit: "grapheme" })), (text) => {
        expect(wordOf(quoted(text))).toBe(text);
      }),
    );
  });
});

describe("curlOf", () => {
  test("creates the session, sends the message and follows it", () => {
    expect(curlOf(wanted)).toBe(`ID=$(curl -s 'https://rigger.example.com/api/sessions' \\
  -H "Authorization: Bearer $RIGGER_KEY" \\
  -d '{
  "pattern": "hybrid",
  "maxBudgetUsd": 0.5,
  "description": "it'\\''s $HOME"
}' | jq -r .id)

curl -s 'https://rigger.example.com/api/sessions/'"$ID"/message \\
  -H "Authorization: Bearer $RIGGER_KEY" \\
  -d '{
  "prompt": "Say \`hi\` to\\n$(whoami)\\\\",
  "background": true
}'

curl -sN 'https://rigger.example.com/api/sessions/'"$ID"/events \\
  -H "Authorization: Bearer $RIGGER_KEY" \\
  -H 'Accept: text/event-stream'`);
  });

  test("sends no key and no message if there is none", () => {
    const curl = curlOf({ ...wanted, session: { pattern: "hybrid" }, prompt: "", needsKey: false });
    expect(curl).toBe(`curl -s 'https://rigger.example.com/api/sessions' \\
  -d '{
  "pattern": "hybrid"
}'`);
  });
});

describe("typescriptOf", () => {
  test("creates the session and prints the reply", () => {
    expect(typescriptOf(wanted)).toBe(`import { Rigger } from "rigger/client";

const rigger = new Rigger({ url: "https://rigger.example.com", key: process.env.RIGGER_KEY });
const session = await rigger.create({ pattern: "hybrid", maxBudgetUsd: 0.5, description: "it's $HOME" });
for await (const event of session.send("Say \`hi\` to\\n$(whoami)\\\\")) {
  if (event.type === "assistant.delta") process.stdout.write(event.text);
}`);
  });

  test("sends no message if there is none", () => {
    expect(typescriptOf({ ...wanted, prompt: "" })).toContain("console.log(session.id);");
  });
});

describe("literal", () => {
  test("quotes the names that need it, and breaks long lines", () => {
    const value = {
      "a-b": 1,
      __proto: [],
      ["__proto__"]: {},
      long: ["x".repeat(50), "y".repeat(40)],
    };
    expect(literal(value)).toBe(`{
  "a-b": 1,
  __proto: [],
  ["__proto__"]: {},
  long: [
    "${"x".repeat(50)}",
    "${"y".repeat(40)}",
  ],
}`);
  });

  test("of any JSON, without line breaks and trailing commas, the texts and numbers are those of JSON", () => {
    const leaves = (text: string) =>
      text.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null/g) ?? [];
    const scalar = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(scalar)), (value) => {
        expect(leaves(literal(value))).toEqual(leaves(JSON.stringify(value)));
      }),
    );
  });
});
