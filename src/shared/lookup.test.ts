import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { createLookup } from "./lookup";
import { isPublicAddress } from "./public-host";

const RESOLVER = "https://dns.test/resolve?token=1";
const A = 1;
const CNAME = 5;
const AAAA = 28;
const signal = new AbortController().signal;

type Records = { type: number; TTL: number; data: string }[];
const answer = (records: Records = [], Status = 0) => Response.json({ Status, Answer: records });
const record = (type: number, data: string, TTL = 60) => ({ type, data, TTL });

/** A resolver that answers with what it is given for each type, and what it was asked. */
function aResolver(answers: { A?: () => Response; AAAA?: () => Response }, now = () => 0) {
  const asked: URL[] = [];
  const fetch = vi.fn(async (input: unknown, init?: RequestInit) => {
    const url = new URL(String(input));
    asked.push(url);
    expect(init).toMatchObject({ redirect: "manual", headers: { accept: "application/dns-json" } });
    const respond = answers[url.searchParams.get("type") as "A" | "AAAA"];
    return respond ? respond() : answer();
  });
  const lookup = createLookup({ resolver: RESOLVER, fetch: fetch as typeof globalThis.fetch, now });
  return { asked, fetch, look: (host = "a.example") => lookup(host, signal) };
}

describe("a lookup", () => {
  it("asks for both kinds of addresses, at the resolver's own address", async () => {
    const { asked, look } = aResolver({ A: () => answer([record(A, "8.8.8.8")]) });
    expect(await look()).toBeNull();
    expect(asked.map(({ origin, pathname }) => origin + pathname)).toEqual([
      "https://dns.test/resolve",
      "https://dns.test/resolve",
    ]);
    expect(asked.map(({ search }) => search)).toEqual([
      "?token=1&name=a.example&type=A",
      "?token=1&name=a.example&type=AAAA",
    ]);
  });

  it.each([
    ["a public IPv4 address", [record(A, "8.8.8.8")], [], null],
    ["a public IPv6 address", [], [record(AAAA, "2606:4700::1111")], null],
    ["an alias of a public one", [record(CNAME, "b.example."), record(A, "8.8.8.8")], [], null],
    ["a private IPv4 address", [record(A, "10.0.0.1")], [], /not on the public internet/],
    ["the metadata service", [record(A, "169.254.169.254")], [], /not on the public internet/],
    [
      "a private one among public ones",
      [record(A, "8.8.8.8"), record(A, "127.0.0.1")],
      [],
      /not on/,
    ],
    ["a private IPv6 address", [record(A, "8.8.8.8")], [record(AAAA, "fd00::1")], /not on/],
    ["an IPv4 address within IPv6", [], [record(AAAA, "::ffff:127.0.0.1")], /not on/],
    ["an alias of nothing", [record(CNAME, "b.example.")], [], /a\.example has no address/],
    ["nothing", [], [], /a\.example has no address/],
    ["an address that is none", [record(A, "localhost")], [], /not on the public internet/],
  ])("of %s", async (_, a, aaaa, problem) => {
    const { look } = aResolver({ A: () => answer(a), AAAA: () => answer(aaaa) });
    const found = await look();
    if (problem === null) expect(found).toBeNull();
    else expect(found).toMatch(problem);
  });

  it("of a name that does not exist says so", async () => {
    const { look } = aResolver({ A: () => answer([], 3), AAAA: () => answer([], 3) });
    expect(await look()).toBe("a.example has no address");
  });

  it.each([
    ["an error", () => new Response("no", { status: 500 }), /answered 500/],
    ["a redirect", () => Response.redirect("https://other.test/"), /answered 302/],
    ["a failure", () => answer([], 2), /failed with status 2/],
    ["what is no JSON", () => new Response("<html>"), /can't be read/],
    ["another shape", () => Response.json({ Status: 0, Answer: [{ type: "A" }] }), /can't be read/],
    [
      "silence",
      () => {
        throw new DOMException("timed out", "TimeoutError");
      },
      /could not be reached/,
    ],
  ])("lets nothing pass where the resolver answers one of both with %s", async (_, bad, why) => {
    const good = () => answer([record(A, "8.8.8.8")]);
    for (const answers of [
      { A: good, AAAA: bad },
      { A: bad, AAAA: good },
    ]) {
      const { look, fetch } = aResolver(answers);
      expect(await look()).toMatch(/^the address of a\.example could not be checked/);
      expect(await look()).toMatch(why);
      expect(fetch.mock.calls.length).toBe(4);
    }
  });

  it.each([
    [60, 59_999, 2],
    [60, 60_000, 4],
    [86_400, 299_999, 2],
    [86_400, 300_000, 4],
    [0, 0, 4],
  ])(
    "keeps an answer for its %i seconds, and five minutes at most: after %i ms %i questions",
    async (ttl, later, questions) => {
      let at = 0;
      const records = [record(CNAME, "b.example.", 86_400), record(A, "8.8.8.8", ttl)];
      const { look, fetch } = aResolver({ A: () => answer(records) }, () => at);
      await look();
      at = later;
      expect(await look()).toBeNull();
      expect(fetch).toHaveBeenCalledTimes(questions);
    },
  );

  it("keeps a refusal, and never more than a thousand answers", async () => {
    const { look, fetch } = aResolver({ A: () => answer([record(A, "10.0.0.1")]) });
    expect(await look("first.example")).toMatch(/^first\.example leads/);
    expect(await look("first.example")).toMatch(/^first\.example leads/);
    expect(fetch).toHaveBeenCalledTimes(2);
    for (let i = 0; i < 1_000; i++) await look(`${i}.example`);
    fetch.mockClear();
    await look("999.example");
    expect(fetch).not.toHaveBeenCalled();
    await look("first.example");
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it("lets no address pass of which the platform's own parser says that it is private", () => {
    const networks = ["0", "10", "127", "169.254", "172.16", "172.31", "192.168", "100.64", "224"];
    const byte = fc.nat(255);
    const address = fc
      .tuple(fc.constantFrom(...networks), byte, byte, byte)
      .map(([network, ...rest]) => [...network.split("."), ...rest].slice(0, 4).join("."));
    fc.assert(
      fc.property(address, (text) => {
        expect(isPublicAddress(text)).toBe(false);
        expect(isPublicAddress(`::ffff:${text}`)).toBe(false);
        expect(isPublicAddress(`64:ff9b::${text}`)).toBe(false);
      }),
    );
  });

  it.each(["", "a.example", "8.8.8.8/", "8.8.8.8:80", "[::1]", "@8.8.8.8", "2606:4700::1%eth0"])(
    "takes %j for no public address",
    (text) => {
      expect(isPublicAddress(text)).toBe(false);
    },
  );
});
