import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionRow } from "../db/schema";
import { errorText } from "../shared/log";
import { aSessionRow } from "../testing/rows";
import { ALICE, aMessage, ask, createSession, sessionOf, until, value } from "../testing/sessions";
import { reportedReason, sessionPoint } from "./telemetry";

const lines: string[] = [];
const linesOf = (event: string, session: string) =>
  lines
    .map((line) => JSON.parse(line))
    .filter((one) => one.event === event && one.session === session);

beforeEach(() => {
  lines.length = 0;
  for (const method of ["log", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((line) => {
      lines.push(String(line));
    });
  }
});
afterEach(() => vi.restoreAllMocks());

describe("a session's end", () => {
  it("is logged without text of the caller", async () => {
    const id = await createSession();
    value(await sessionOf(id).terminate(ALICE, "since Bob asked me to"));
    expect(linesOf("session.ended", id)).toMatchObject([
      { status: "terminated", reason: "caller" },
    ]);
    expect(lines.join()).not.toContain("Bob");
  });

  it.each(["deleted", "turn_limit"])(
    "is logged with a reason that the session set: %s",
    async (reason) => {
      const maxTurns = reason === "turn_limit" ? 1 : null;
      const id = await createSession({
        limits: { maxIdleTimeMs: null, maxLifetimeMs: null, maxBudgetNanos: null, maxTurns },
      });
      await ask(id, "hello");
      if (reason === "deleted") value(await sessionOf(id).remove(ALICE));
      expect(linesOf("session.ended", id)).toMatchObject([{ reason }]);
    },
  );

  it.each([
    ["budget_limit", "budget_limit"],
    ["whatever it was", "caller"],
    [null, null],
  ])("for %s is reported as %s", (terminationReason, reported) => {
    expect(reportedReason(terminationReason)).toBe(reported);
    const row: SessionRow = aSessionRow({ terminationReason, error: null });
    expect(sessionPoint(row, "m").blobs?.[4]).toBe(reported ?? "");
  });
});

describe("the log", () => {
  it("contains no text of a client or an agent", async () => {
    const said = "PRIVATE";
    const id = await createSession({
      description: said,
      userId: said,
      tags: [said],
      config: {
        systemPrompt: said,
        env: { PRIVATE: said, TOKEN: { secret: said, hosts: ["a.com"] } },
      },
    });
    await ask(
      id,
      `${said}\n/Bash {"command":"echo ${said}; ${said}; cat /${said}"}\n/Read {"file_path":"/${said}"}`,
    );
    value(await sessionOf(id).snapshot(ALICE));
    value(await sessionOf(id).send(ALICE, aMessage(`/Bash {"command":"sleep 9 # ${said}"}`)));
    await until(async () => value(await sessionOf(id).read(ALICE)).numTurns > 2);
    value(await sessionOf(id).update(ALICE, { description: `${said}!` }));
    value(await sessionOf(id).terminate(ALICE, said));
    expect(linesOf("message.ended", id)).toHaveLength(2);
    expect(lines.join()).not.toContain(said);
  });

  it("contains an error's message, shortened and without the text that a parser quotes", () => {
    expect(errorText(new TypeError("it broke"))).toBe("TypeError: it broke");
    expect(errorText("it broke")).toBe("it broke");
    expect(errorText(new Error("x".repeat(10_000)))).toHaveLength(500);
    const quote = () => JSON.parse("private text");
    expect(quote).toThrow(SyntaxError);
    try {
      quote();
    } catch (error) {
      expect(errorText(error)).toBe("SyntaxError");
    }
  });
});
