// What a guest may ask of its host besides its own script: files, and what a JavaScript platform has.

import type { IFileSystem } from "just-bash/browser";
import type { Pace } from "./pace";

/** Bytes that are compressed or decompressed between two rests. */
const PIECE_BYTES = 64 * 1024;

/** Answers a call: a value that JSON can hold, or bytes. Throws, or rejects with, what the guest is to throw. */
export function answerCall(
  operation: string,
  args: readonly never[],
  bytes: Uint8Array = new Uint8Array(),
  files: IFileSystem,
  pace: Pace,
): unknown {
  const [first, second, third] = args;
  switch (operation) {
    case "readFileBuffer":
    case "exists":
    case "readlink":
    case "realpath":
    case "readdir":
    case "readdirWithFileTypes":
      return (files[operation] as (path: string) => Promise<unknown>)(first as never);
    case "stat":
    case "lstat":
      return files[operation](first as never).then((found) => ({
        ...found,
        mtime: found.mtime.getTime(),
      }));
    case "getAllPaths":
      return files.getAllPaths();
    case "writeFile":
    case "appendFile":
      return files[operation](first as never, bytes);
    case "mkdir":
    case "rm":
    case "mv":
    case "chmod":
    case "symlink":
    case "link":
      return files[operation](first as never, (second ?? undefined) as never);
    case "cp":
      return files.cp(first as never, second as never, (third ?? {}) as never);
    case "utimes":
      return files.utimes(first as never, new Date(second as never), new Date(third as never));
    case "encode":
      return new TextEncoder().encode(first);
    case "decode":
      return new TextDecoder(first, second).decode(bytes);
    case "atob":
      return atob(first as never);
    case "btoa":
      return btoa(first as never);
    case "random":
      return Math.random();
    case "randomUUID":
      return crypto.randomUUID();
    case "digest":
      return crypto.subtle.digest(first as never, bytes).then((digest) => new Uint8Array(digest));
    case "dateFormat":
      return new Intl.DateTimeFormat(first ?? undefined, second).formatToParts(third);
    case "gzip":
      return piped(new CompressionStream("gzip"), bytes, first ?? Number.POSITIVE_INFINITY, pace);
    case "gunzip":
      return piped(new DecompressionStream("gzip"), bytes, first ?? Number.POSITIVE_INFINITY, pace);
    default:
      throw new Error(`the host has no operation ${operation}`);
  }
}

/** Pipes bytes through a stream piece by piece; rejects when more than `maxBytes` come out. */
async function piped(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array,
  maxBytes: number,
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
  // It is awaited at the end; until then the reader fails with the same error.
  writing.catch(() => {});
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream.readable as ReadableStream<Uint8Array>) {
    size += piece.length;
    if (size > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  await writing;
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
