// Implements the operations of `HostApi` that do not concern the engine: files, and what a JavaScript platform
// has.

import type { IFileSystem } from "just-bash/browser";
import type { HostApi, HostStat, Operation } from "./host-api";
import type { Pace } from "./pace";

/** Bytes that are compressed or decompressed between two pauses. */
const PIECE_BYTES = 64 * 1024;

/** Implements one operation. Throws, or rejects with, the error for the guest. */
type Handler<K extends Operation> = (
  args: Parameters<HostApi[K]>,
  bytes: Uint8Array,
) => ReturnType<HostApi[K]> | Promise<ReturnType<HostApi[K]>>;

/** The handlers of operations, by their names. */
export type Handlers<K extends Operation = Operation> = { [Name in K]: Handler<Name> };

/** Returns the handlers of files. */
export function fileHandlers(files: IFileSystem): Handlers<FileOperation> {
  const readEntries = files.readdirWithFileTypes?.bind(files);
  return {
    readFileBuffer: ([path]) => files.readFileBuffer(path),
    writeFile: ([path], bytes) => files.writeFile(path, bytes),
    appendFile: ([path], bytes) => files.appendFile(path, bytes),
    exists: ([path]) => files.exists(path),
    stat: async ([path]) => toHostStat(await files.stat(path)),
    lstat: async ([path]) => toHostStat(await files.lstat(path)),
    readlink: ([path]) => files.readlink(path),
    realpath: ([path]) => files.realpath(path),
    readdir: ([path]) => files.readdir(path),
    readdirWithFileTypes: ([path]) => {
      if (!readEntries) throw new Error("the file system does not tell the types of entries");
      return readEntries(path);
    },
    getAllPaths: () => files.getAllPaths(),
    mkdir: ([path, options]) => files.mkdir(path, options ?? undefined),
    rm: ([path, options]) => files.rm(path, options ?? undefined),
    cp: ([source, destination, options]) => files.cp(source, destination, options ?? {}),
    mv: ([source, destination]) => files.mv(source, destination),
    chmod: ([path, mode]) => files.chmod(path, mode),
    symlink: ([target, path]) => files.symlink(target, path),
    link: ([existing, path]) => files.link(existing, path),
    utimes: ([path, atime, mtime]) => files.utimes(path, new Date(atime), new Date(mtime)),
  };
}

type FileOperation = Operation & keyof IFileSystem;

/** Returns the handlers of what a JavaScript platform has. */
export function platformHandlers(pace: Pace): Handlers<PlatformOperation> {
  return {
    encode: ([text]) => new TextEncoder().encode(text),
    decode: ([encoding, options], bytes) => new TextDecoder(encoding, options).decode(bytes),
    atob: ([text]) => atob(text),
    btoa: ([text]) => btoa(text),
    random: () => Math.random(),
    randomUUID: () => crypto.randomUUID(),
    digest: async ([algorithm], bytes) =>
      new Uint8Array(await crypto.subtle.digest(algorithm, bytes)),
    dateFormat: ([locale, options, at]) =>
      new Intl.DateTimeFormat(locale ?? undefined, options ?? undefined).formatToParts(at),
    gzip: ([maxBytes], bytes) => piped(new CompressionStream("gzip"), bytes, maxBytes, pace),
    gunzip: ([maxBytes], bytes) => piped(new DecompressionStream("gzip"), bytes, maxBytes, pace),
  };
}

type PlatformOperation =
  | "encode"
  | "decode"
  | "atob"
  | "btoa"
  | "random"
  | "randomUUID"
  | "digest"
  | "dateFormat"
  | "gzip"
  | "gunzip";

const toHostStat = (found: Awaited<ReturnType<IFileSystem["stat"]>>): HostStat => ({
  ...found,
  mtime: found.mtime.getTime(),
});

/** Pipes bytes through a stream piece by piece. Rejects if more than `maxBytes` come out. */
async function piped(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array,
  maxBytes: number | null | undefined,
  pace: Pace,
): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  const write = async () => {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await writer.write(bytes.subarray(at, at + PIECE_BYTES));
      await pace.rest();
    }
    await writer.close();
  };
  const writing = write();
  // Awaited at the end; until then the reader fails with the same error.
  writing.catch(() => {});
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream.readable as ReadableStream<Uint8Array>) {
    size += piece.length;
    if (size > (maxBytes ?? Number.POSITIVE_INFINITY)) {
      throw new RangeError(`more than ${maxBytes} bytes`);
    }
    pieces.push(piece);
  }
  await writing;
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
