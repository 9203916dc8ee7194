import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redactor } from "./redact";

describe("a redactor", () => {
  it.each([
    ["the key sk-ant-12345 is wrong", "the key [redacted] is wrong"],
    ['{"key":"sk-ant-12345"}', '{"key":"[redacted]"}'],
    ["sk-ant-12345sk-ant-12345", "[redacted][redacted]"],
    ["sk-ant-123456789", "[redacted]"],
    ["?p=a%2Fb%20c%3Dd%22e", "?p=[redacted]"],
    ['{"p":"a/b c=d\\"e"}', '{"p":"[redacted]"}'],
    ["sk-ant-1234", "sk-ant-1234"],
    ["short and sweet", "short and sweet"],
  ])("makes of %s %s", (text, redacted) => {
    const secrets = ["sk-ant-12345", "sk-ant-123456789", 'a/b c=d"e', "short"];
    expect(redactor(secrets)(text)).toBe(redacted);
  });

  it("removes the secrets of keys that the API has made, which it does not know", () => {
    const secret = `rk_${"0a".repeat(10)}_${"f0".repeat(24)}`;
    const token = `rs_${"0a".repeat(16)}_${"f0".repeat(24)}`;
    const text = `Bearer%20${secret}, ?token=${token}&x, x_${secret}, ${JSON.stringify(`\n${token}`)}`;
    expect(redactor([])(text)).toBe(
      'Bearer%20[redacted], ?token=[redacted]&x, x_[redacted], "\\n[redacted]"',
    );
    expect(redactor([])("rk_1 and rk_two_three")).toBe("rk_1 and rk_two_three");
  });

  it("removes every secret, and changes nothing else", () => {
    const secret = fc.string({ unit: "grapheme", minLength: 8, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1 }), fc.string(), fc.string(), (all, a, b) => {
        const redact = redactor(all);
        for (const one of all) {
          expect(redact(`${a}${one}${b}`)).not.toContain(one);
          expect(redact(`${a}${JSON.stringify(one)}${b}`)).not.toContain(one);
        }
        const text = a + b;
        if (!all.some((one) => text.includes(one) || text.includes(encodeURIComponent(one)))) {
          expect(redact(text)).toBe(text);
        }
      }),
    );
  });
});
