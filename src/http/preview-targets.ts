import type { PreviewTarget } from "../session/rpc";
import { askPreview } from "./call";
import { sessionOfPreview, sha256Hex } from "./ids";
import { Remembered } from "./remembered";

/** The time for which an isolate believes what a session has told it. */
const BELIEVED_MS = 10_000;
/** How often an open connection looks whether its preview exists: it ends 15 s after the removal at the latest. */
export const LOOK_MS = BELIEVED_MS / 2;

/** What this isolate knows of previews whose sandbox runs, by the hashes of their tokens. */
const known = new Remembered<PreviewTarget>(BELIEVED_MS);

/**
 * Returns the preview that a token is for; null if there is none that can be used. With `isAgain`, what is known of it leads
 * nowhere. Throws an `ApiError` if its session can't be reached.
 */
export async function findPreview(
  env: Env,
  token: string,
  { isAgain = false } = {},
): Promise<PreviewTarget | null> {
  const sessionId = sessionOfPreview(token);
  if (sessionId === undefined) return null;
  const hash = await sha256Hex(token);
  const now = Date.now();
  const remembered = isAgain ? undefined : known.get(hash, now);
  const target = remembered ?? (await askPreview(env, sessionId, hash, isAgain));
  if (!target || target.expiresAt <= now) return null;
  if (!remembered && typeof target.reached !== "string") known.put(hash, target, now);
  return target;
}

/** Forgets a preview, after its removal. */
export const forgetPreview = (id: string): void => known.forget((one) => one.id === id);
