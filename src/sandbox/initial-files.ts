import { fromBase64 } from "../shared/bytes";
import { join } from "./paths";
import type { Sandbox } from "./sandbox";

/** A file to write: its text, or its bytes in base64. The path is relative. */
type GivenFile = { path: string } & ({ text: string } | { base64: string });

/** How many files are written at the same time. */
const AT_ONCE = 8;

/** Writes files below a directory. Rejects with the first failure. A repeat writes them again. */
export async function writeFiles(
  sandbox: Sandbox,
  directory: string,
  files: readonly GivenFile[],
): Promise<void> {
  for (let at = 0; at < files.length; at += AT_ONCE) {
    await Promise.all(
      files
        .slice(at, at + AT_ONCE)
        .map((file) => sandbox.writeFile(join(directory, file.path), bytesOf(file))),
    );
  }
}

const bytesOf = (file: GivenFile): Uint8Array =>
  "text" in file ? new TextEncoder().encode(file.text) : fromBase64(file.base64);
