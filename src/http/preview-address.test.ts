import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newSessionId } from "../testing/sessions";
import { newPreviewToken, sessionOfPreview } from "./ids";
import { addressOf, previewIn } from "./preview-address";

const DOMAIN = "preview.example.com";
const session = newSessionId();
const token = newPreviewToken(session);

/** Text of which addresses are made, plain and encoded. */
const piece = fc.oneof(
  fc.constantFrom(token, token.toUpperCase(), "previews", "api", "sessions", "..", ".", ""),
  fc.constantFrom("%2e%2e", "%2F", "%5c", "\\", "@", ":", "?", "#", "%00", "ｐreviews", "。", "\t"),
  fc.string({ maxLength: 8 }),
);

describe("an address of a preview", () => {
  it("names its session, and no other text does", () => {
    expect(sessionOfPreview(token)).toBe(session);
    expect(token).toMatch(/^[0-9a-f]{62}$/);
    fc.assert(
      fc.property(fc.string(), fc.nat(62), (text, at) => {
        const changed = token.slice(0, at) + text + token.slice(at);
        const named = sessionOfPreview(changed);
        expect(named === undefined || changed === token).toBe(true);
      }),
    );
  });

  it.each([
    [
      undefined,
      "https://rigger.example.com/api/x?y",
      `https://rigger.example.com/previews/${token}/`,
    ],
    [DOMAIN, "https://rigger.example.com/api/x?y", `https://${token}.${DOMAIN}/`],
    ["localhost", "http://127.0.0.1:3333/api", `http://${token}.localhost:3333/`],
  ])("with the domain %s leads to it", (domain, request, address) => {
    expect(addressOf(token, request, domain)).toBe(address);
    const base = domain === undefined ? `/previews/${token}` : "";
    expect(previewIn(new URL(address), domain)).toEqual({ token, base });
  });

  it.each([
    ["http://localhost:3333/previews/x/", "localhost"],
    [`http://${DOMAIN}/previews/x/`, DOMAIN],
    [`https://x${DOMAIN}/`, DOMAIN],
    [`https://rigger.example.com/?${token}.${DOMAIN}`, DOMAIN],
    [`https://${token}.${DOMAIN}.example.org/`, DOMAIN],
    ["https://rigger.example.com/previews", undefined],
    ["https://rigger.example.com/api/previews/x", undefined],
    [`https://${token}.${DOMAIN}/api/sessions`, undefined],
  ])("is none: %s with the domain %s", (url, domain) => {
    expect(previewIn(new URL(url), domain)).toBeNull();
  });

  it("is every host below the domain, whatever its path, so that none reaches the API", () => {
    fc.assert(
      fc.property(fc.array(piece), fc.array(piece), (labels, path) => {
        const url = URL.parse(`https://${labels.join(".")}.${DOMAIN}/${path.join("/")}`);
        if (!url?.hostname.replace(/\.$/, "").endsWith(`.${DOMAIN}`)) return;
        const found = previewIn(url, DOMAIN);
        expect(found?.base).toBe("");
        expect(`${found?.token}.${DOMAIN}`).toBe(url.hostname.replace(/\.$/, ""));
      }),
    );
  });

  it("is a path that begins with its token, and what follows is the server's, whole", () => {
    fc.assert(
      fc.property(fc.array(piece), (path) => {
        const url = URL.parse(`https://rigger.example.com/previews/${token}/${path.join("/")}`);
        const found = url && previewIn(url);
        const base = `/previews/${token}`;
        // Dots may lead out of it: then it is an address like any other.
        if (!url || !`${url.pathname}/`.startsWith(`${base}/`)) {
          expect(found?.token).not.toBe(token);
          return;
        }
        expect(found).toEqual({ token, base });
        expect(url.pathname.slice(base.length)).toMatch(/^(\/|$)/);
        expect(url.pathname.split("/")).not.toContain("..");
      }),
      { examples: [[["..", token]], [["..", ".."]]] },
    );
  });
});
