import { savedTranscriptPath } from "../../agent/claude-code/options";
import type { Sandbox } from "../../sandbox/sandbox";
import { fromBase64 } from "../../shared/bytes";
import { quote } from "../../shared/quote";
import type { SessionStore } from "../storage/store";

// Claude Code appends its memory to a transcript file. The session stores a copy of the file, so that a process in a
// new container, or in another session, can start with it.

/** Size of a piece in bytes, which is read at once and stored in one row, as base64. */
const PIECE_BYTES = 512 * 1024;

/** Number of stored bytes that are read again, to check that the file is still the same. */
const OVERLAP_BYTES = 256;

const READ_TIMEOUT_MS = 30_000;

/**
 * Stores the lines that were appended to the transcript since the last call. An incomplete last line is left for the
 * next call. If the file is not the stored one, it is stored again from its start. Does nothing if the file does not
 * exist.
 */
export async function saveTranscript(
  path: string,
  sandbox: Sandbox,
  store: SessionStore,
  commit: <T>(change: () => T) => T,
): Promise<void> {
  for (let again = true; again; ) {
    const kept = store.process.transcriptSize();
    const last = store.process.lastPiece();
    const overlap = last?.subarray(-OVERLAP_BYTES) ?? new Uint8Array();
    const piece = await readPiece(path, kept - overlap.length, sandbox);
    if (piece === null || store.process.transcriptSize() !== kept) return;
    if (!startsWith(piece, overlap)) {
      commit(() => store.process.forgetTranscript());
      continue;
    }
    const added = piece.subarray(overlap.length);
    const lines = added.subarray(0, added.lastIndexOf(NEWLINE) + 1);
    again = piece.length >= PIECE_BYTES;
    // A line that is longer than a piece is stored in several pieces.
    const whole = lines.length === 0 && again ? added : lines;
    if (whole.length > 0) commit(() => store.process.addTranscript(whole));
  }
}

/** Writes the stored transcript to the file from which a starting process reads it. */
export async function putBackTranscript(
  programId: string,
  sandbox: Sandbox,
  store: SessionStore,
): Promise<void> {
  const transcript = store.process.transcript();
  const lines = transcript.subarray(0, transcript.lastIndexOf(NEWLINE) + 1);
  if (lines.length > 0) await sandbox.writeFile(savedTranscriptPath(programId), lines);
}

const NEWLINE = "\n".charCodeAt(0);

/** Returns up to `PIECE_BYTES` of a file, starting at an offset; null if the file does not exist or can't be read. */
async function readPiece(path: string, from: number, sandbox: Sandbox): Promise<Uint8Array | null> {
  const file = quote(path);
  const result = await sandbox.run({
    id: `transcript_${crypto.randomUUID()}`,
    command: `[ -f ${file} ] && tail -c +${from + 1} ${file} | head -c ${PIECE_BYTES} | base64 | tr -d '\\n'`,
    timeoutMs: READ_TIMEOUT_MS,
    maxOutputBytes: PIECE_BYTES * 2,
  });
  if (result.exitCode !== 0 || result.truncated) return null;
  return fromBase64(result.stdout.trim());
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return bytes.length >= beginning.length && beginning.every((byte, at) => bytes[at] === byte);
}
