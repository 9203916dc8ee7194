import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Passes the chunks of an answer on. Throws if the answer is not complete. */
type Pass = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array | string>;

/** Writes the body of an answer to stdout, or to a file, which exists under its name only once it is complete. */
export async function writeOut(
  { body }: Response,
  file: string | undefined,
  pass: Pass = (chunks) => chunks,
): Promise<void> {
  const part = file === undefined ? undefined : `${file}.part`;
  try {
    const target = part === undefined ? process.stdout : createWriteStream(part);
    const source = body ? Readable.fromWeb(body as never) : Readable.from([]);
    await pipeline(source, pass, target, { end: part !== undefined });
    if (part !== undefined && file !== undefined) await rename(part, file);
  } finally {
    if (part !== undefined) await rm(part, { force: true });
  }
}
