import { Hono } from "hono";
import type { SessionExtent } from "../session/rpc";
import { backoffMs } from "../shared/backoff";
import { errorText, log } from "../shared/log";
import { callSession, sessionIdOf } from "./call";
import type { AppContext, AppEnv } from "./context";
import { ApiError } from "./errors";
import { messageView, sessionView } from "./views";

const HEADERS = {
  "Content-Type": "application/x-ndjson; charset=utf-8",
  "Cache-Control": "no-store, no-transform",
};

/**
 * The size of a page from the object. An export has at most two in memory. A request may make 10,000 calls, which is
 * enough for the largest object.
 */
const PAGE = { limit: 10_000, maxCharacters: 1 << 20 };

/** How often a page is asked for while the object cannot be reached, and the delays between the attempts, in ms. */
const MAX_FAILURES = 10;
const RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/** The route that returns everything of a session, as JSON Lines in one stream. */
export const exporting = new Hono<AppEnv>().get("/:id/export", async (c) => {
  const extent = await callSession(c, (s, caller) => s.extent(caller));
  if (c.req.method === "HEAD") return c.body(null, 200, HEADERS);
  return c.body(streamOf(linesOf(c, extent), sessionIdOf(c)), 200, HEADERS);
});

/**
 * Yields the lines of an export, some at a time: the session, its messages, its events, and a last line that says that
 * the export is complete. Messages and events that are newer than `extent` are left out.
 */
async function* linesOf(
  c: AppContext,
  { row, lastPosition, lastSeq }: SessionExtent,
): AsyncGenerator<string> {
  yield line({ type: "session", ...sessionView(row) });
  let messages = 0;
  for (let after = 0; after < lastPosition; ) {
    const from = { ...PAGE, after, leavesUnread: true };
    const page = await persistently(() => callSession(c, (s, caller) => s.messages(caller, from)));
    const rows = page.messages.filter(({ position }) => position <= lastPosition);
    yield rows.map((message) => line({ type: "message", ...messageView(message) })).join("");
    messages += rows.length;
    after = rows.at(-1)?.position ?? lastPosition;
  }
  let events = 0;
  for (let after = 0; after < lastSeq; ) {
    const from = { ...PAGE, after };
    const page = await persistently(() => callSession(c, (s, caller) => s.events(caller, from)));
    const some = page.events.filter(({ seq }) => seq <= lastSeq);
    yield some.map(line).join("");
    events += some.length;
    after = some.at(-1)?.seq ?? lastSeq;
  }
  yield line({ type: "end", messages, events });
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;

/**
 * Returns a stream of texts that takes the next one only when the reader has taken the last one. If `texts` throws, the
 * stream breaks off, since a response that has begun can't have another status.
 */
function streamOf(texts: AsyncGenerator<string>, session: string): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch (error) {
        log("export.failed", { session, error: errorText(error) });
        controller.error(error);
      }
    },
    async cancel() {
      await texts.return(undefined);
    },
  });
}

/** Repeats a call while the object cannot be reached: an export goes on where it was when the object is back. */
async function persistently<T>(call: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await call();
    } catch (error) {
      const isLost = error instanceof ApiError && error.type === "unavailable_error";
      if (!isLost || failures >= MAX_FAILURES) throw error;
      await scheduler.wait(backoffMs(failures, RETRY_MS, MAX_RETRY_MS));
    }
  }
}
