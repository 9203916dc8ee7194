import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isPublicHost } from "../../../shared/public-host";
import { aContext, aFakeSandbox, textOf } from "../../../testing/tool-context";
import type { SearchOutcome, ToolContext } from "../../tool";
import { runTool } from "../../tools";
import { isSameSite, readAddress } from "../web-address";
import { webFetch } from "../web-fetch";
import { webSearch } from "../web-search";

const sandbox = aFakeSandbox();

describe("readAddress", () => {
  it.each([
    ["https://example.com/a?b#c", "https://example.com/a?b#c"],
    ["http://example.com", "https://example.com/"],
    ["http://example.com:80/", "https://example.com/"],
    ["https://example.com:443/", "https://example.com/"],
    ["HTTPS://EXAMPLE.COM.", "https://example.com./"],
    ["https://8.8.8.8/", "https://8.8.8.8/"],
    ["https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"],
    ["https://bücher.example.org/", "https://xn--bcher-kva.example.org/"],
  ])("takes %s", (text, href) => {
    expect(readAddress(text)).toMatchObject({ ok: true, url: expect.objectContaining({ href }) });
  });

  it.each([
    "example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "javascript:alert(1)",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com:8080/",
    "http://example.com:22/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
    "https://intranet/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://metadata.google.internal./",
    "https://router.home.arpa/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://192.0.0.192/",
    "https://198.19.0.1/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "https://[5f00::1]/",
  ])("refuses %s", (text) => {
    expect(readAddress(text)).toEqual({ ok: false, why: expect.any(String) });
  });

  it.each([
    ["172.15.255.255", true],
    ["172.32.0.0", true],
    ["100.63.255.255", true],
    ["100.128.0.0", true],
    ["11.0.0.0", true],
    ["223.255.255.255", true],
    ["[2001:200::]", true],
    ["[2001:1ff::]", false],
    ["[3ffe::1]", true],
  ])("knows where ranges end: %s", (host, isPublic) => {
    expect(isPublicHost(host)).toBe(isPublic);
  });

  it("refuses a private IPv4 address however its number is written", () => {
    const numbers = fc.constantFrom(0x7f000001, 0x0a000001, 0xa9fea9fe, 0xc0a80101, 0xac100001);
    const spell = (n: number, radix: number) =>
      (radix === 16 ? "0x" : radix === 8 ? "0" : "") + n.toString(radix);
    const radix = fc.constantFrom(8, 10, 16);
    fc.assert(
      fc.property(
        numbers,
        fc.integer({ min: 1, max: 4 }),
        fc.array(radix, { minLength: 4, maxLength: 4 }),
        (number, parts, radixes) => {
          const bytes = [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff);
          const last = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0);
          const pieces = [...bytes.slice(0, parts - 1), last];
          const host = pieces.map((piece, index) => spell(piece, radixes[index] ?? 10)).join(".");
          expect(readAddress(`http://${host}/`)).toMatchObject({ ok: false });
        },
      ),
    );
  });

  it("takes a redirect's address from where it leads off", () => {
    const base = new URL("https://example.com/a/b");
    expect(readAddress("../c", base)).toMatchObject({ url: { href: "https://example.com/c" } });
    expect(readAddress("//127.0.0.1/", base)).toMatchObject({ ok: false });
  });

  it.each([
    ["https://example.com/a", "https://www.example.com/b", true],
    ["https://example.com/", "https://a.example.com/", false],
    ["https://example.com/", "https://example.com.evil.org/", false],
    ["https://example.com/", "https://example.com:80/", false],
  ])("knows the sites of %s and %s", (one, other, same) => {
    expect(isSameSite(new URL(one), new URL(other))).toBe(same);
  });
});

/** Answers each address with a response, and any other with an error. */
function aWeb(pages: Record<string, () => Response>) {
  return vi.fn(async (input: unknown, init?: RequestInit) => {
    expect(init?.redirect).toBe("manual");
    const page = pages[String(input)];
    if (!page) throw new Error(`no page ${input}`);
    return page();
  });
}

const html =
  (body: string, init: ResponseInit = {}) =>
  () =>
    new Response(body, {
      ...init,
      headers: { "content-type": "text/html; charset=utf-8", ...init.headers },
    });
const to = (location: string) => () => new Response(null, { status: 302, headers: { location } });

const get = (
  pages: Record<string, () => Response>,
  input: object = {},
  parts: Partial<ToolContext> = {},
) =>
  runTool(
    webFetch,
    { url: "https://example.com/", prompt: "What is it?", ...input },
    aContext({ sandbox, fetch: aWeb(pages) as unknown as typeof fetch, ...parts }),
  );
const page = async (response: () => Response, input: object = {}) =>
  textOf(await get({ "https://example.com/": response }, input));

describe("WebFetch", () => {
  it("shows HTML as Markdown, with status, address and question", async () => {
    const body = `<html><head><title>T</title><script>no()</script><style>no{}</style></head>
      <body><h1>Hi &amp; bye</h1><p>A <a href="/x">link</a></p><ul><li>one</li></ul></body></html>`;
    const result = await get({ "https://example.com/": html(body) }, { url: "http://example.com" });
    expect(result).not.toHaveProperty("isError");
    const text = textOf(result);
    expect(text).toMatch(
      /^https:\/\/example\.com\/ answered 200 (OK )?with \d+ bytes of text\/html/,
    );
    expect(text).toContain("# Hi & bye\n\nA [link](https://example.com/x)\n\n- one");
    expect(text).not.toMatch(/no[({]/);
    expect(text).toMatch(/You wanted to know: What is it\?$/);
  });

  it.each([
    ["application/json", '{"a":1}'],
    ["text/plain", "<b>not HTML</b>"],
    ["application/ld+json", "{}"],
    ["", "plain"],
  ])("shows %s as it is", async (type, body) => {
    const response = () =>
      new Response(new TextEncoder().encode(body), {
        headers: type ? { "content-type": type } : {},
      });
    expect(await page(response)).toContain(`<page>\n${body}\n</page>`);
  });

  it.each([
    ["text/html; charset=iso-8859-1", "caf\xe9"],
    ["text/html", '<meta charset="windows-1252"><p>caf\xe9'],
    ["text/html; charset=nonsense", "cafe"],
  ])("decodes by the charset: %s", async (type, body) => {
    const bytes = Uint8Array.from(body, (character) => character.charCodeAt(0));
    const response = () => new Response(bytes, { headers: { "content-type": type } });
    expect(await page(response)).toMatch(/caf[eé]\n<\/page>/);
  });

  it.each([
    ["application/pdf", "%PDF"],
    ["text/plain", "a\0b"],
  ])("does not show what is no text: %s", async (type, body) => {
    const result = await get({
      "https://example.com/": () => new Response(body, { headers: { "content-type": type } }),
    });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("can't be shown as text"),
    });
  });

  it("shows an error page as an error", async () => {
    const result = await get({ "https://example.com/": html("gone", { status: 404 }) });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringMatching(/answered 404.*gone/s),
    });
  });

  it("shows 100,000 characters from the offset on", async () => {
    const body = () =>
      new Response(`${"a".repeat(100_000)}bc`, { headers: { "content-type": "text/plain" } });
    const first = await page(body);
    expect(first).toMatch(
      /a\n<\/page>\n\[Characters 0 to 100000 of 100002\. Go on with offset 100000\.\]/,
    );
    const rest = await page(body, { offset: 100_000 });
    expect(rest).toContain("<page>\nbc\n</page>\n[Characters 100000 to 100002 of 100002.]");
    expect(await page(body, { offset: 100_002 })).toContain("[Its text ends at 100002.]");
  });

  it("stops reading after 10 MiB", async () => {
    const chunk = new Uint8Array(1024 ** 2).fill(97);
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 1;
        controller.enqueue(chunk);
      },
    });
    const text = await page(
      () => new Response(endless, { headers: { "content-type": "text/plain" } }),
    );
    expect(text).toContain("the first 10,485,760 bytes");
    expect(sent).toBeLessThan(15);
  });

  it("refuses markup that is nested to cost time", async () => {
    const result = await get({ "https://example.com/": html("<code>`".repeat(100_000)) });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("can't be shown"),
    });
  });

  it("follows redirects within the site, and checks each", async () => {
    const pages = {
      "https://example.com/": to("http://www.example.com/b"),
      "https://www.example.com/b": to("c"),
      "https://www.example.com/c": html("there"),
    };
    expect(textOf(await get(pages))).toMatch(
      /^https:\/\/www\.example\.com\/c answered 200.*there/s,
    );
  });

  it("tells of a redirect to another site and does not follow it", async () => {
    const result = await get({ "https://example.com/": to("https://other.org/x") });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringMatching(/another site.*https:\/\/other\.org\/x$/),
    });
  });

  it.each([
    "http://169.254.169.254/",
    "//localhost/",
    "file:///etc/passwd",
    "https://example.com:22/",
  ])("does not follow a redirect to %s", async (location) => {
    const result = await get({ "https://example.com/": to(location) });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("redirects to"),
    });
  });

  it("gives up after five redirects", async () => {
    const fetch = aWeb({ "https://example.com/": to("/") });
    const result = await get({}, {}, { fetch: fetch as unknown as ToolContext["fetch"] });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("more than 5 times"),
    });
    expect(fetch).toHaveBeenCalledTimes(6);
  });

  it("makes no request for an address that is refused", async () => {
    const result = await get({}, { url: "https://127.0.0.1/" });
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("not on the public web"),
    });
  });

  it("checks where each name leads before it asks there", async () => {
    const steps: string[] = [];
    const web = aWeb({
      "https://example.com/": to("https://www.example.com/b"),
      "https://www.example.com/b": html("there"),
    });
    const fetch = (async (input: unknown, init?: RequestInit) => {
      steps.push(`fetch ${input}`);
      return web(input, init);
    }) as typeof globalThis.fetch;
    const lookup = async (host: string) => {
      steps.push(`look ${host}`);
      return host === "www.example.com" ? `${host} leads astray` : null;
    };
    expect(await get({}, {}, { fetch, lookup })).toEqual({
      content: "https://www.example.com/b can't be fetched: www.example.com leads astray.",
      isError: true,
    });
    expect(steps).toEqual([
      "look example.com",
      "fetch https://example.com/",
      "look www.example.com",
    ]);
  });

  it("looks no address up", async () => {
    const lookup = () => Promise.reject(new Error("asked"));
    const pages = { "https://8.8.8.8/": html("here"), "https://[2606:4700::1]/": html("here") };
    for (const url of Object.keys(pages)) {
      expect(textOf(await get(pages, { url }, { lookup }))).toContain("here");
    }
  });

  it("ends when the call is stopped while a name is checked", async () => {
    const abort = new AbortController();
    const lookup = async () => {
      abort.abort();
      return "it was stopped";
    };
    const result = await get({}, {}, { signal: abort.signal, lookup });
    expect(result).toEqual({ content: "The call was interrupted.", isError: true });
  });

  it("says why a page could not be fetched", async () => {
    const result = await get({});
    expect(result).toMatchObject({
      isError: true,
      content: expect.stringContaining("no page https://example.com/"),
    });
  });

  it("ends when the call is stopped while the page comes", async () => {
    const abort = new AbortController();
    const silent = new ReadableStream({ pull: () => new Promise(() => {}) });
    const pages = {
      "https://example.com/": () =>
        new Response(silent, { headers: { "content-type": "text/plain" } }),
    };
    const result = get(pages, {}, { signal: abort.signal });
    await scheduler.wait(10);
    abort.abort();
    expect(await result).toEqual({ content: "The call was interrupted.", isError: true });
  });

  it("ends after 30 seconds", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
      expect(ms).toBe(30_000);
      return AbortSignal.abort(new DOMException("timed out", "TimeoutError"));
    });
    const fetch = (_: unknown, init?: RequestInit) => Promise.reject(init?.signal?.reason);
    const result = await get({}, {}, { fetch: fetch as unknown as ToolContext["fetch"] });
    timeout.mockRestore();
    expect(result).toEqual({
      content: "https://example.com/ took longer than 30 seconds.",
      isError: true,
    });
  });
});

describe("WebSearch", () => {
  const found: SearchOutcome = {
    ok: true,
    text: "It is so.\n",
    links: [{ title: "Page", url: "https://example.com/" }],
  };
  const ask = (input: object, outcome: SearchOutcome = found) => {
    const search = vi.fn(async () => outcome);
    return { search, result: runTool(webSearch, input, aContext({ sandbox, search })) };
  };

  it("shows what was found, with links", async () => {
    const { search, result } = ask({
      query: "what",
      allowed_domains: ["example.com"],
      blocked_domains: [],
    });
    expect(await result).toEqual({
      content: "It is so.\n\nLinks:\n- [Page](https://example.com/)",
    });
    expect(search.mock.calls).toEqual([[{ query: "what", allowedDomains: ["example.com"] }]]);
  });

  it("says when there is nothing, and why a search failed", async () => {
    const nothing = await ask({ query: "what" }, { ok: true, text: "", links: [] }).result;
    expect(nothing).toEqual({ content: 'Nothing was found for "what".' });
    const refused = await ask({ query: "what" }, { ok: false, message: "no money left" }).result;
    expect(refused).toEqual({ content: "The search failed: no money left", isError: true });
  });

  it("takes one list of domains, not both", async () => {
    const { search, result } = ask({
      query: "what",
      allowed_domains: ["a.com"],
      blocked_domains: ["b.com"],
    });
    expect(await result).toMatchObject({ isError: true });
    expect(search).not.toHaveBeenCalled();
  });
});
