import { start } from "../bench/servers.ts";
import { eventsIn, streamed } from "../fuzz/generators/replies.ts";
import { countOf, lieOfMoney } from "../fuzz/generators/upstream.ts";
import { startLiar } from "../fuzz/liar.ts";
import { randomFrom } from "./random.ts";

/** Percentage of calls with a faulty answer. */
const LIES_OF_A_HUNDRED = 20;

/**
 * Starts the offline model as a Messages API that misreports usage at times, and returns the settings for a
 * server that uses it. The seed and the request determine each answer.
 */
export async function startLyingModel(seed: number): Promise<Record<string, string>> {
  const model = await start({ config: "src/bench/workers/model.toml" });
  const { url } = await startLiar(async ({ path, body, headers }) => {
    const attempt = headers["x-rigger-attempt"] ?? "1";
    const random = randomFrom(seed ^ hashOf(body + attempt));
    const lies = random.int(1, 100) <= LIES_OF_A_HUNDRED;
    if (lies && path.endsWith("/count_tokens")) return countOf(random);
    const told = await fetch(model.url + path, { method: "POST", body, headers: known(headers) });
    const isStream = told.headers.get("content-type")?.startsWith("text/event-stream");
    // A reply breaks off if its prompt says so.
    const text = await told.text().catch(() => undefined);
    if (text === undefined) return { ...streamed([]), end: "cut" };
    if (isStream && lies) return lieOfMoney(random, eventsIn(text));
    const type = { "content-type": told.headers.get("content-type") ?? "" };
    const wait = told.headers.get("retry-after");
    const all = { ...type, ...(wait !== null && { "retry-after": wait }) };
    return { status: told.status, headers: all, pieces: [text], pauseMs: 0, end: "whole" };
  });
  return { OFFLINE_MODEL: "false", ANTHROPIC_API_KEY: "soak", ANTHROPIC_BASE_URL: url };
}

/** Returns the headers of a request that the model uses. */
const known = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(anthropic-|x-rigger-|x-api-key)/.test(name)),
  );

/** Returns the FNV-1a hash of a text. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
