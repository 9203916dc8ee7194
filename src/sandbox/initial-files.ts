import { fromBase64 } from "../shared/bytes";
import { isRefusal } from "./files";
import { join } from "./paths";
import { type Sandbox, SandboxError } from "./sandbox";

/** A file to write: its text, its bytes in base64, or the artifact that has its bytes. The path is relative. */
type GivenFile = { path: string } & (
  | { text: string }
  | { base64: string }
  | { artifactId: string }
);

/** Returns the bytes of an artifact; null if it is not there. */
export type OpenArtifact = (artifactId: string) => Promise<ReadableStream<Uint8Array> | null>;

/** How many files whose bytes are in memory are written at the same time. */
const AT_ONCE = 8;

/** The error of an artifact that can't be a file, whenever it is tried again. `n` is the place of the file, from 0. */
export class UnwritableFile extends SandboxError {
  readonly n: number;
  constructor(n: number, message: string) {
    super(message, { transient: false });
    this.n = n;
  }
}

/**
 * Writes files below the workspace. Rejects with the first failure: with `UnwritableFile` if an artifact is not there, or can't
 * be written to its path. A repeat writes them again.
 */
export async function writeFiles(
  sandbox: Sandbox,
  workspace: string,
  files: readonly GivenFile[],
  open: OpenArtifact,
): Promise<void> {
  const given = files.flatMap((file) => ("artifactId" in file ? [] : [file]));
  for (let at = 0; at < given.length; at += AT_ONCE) {
    await Promise.all(
      given
        .slice(at, at + AT_ONCE)
        .map((file) => sandbox.writeFile(join(workspace, file.path), bytesOf(file))),
    );
  }
  for (const [n, file] of files.entries()) {
    if (!("artifactId" in file)) continue;
    const content = await open(file.artifactId);
    if (!content) throw new UnwritableFile(n, `the artifact ${file.artifactId} is not there`);
    await writeArtifact(sandbox, file.path, content, n);
  }
}

async function writeArtifact(
  { files }: Sandbox,
  path: string,
  content: ReadableStream<Uint8Array>,
  n: number,
): Promise<void> {
  try {
    const written = await files?.put(path, content, {});
    if (!written) throw new UnwritableFile(n, "this sandbox takes no files");
    if (isRefusal(written)) throw new UnwritableFile(n, written.message.replace(/\.$/, ""));
  } catch (error) {
    content.cancel().catch(() => {});
    throw error;
  }
}

const bytesOf = (file: { text: string } | { base64: string }): Uint8Array =>
  "text" in file ? new TextEncoder().encode(file.text) : fromBase64(file.base64);
