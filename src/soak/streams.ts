import { setTimeout as sleep } from "node:timers/promises";
import { isLastEvent, isMessageEnd } from "../events/event.ts";
import { type Answer, type Api, type ErrorBody, noteLoss, open, type Request } from "./api.ts";

/** An event of a stream; only stored ones have a seq. */
export interface StreamedEvent {
  type: string;
  seq?: number;
  messageId?: string;
  turnId?: string;
  kind?: string;
  offset?: number;
  text?: string;
}

/** The events received by a client that reconnects after each break. */
export interface Watched {
  /** The stored events, in order of arrival. */
  events: StreamedEvent[];
  /** The text of replies by turn and block, with each piece put at its offset. */
  shown: Map<string, string>;
  /** Faults that were found on arrival. */
  faults: string[];
}

/** Returns the state of a new client. */
export const newWatched = (): Watched => ({ events: [], shown: new Map(), faults: [] });

const COME_BACK_MS = 200;

/**
 * Follows a stream until its last event, across restarts. Returns the response if the request was refused, and
 * null after the last event.
 */
export async function follow(
  api: Api,
  request: Request,
  watched: Watched,
): Promise<Answer<ErrorBody> | null> {
  const isEnd = request.method === "POST" ? isMessageEnd : isLastEvent;
  for (;;) {
    try {
      const headers = { ...request.headers, "Last-Event-ID": `${lastSeq(watched)}` };
      const response = await open(api, { ...request, headers });
      if (response && !response.ok) {
        return { status: response.status, body: (await response.json()) as ErrorBody };
      }
      if (response) {
        for await (const event of eventsOf(response)) {
          note(watched, event);
          if (isEnd(event.type)) return null;
        }
      }
    } catch (error) {
      if (request.signal?.aborted) return null;
      noteLoss(api, request, error);
    }
    await sleep(COME_BACK_MS);
  }
}

/** Returns the seq of the last stored event that was received. */
const lastSeq = ({ events }: Watched): number => events.at(-1)?.seq ?? 0;

/** Records an event like a client that shows replies while they are written. */
function note({ events, shown, faults }: Watched, event: StreamedEvent): void {
  if (event.seq !== undefined) events.push(event);
  const { type, turnId } = event;
  if (type === "assistant.delta") {
    const block = `${turnId}.${event.kind}`;
    const before = shown.get(block) ?? "";
    const offset = Number(event.offset);
    if (offset > before.length) faults.push(`${block} goes on at ${offset} after ${before.length}`);
    shown.set(block, before.slice(0, offset) + event.text);
  } else if (type === "turn.retried") {
    for (const block of shown.keys()) if (block.startsWith(`${turnId}.`)) shown.delete(block);
  } else if (type === "assistant.text") {
    // A client that was disconnected at the end has received only the beginning.
    const seen = shown.get(`${turnId}.text`) ?? "";
    if (!String(event.text).startsWith(seen)) faults.push(`${turnId} was shown as "${seen}"`);
  }
}

async function* eventsOf(response: Response): AsyncGenerator<StreamedEvent> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    const records = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
    text = records.pop() ?? "";
    for (const record of records) {
      const data = record.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}
