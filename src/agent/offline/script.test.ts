import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { faultOf, parseScript } from "./script";

const callsOf = (prompt: string) => parseScript(prompt).turns.map(({ calls }) => calls);

describe("parseScript", () => {
  it("takes a prompt without calls for one answer", () => {
    expect(parseScript("hello\nyou")).toEqual({
      turns: [{ calls: [], faults: [], lines: [] }],
      text: "hello\nyou",
      problems: [],
    });
  });

  it("makes a turn of each line of calls, and answers last", () => {
    const prompt = 'Look:\n/Bash {"command":"ls"}\nthen\r\n  /Read {"file_path":"a"}';
    expect(callsOf(prompt)).toEqual([
      [{ name: "Bash", input: { command: "ls" } }],
      [{ name: "Read", input: { file_path: "a" } }],
      [],
    ]);
    expect(parseScript(prompt).text).toBe("Look:\nthen");
  });

  it.each([
    ['/A {"x":"1 & 2"} & /B {"y":{"z":"}&{"}}', [{ x: "1 & 2" }, { y: { z: "}&{" } }]],
    ['/A {"x":"\\"&\\\\"}&/B {}', [{ x: '"&\\' }, {}]],
    ["/A & /B & /C", [{}, {}, {}]],
    ['/A{"x":1}', [{ x: 1 }]],
    ["/mcp__server-1__tool", [{}]],
  ])("makes the calls of one line side by side: %s", (line, inputs) => {
    expect(callsOf(line)[0]?.map(({ input }) => input)).toEqual(inputs);
  });

  it.each(["/usr/bin/env is a path", "/", "// comment", "/9lives {}", "a /Bash {}", "/Read.me"])(
    "leaves %j as text",
    (line) => expect(parseScript(line)).toMatchObject({ text: line, problems: [] }),
  );

  it.each([
    ['/Bash {"command":}', "not JSON"],
    ['/Bash {"command":"ls"', "not JSON"],
    ["/Bash ls", "something else than a JSON object"],
    ['/Bash {"a":1} /Read {}', "something else than a JSON object"],
    ["/Bash {} &", 'no call after "&"'],
    ["/delay soon", 'a value that "/delay" can\'t take'],
    ["/delay", 'a value that "/delay" can\'t take'],
    ["/tokens 0", 'a value that "/tokens" can\'t take'],
    ["/fail 200", 'a value that "/fail" can\'t take'],
    ["/fail 529 often=2", 'a value that "/fail" can\'t take'],
    ["/cut times=x", 'a value that "/cut" can\'t take'],
    ["/think", 'a value that "/think" can\'t take'],
    ["/say", 'a value that "/say" can\'t take'],
  ])("says what is wrong with %j", (line, why) => {
    const { problems, turns } = parseScript(line);
    expect(problems).toEqual([expect.stringContaining(why)]);
    expect(turns).toHaveLength(1);
  });

  it("lets directives shape the turn after them, and no other", () => {
    const { turns } = parseScript(
      "/delay 200\n/think hm, well\n/Bash {}\n/tokens 50\n/Read {}\n/cut\n/fail 429 times=2 retry-after=3",
    );
    expect(turns).toMatchObject([
      { delayMs: 200, thinking: "hm, well", faults: [] },
      { tokens: 50, faults: [] },
      {
        calls: [],
        faults: [
          { kind: "cut", times: 1 },
          { kind: "fail", status: 429, times: 2, retryAfterSeconds: 3 },
        ],
      },
    ]);
    expect(turns[1]).not.toHaveProperty("delayMs");
  });

  it("uses faults up one after the other", () => {
    const [turn] = parseScript("/fail 529 times=2\n/cut").turns;
    const kinds = [1, 2, 3, 4].map((attempt) => faultOf(turn, attempt)?.kind);
    expect(kinds).toEqual(["fail", "fail", "cut", undefined]);
  });

  it("gives back the calls that were written, whatever their input", () => {
    const input = fc.dictionary(fc.string(), fc.jsonValue());
    const calls = fc.array(fc.record({ name: fc.stringMatching(/^[A-Z][a-z_]{0,9}$/), input }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(calls, (wanted) => {
        const parts = wanted.map(({ name, input }) => `/${name} ${JSON.stringify(input)}`);
        const { turns, problems } = parseScript(parts.join(" & "));
        expect(problems).toEqual([]);
        expect(JSON.stringify(turns[0].calls)).toBe(JSON.stringify(wanted));
      }),
    );
  });
});
