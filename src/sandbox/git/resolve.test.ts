import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aRepository, tokenFor } from "../../testing/repositories";
import {
  candidatesOf,
  findRevision,
  packetOf,
  packetsOf,
  readAdvertised,
  readListed,
} from "./refs";
import { type Remote, resolveRevision } from "./resolve";

const commit = fc.stringMatching(/^[0-9a-f]{40}$/);
const name = fc.stringMatching(/^refs\/(heads|tags)\/[a-z0-9]{1,6}(\/[a-z0-9]{1,4})?$/);
const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("what a git server says", () => {
  const refs = fc.dictionary(name, commit, { minKeys: 1, maxKeys: 8, noNullPrototype: true });

  it("is read in versions 0 and 2 of the protocol alike", () => {
    fc.assert(
      fc.property(refs, fc.boolean(), commit, (known, hasTags, tag) => {
        const [head = ""] = Object.keys(known);
        const all = Object.entries({ HEAD: known[head] ?? "", ...known });
        const isTag = (ref: string) => hasTags && ref.startsWith("refs/tags/");
        const advertised = all.flatMap(([ref, id], n) => {
          const capabilities = n === 0 ? `\0thin-pack symref=HEAD:${head} agent=git/2` : "";
          if (!isTag(ref)) return [packetOf(`${id} ${ref}${capabilities}`)];
          return [packetOf(`${tag} ${ref}${capabilities}`), packetOf(`${id} ${ref}^{}`)];
        });
        const old = readAdvertised(
          bytesOf(`${packetOf("# service=git-upload-pack")}0000${advertised.join("")}0000`),
        );
        const listed = all.map(([ref, id]) => {
          const symref = ref === "HEAD" ? ` symref-target:${head}` : "";
          return packetOf(isTag(ref) ? `${tag} ${ref} peeled:${id}` : `${id} ${ref}${symref}`);
        });
        const now = readListed(bytesOf(`${listed.join("")}0000`));
        expect(old).toEqual({ version: 0, refs: now });
        expect(now.commits).toEqual(new Map(all));
        expect(now.head).toBe(head);
      }),
    );
  });

  it("is refused as a whole if it is anything else, and takes no longer than its length", () => {
    const pieces = fc.oneof(
      fc.constantFrom("0000", "0001", "0002", "0003", "0005a", "fff0", packetOf("version 2")),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        const bytes = bytesOf(parts.join(""));
        for (const read of [packetsOf, readAdvertised, readListed]) {
          try {
            read(bytes);
          } catch (error) {
            expect(String(error)).toBe("Error: the answer is not one of git's protocol");
          }
        }
      }),
    );
  });

  it("names a branch before a tag, and HEAD for no name", () => {
    const commits = new Map([
      ["HEAD", "1"],
      ["refs/heads/v1", "2"],
      ["refs/tags/v1", "3"],
      ["refs/pull/7/head", "4"],
    ]);
    const refs = { commits, head: "refs/heads/main" };
    expect(findRevision(refs, undefined)).toEqual({ commit: "1", ref: "refs/heads/main" });
    expect(findRevision(refs, "v1")).toEqual({ commit: "2", ref: "refs/heads/v1" });
    expect(findRevision(refs, "refs/tags/v1")).toEqual({ commit: "3", ref: "refs/tags/v1" });
    expect(findRevision(refs, "refs/pull/7/head")?.commit).toBe("4");
    expect(findRevision(refs, "v2")).toBeNull();
    expect(findRevision({ commits, head: "--option" }, undefined)?.ref).toBeNull();
    expect(candidatesOf("v1")).not.toContain("v1");
  });
});

describe("the commit of a ref", () => {
  const resolve = (remote: Remote) => resolveRevision(remote, (input, init) => fetch(input, init));
  const failure = (remote: Remote) =>
    resolve(remote).then(
      () => expect.unreachable(),
      ({ message, transient }) => ({ message, transient }),
    );

  it.each(["public", "old"])("is that of a real server: %s", async (prefix) => {
    const repository = aRepository(prefix);
    const { url } = repository;
    const first = await repository.commit({ a: "1" }, { tag: "v1" });
    const second = await repository.commit({ a: "2" });
    const other = await repository.commit({ b: "3" }, { branch: "feature/ü" });
    const main = { commit: second, ref: "refs/heads/main" };
    expect(await resolve({ url })).toEqual(main);
    expect(await resolve({ url, ref: "main" })).toEqual(main);
    expect(await resolve({ url, ref: "v1" })).toEqual({ commit: first, ref: "refs/tags/v1" });
    expect(await resolve({ url, ref: "feature/ü" })).toMatchObject({ commit: other });
    expect(await resolve({ url, ref: first })).toEqual({ commit: first, ref: null });
    expect(await failure({ url, ref: first.slice(0, 8) })).toEqual({
      message: expect.stringContaining("a commit has to be given in full"),
      transient: false,
    });
  });

  it("is found with the token only, which no error contains", async () => {
    const repository = aRepository("private");
    const { url } = repository;
    const made = await repository.commit({ a: "1" });
    const token = tokenFor(repository);
    expect(await resolve({ url, token })).toMatchObject({ commit: made });
    for (const wrong of [undefined, "wrong-token"]) {
      const { message, transient } = await failure({ url, ref: made, token: wrong });
      expect(message).toContain("git.example.com answered 401");
      expect(message).not.toContain("wrong-token");
      expect(transient).toBe(false);
    }
    const moved = url.replace("/private", "/moved-private");
    expect(await resolve({ url: moved, token })).toMatchObject({ commit: made });
  });

  it.each<[string, Response | (() => never), boolean, RegExp]>([
    ["is overloaded", new Response(null, { status: 503 }), true, /answered 503/],
    ["can't be reached", () => expect.unreachable(), true, /could not be reached/],
    ["has something else there", new Response("<html>"), false, /no git repository/],
    [
      "sends to another host",
      new Response(null, { status: 302, headers: { location: "http://169.254.169.254/x" } }),
      false,
      /redirects to 169/,
    ],
  ])("is not found if the server %s", async (_, answer, transient, says) => {
    let asked = 0;
    const fetcher = async () => {
      asked += 1;
      return typeof answer === "function" ? answer() : answer;
    };
    const found = resolveRevision({ url: "https://git.example.com/x" }, fetcher as typeof fetch);
    await expect(found).rejects.toMatchObject({ transient, message: expect.stringMatching(says) });
    expect(asked).toBe(1);
  });
});
