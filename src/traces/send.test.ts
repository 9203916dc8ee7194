import { describe, expect, it } from "vitest";
import { CollectorBusy, post } from "./send";

const URL_ = "https://collector.example/v1/traces";
const NOW = Date.parse("2026-11-28T12:00:00Z");

const answered = (response: () => Response) =>
  post(URL_, {}, "{}", { fetch: async () => response(), now: () => NOW });

const failureOf = (response: () => Response): Promise<unknown> =>
  answered(response).then(
    () => null,
    (error) => error,
  );

describe("a request to a collector", () => {
  it.each([
    ["an empty answer", ""],
    ["nothing to report", "{}"],
    ["text", "OK"],
    ["a warning", '{"partialSuccess":{"errorMessage":"soon to be refused"}}'],
    ["null", "null"],
  ])("is accepted with %s", async (_, body) => {
    expect(await answered(() => new Response(body))).toBeNull();
  });

  it.each([
    '{"partialSuccess":{"rejectedSpans":"2"}}',
    '{"partialSuccess":{"rejectedDataPoints":2}}',
  ])("may be accepted in part: %s", async (body) => {
    expect(await answered(() => new Response(body))).toMatchObject({ items: 2 });
  });

  it.each([400, 401, 404, 413, 500, 501, 301])(
    "is not repeated after the status %i",
    async (status) => {
      const rejected = await answered(() => new Response("no", { status }));
      expect(rejected).toEqual({ why: `the collector answered ${status}`, items: "all" });
    },
  );

  it.each([429, 502, 503, 504])("is repeated after the status %i", async (status) => {
    expect(await failureOf(() => new Response("no", { status }))).toBeInstanceOf(CollectorBusy);
  });

  it.each([
    ["30", 30_000],
    ["Sat, 28 Nov 2026 12:01:00 GMT", 60_000],
    ["whenever", 0],
    ["1000000", 3_600_000],
  ])("is repeated after the pause that the collector asks for: %s", async (header, afterMs) => {
    const response = () => new Response("no", { status: 503, headers: { "Retry-After": header } });
    expect(await failureOf(response)).toMatchObject({ afterMs });
  });

  it("does not follow a redirect, which could lead its headers elsewhere", async () => {
    let init: RequestInit | undefined;
    const fetch = async (_: unknown, given?: RequestInit) => {
      init = given;
      return new Response();
    };
    await post(URL_, { Authorization: "secret" }, "{}", { fetch, now: () => NOW });
    expect(init).toMatchObject({ method: "POST", redirect: "manual" });
  });
});
