import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allows,
  commandEnv,
  DEFAULT_HOSTS,
  DEFAULT_NETWORK,
  type EnvValue,
  egressTo,
  hostProblem,
  injectSecrets,
  type Network,
  type Secret,
  takeOverEnv,
} from "./egress";

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/);
const host = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 3 }), fc.constantFrom("com", "org", "io"))
  .map(([labels, top]) => [...labels, top].join("."));
const pattern = fc.oneof(
  host,
  host.map((name) => `*.${name}`),
);

/** Names that look like a host and are another. */
const lookalikes = (name: string): string[] => [
  `evil-${name}`,
  `evil${name}`,
  `${name}.evil.net`,
  `${name}evil`,
  `${name}-evil.net`,
  "evil.net",
  name.replace(".", "-"),
  name.slice(1),
];

describe("a network", () => {
  it.each<[Network, string, boolean]>([
    ["none", "github.com", false],
    ["open", "example.com", true],
    ["open", "1.1.1.1", true],
    ["open", "localhost", false],
    ["open", "127.0.0.1", false],
    ["open", "169.254.169.254", false],
    ["open", "[::1]", false],
    ["open", "metadata.google.internal", false],
    [DEFAULT_NETWORK, "registry.npmjs.org", true],
    [DEFAULT_NETWORK, "files.pythonhosted.org", true],
    [DEFAULT_NETWORK, "api.github.com", true],
    [DEFAULT_NETWORK, "GitHub.com", true],
    [DEFAULT_NETWORK, "github.com.", true],
    [DEFAULT_NETWORK, "github.com..", false],
    [DEFAULT_NETWORK, "evil-github.com", false],
    [DEFAULT_NETWORK, "github.com.evil.com", false],
    [DEFAULT_NETWORK, "pages.github.com", false],
    [DEFAULT_NETWORK, "api.anthropic.com", false],
    [{ allow: [] }, "github.com", false],
    [{ allow: ["example.com"] }, "github.com", false],
    [{ allow: ["default", "example.com"] }, "github.com", true],
    [{ allow: ["default", "example.com"] }, "example.com", true],
    [{ allow: ["*.example.com"] }, "a.example.com", true],
    [{ allow: ["*.example.com"] }, "a.b.example.com", true],
    [{ allow: ["*.example.com"] }, "example.com", false],
    [{ allow: ["*.example.com"] }, ".example.com", false],
    [{ allow: ["*.example.com"] }, "evilexample.com", false],
    [{ allow: ["1.2.3.4"] }, "127.0.0.1", false],
  ])("%j lets %s through: %s", (network, name, allowed) => {
    expect(allows(network, name)).toBe(allowed);
  });

  it("lets through what its list names, however it is written, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), host, label, (allow, other, below) => {
        const network = { allow };
        for (const one of allow) {
          const name = one.replace("*", below);
          expect(allows(network, name)).toBe(true);
          expect(allows(network, `${name.toUpperCase()}.`)).toBe(true);
          if (one !== name) expect(allows({ allow: [one] }, one.slice(2))).toBe(false);
        }
        for (const name of [other, ...allow.flatMap((one) => lookalikes(one.replace("*.", "")))]) {
          const named = allow.some((one) =>
            one.startsWith("*.")
              ? // An empty label is no name below another.
                !name.startsWith(".") &&
                name.split(".").slice(1).join(".").endsWith(one.slice(2)) &&
                name.endsWith(one.slice(1))
              : one === name,
          );
          expect(allows(network, name)).toBe(named);
        }
      }),
    );
  });

  it("has a default list of valid names, each once", () => {
    expect(DEFAULT_HOSTS.filter((name) => hostProblem(name) !== null)).toEqual([]);
    expect(new Set(DEFAULT_HOSTS).size).toBe(DEFAULT_HOSTS.length);
    expect(DEFAULT_HOSTS.filter((name) => name.startsWith("*"))).toEqual([]);
  });
});

describe("a name in a list of hosts", () => {
  it.each(["example.com", "*.example.com", "a-b.c1.example.com", "xn--bcher-kva.example"])(
    "can be %s",
    (name) => {
      expect(hostProblem(name)).toBeNull();
    },
  );

  it.each([
    ..."Example.com https://example.com example.com:443 example.com/ example.com. .example.com".split(
      " ",
    ),
    ..."* *. *.* a.*.com **.com *com com localhost 1.2.3.4 *.2.3.4 [::1] a..com -a.com a-.com".split(
      " ",
    ),
    ..."example.com,other.com db.internal router.lan a_b.com".split(" "),
    "",
    "example.com\n",
    "bücher.example",
    `${"a".repeat(64)}.com`,
    `${"a.".repeat(127)}com`,
  ])("can't be %j", (name) => {
    expect(hostProblem(name)).toBeTypeOf("string");
  });
});

const envWith = (hosts: string[], secret = "s3cret") =>
  takeOverEnv({}, { PLAIN: "plain", TOKEN: { secret, hosts } });
const placeholderIn = (env: Record<string, EnvValue>) => commandEnv(env).TOKEN ?? "";
const open = (env: Record<string, EnvValue>) => ({ network: "open" as const, env, modelHosts: [] });

/** The headers as they leave for a host; null when nothing does. */
function leaving(env: Record<string, EnvValue>, name: string, headers: Record<string, string>) {
  const egress = egressTo(name, open(env));
  if (egress.to !== "host") return null;
  return Object.fromEntries(injectSecrets(new Headers(headers), egress.replacements));
}

describe("a secret", () => {
  it("is a placeholder for commands, which is not told by its value and stays with its name", () => {
    const env = envWith(["example.com"]);
    expect(commandEnv(env)).toEqual({
      PLAIN: "plain",
      TOKEN: expect.stringMatching(/^rigger_secret_[0-9a-f]{32}$/),
    });
    expect(placeholderIn(envWith(["example.com"]))).not.toBe(placeholderIn(env));

    const renewed = takeOverEnv(env, { TOKEN: { secret: "new", hosts: ["other.com"] } });
    expect(commandEnv(renewed)).toEqual(commandEnv(env));
    const header = { "x-key": placeholderIn(env) };
    expect(leaving(renewed, "other.com", header)).toEqual({ "x-key": "new" });
    expect(leaving(renewed, "example.com", header)).toEqual(header);
    expect(commandEnv(takeOverEnv(env, { TOKEN: "plain now" })).TOKEN).toBe("plain now");
  });

  it("takes its place in any header, several times, and within Basic credentials", () => {
    const env = envWith(["example.com"], "p$&ss:w$1rd");
    const placeholder = placeholderIn(env);
    expect(
      leaving(env, "Example.com.", {
        authorization: `Bearer ${placeholder}`,
        "x-two": `${placeholder}, ${placeholder}x`,
        other: "untouched",
      }),
    ).toEqual({
      authorization: "Bearer p$&ss:w$1rd",
      "x-two": "p$&ss:w$1rd, p$&ss:w$1rdx",
      other: "untouched",
    });
    const basic = `Basic ${btoa(`x-access-token:${placeholder}`)}`;
    expect(leaving(env, "example.com", { authorization: basic })).toEqual({
      authorization: `Basic ${btoa("x-access-token:p$&ss:w$1rd")}`,
    });
  });

  it.each(["Basic", "Basic !!!", "Basic YQ", `Basic ${btoa("\xff\xfe:\x80")}`, "Bearer x", ""])(
    "leaves an Authorization without it as it was: %j",
    (authorization) => {
      const env = envWith(["example.com"]);
      expect(leaving(env, "example.com", { authorization })).toEqual({ authorization });
    },
  );

  it("is not looked for in the value of another", () => {
    const first = envWith(["example.com"], "inner");
    const env = takeOverEnv(first, {
      OUTER: { secret: `outer ${placeholderIn(first)}`, hosts: ["example.com"] },
    });
    const header = commandEnv(env).OUTER ?? "";
    expect(leaving(env, "example.com", { a: header })).toEqual({
      a: `outer ${placeholderIn(first)}`,
    });
  });

  it("never leaves for a host that is not its own, in whatever header it stands", () => {
    const own = fc.array(pattern, { minLength: 1, maxLength: 3 });
    const style = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => `Bearer ${text}`,
      (text) => `Basic ${btoa(`user:${text}`)}`,
      (text) => `basic  ${btoa(text)} `,
    );
    fc.assert(
      fc.property(own, host, style, (hosts, other, write) => {
        const env = envWith(hosts, "the-value");
        const authorization = write(placeholderIn(env)).trim();
        const others = [other, ...hosts.flatMap((one) => lookalikes(one.replace("*.", "")))];
        for (const name of others) {
          const headers = leaving(env, name, { authorization, "x-key": placeholderIn(env) });
          if (headers === null || allows({ allow: hosts }, name)) continue;
          expect(headers).toEqual({ authorization, "x-key": placeholderIn(env) });
        }
        for (const one of hosts) {
          const headers = leaving(env, one.replace("*", "a"), { authorization });
          expect(headers?.authorization).toBe(write("the-value").trim());
        }
      }),
    );
  });

  it("is told for its own hosts only, and for none that may not be reached", () => {
    const env = envWith(["example.com", "*.example.org"]);
    const secret = env.TOKEN as Secret;
    const told = [{ placeholder: secret.placeholder, value: "s3cret" }];
    expect(egressTo("example.com", open(env))).toEqual({ to: "host", replacements: told });
    expect(egressTo("a.example.org", open(env))).toEqual({ to: "host", replacements: told });
    expect(egressTo("example.org", open(env))).toEqual({ to: "host", replacements: [] });
    expect(egressTo("example.com", { ...open(env), network: "none" })).toEqual({ to: "nowhere" });
  });
});

it("the model's hosts are the model's, whatever the network allows", () => {
  for (const network of ["none", "open", DEFAULT_NETWORK] as const) {
    const rules = { network, env: {}, modelHosts: ["api.anthropic.com"] };
    expect(egressTo("API.anthropic.com.", rules)).toEqual({ to: "model" });
    expect(egressTo("api.anthropic.com.evil.com", rules).to).not.toBe("model");
  }
});
