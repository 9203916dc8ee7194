import { describe, expect, it } from "vitest";
import {
  ALICE,
  aMessage,
  createSession,
  eventsOf,
  sessionOf,
  until,
  value,
} from "../../testing/sessions";

/** Such sessions were created before these limits existed. The object does not check its config again. */
describe("a session whose config would be refused today", () => {
  it.each([
    ["a pattern", { type: "string", pattern: "(?=a)" }],
    [
      "definitions that expand exponentially",
      {
        $ref: "#/$defs/a0",
        $defs: {
          ...Object.fromEntries(
            Array.from({ length: 30 }, (_, n) => {
              const next = { $ref: `#/$defs/a${n + 1}` };
              return [`a${n}`, { allOf: [next, next] }];
            }),
          ),
          a30: { type: "string" },
        },
      },
    ],
  ])("fails its messages because of %s, with the reason", async (_, outputSchema) => {
    const id = await createSession({ config: { outputSchema } });
    value(await sessionOf(id).send(ALICE, aMessage('/say "a"')));
    const failures = async () =>
      (await eventsOf(id)).filter((event) => event.type === "message.failed");
    await until(async () => (await failures()).length > 0);
    expect(await failures()).toMatchObject([
      { error: { reason: "output_mismatch", message: expect.stringContaining("the schema ") } },
    ]);
  });
});
