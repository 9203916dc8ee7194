// Reads what a git server says about its refs: packets of git's protocol, in versions 0 to 2. Nothing is requested here.

/** A packet: its bytes, or what ends a list of packets. */
type Packet = Uint8Array<ArrayBufferLike> | "flush" | "delimiter" | "end";

const SPECIAL: Record<number, Packet> = { 0: "flush", 1: "delimiter", 2: "end" };
const HEADER_BYTES = 4;

/** The refs of a repository, as far as the server was asked for them. */
export interface Refs {
  /** The commit of each ref, by the ref's full name; `HEAD` too. An annotated tag has the commit that it is of. */
  commits: ReadonlyMap<string, string>;
  /** The full name of the branch that `HEAD` is; null if the server does not say it. */
  head: string | null;
}

/** What a server says first: its refs, or what it has to be asked for them in version 2 of the protocol. */
export type Advertised = { version: 0; refs: Refs } | { version: 2; objectFormat: string | null };

/** Returns the packets of a text of git's protocol. Throws if it is none. */
export function packetsOf(bytes: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = new TextDecoder().decode(bytes.subarray(at, at + HEADER_BYTES));
    const length = /^[0-9a-f]{4}$/i.test(header) ? Number.parseInt(header, 16) : -1;
    const special = SPECIAL[length];
    const end = at + (special ? HEADER_BYTES : length);
    if (!special && (length < HEADER_BYTES || end > bytes.length)) throw new Error(MALFORMED);
    packets.push(special ?? bytes.subarray(at + HEADER_BYTES, end));
    at = end;
  }
  return packets;
}

/** Returns a packet with a line. */
export function packetOf(line: string): string {
  const bytes = new TextEncoder().encode(`${line}\n`).length + HEADER_BYTES;
  return `${bytes.toString(16).padStart(4, "0")}${line}\n`;
}

/** Reads the answer to `GET <url>/info/refs?service=git-upload-pack`. Throws if it is none. */
export function readAdvertised(bytes: Uint8Array): Advertised {
  const lines = packetsOf(bytes).flatMap((packet) => textOf(packet) ?? []);
  const [first, ...rest] = lines[0]?.startsWith("# service=") ? lines.slice(1) : lines;
  if (first === "version 2") {
    const format = rest.find((line) => line.startsWith("object-format="));
    return { version: 2, objectFormat: format?.slice("object-format=".length) ?? null };
  }
  const listed = first === "version 1" ? rest : first === undefined ? [] : [first, ...rest];
  if (listed.length === 0) throw new Error(MALFORMED);
  const commits = new Map<string, string>();
  let head: string | null = null;
  for (const line of listed) {
    const [ref = "", capabilities = ""] = line.split("\0");
    head ??= / ?symref=HEAD:(\S+)/.exec(` ${capabilities}`)?.[1] ?? null;
    addRef(commits, ref);
  }
  return { version: 0, refs: { commits, head } };
}

/** Reads the answer to the command `ls-refs` of version 2. Throws if it is none. */
export function readListed(bytes: Uint8Array): Refs {
  const packets = packetsOf(bytes);
  if (packets.at(-1) !== "flush") throw new Error(MALFORMED);
  const commits = new Map<string, string>();
  let head: string | null = null;
  for (const line of packets.flatMap((packet) => textOf(packet) ?? [])) {
    const [id = "", name = "", ...attributes] = line.split(" ");
    // The branch of a repository without commits.
    if (id === "unborn") continue;
    addRef(commits, `${id} ${name}`);
    for (const attribute of attributes) {
      const [, what, value = ""] = /^(symref-target|peeled):(.+)$/.exec(attribute) ?? [];
      if (what === "peeled") addRef(commits, `${value} ${name}`);
      else if (what !== undefined && name === "HEAD") head = value;
    }
  }
  return { commits, head };
}

/** Adds a ref to those that are known. `^{}` after the name of a tag is the commit that it is of. */
function addRef(commits: Map<string, string>, line: string): void {
  const [, id, name = ""] = /^([0-9a-f]{40}|[0-9a-f]{64}) (\S+)$/.exec(line) ?? [];
  if (id === undefined) throw new Error(MALFORMED);
  // Says in versions 0 and 1 that there are no refs.
  if (name === "capabilities^{}") return;
  commits.set(name.replace(/\^\{\}$/, ""), id);
}

function textOf(packet: Packet): string | undefined {
  return typeof packet === "string"
    ? undefined
    : new TextDecoder().decode(packet).replace(/\n$/, "");
}

const MALFORMED = "the answer is not one of git's protocol";

/** The commit that a name stands for. */
export interface Revision {
  commit: string;
  /** The full name of its ref; null for the commit itself, or a detached `HEAD`. */
  ref: string | null;
}

/** Returns whether a text can be the name of a ref, or that of a commit. */
export const isRefName = (text: string): boolean =>
  /^[^\s\p{Cc}~^:?*[\\]+$/u.test(text) && !/^[-/]|\.\.|\/\/|@\{|[/.]$/.test(text);

/** Returns whether a name is that of a commit. */
export const isCommit = (name: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name);

/** Returns the names of refs that a name can stand for, as git does, most likely first; `HEAD` for none. */
export const candidatesOf = (name: string | undefined): string[] =>
  name === undefined
    ? ["HEAD"]
    : [`refs/heads/${name}`, `refs/tags/${name}`, ...(name.startsWith("refs/") ? [name] : [])];

/** Returns what a name of a branch, a tag or a ref stands for, and what `HEAD` is for none; null if there is no such ref. */
export function findRevision({ commits, head }: Refs, name: string | undefined): Revision | null {
  for (const candidate of candidatesOf(name)) {
    const commit = commits.get(candidate);
    if (commit === undefined) continue;
    const ref = candidate === "HEAD" ? head : candidate;
    return { commit, ref: ref?.startsWith("refs/") ? ref : null };
  }
  return null;
}
