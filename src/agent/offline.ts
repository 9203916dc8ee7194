import { totalPromptTokens } from "./offline/count";
import { answerOf } from "./offline/message";
import { locate, type Position } from "./offline/position";
import { badRequest, type Refusal, refusalResponse } from "./offline/refusal";
import { refuse, refuseImages } from "./offline/refuse";
import { newId, replyTo } from "./offline/reply";
import { type MessagesRequest, readCountRequest, readMessagesRequest } from "./offline/request";
import { type Fault, faultOf } from "./offline/script";
import { fingerprint } from "./offline/signature";
import { sleep, sseBody, stepsOf } from "./offline/stream";
import { knownModels, resolveModel } from "./pricing/models";

// A model without a network: a `fetch` that implements the Messages API and follows the script in the last
// prompt. A line of calls is a turn (`/Bash {"command":"ls"} & /Read {"file_path":"a"}`); the lines `/delay
// 200`, `/tokens 5000`, `/think text`, `/say text`, `/fail 529 times=2 retry-after=1` and `/cut times=2` shape
// the turn after them; everything else is text. It runs wherever `fetch` and Web Streams do.

/** The defaults of the offline model, for what a prompt does not say. */
export interface OfflineOptions {
  /** The ms before the first word of every reply, unless `/delay` says otherwise. Absent: none. */
  delayMs?: number;
  /** Characters of a streamed delta. Absent: 32. */
  deltaChars?: number;
  /** A fixed number of deltas for each block, in place of `deltaChars`. */
  deltas?: number;
}

/** The header with a client's number of the attempt, from 1. */
export const ATTEMPT_HEADER = "x-rigger-attempt";

/** The most characters of a body that the API accepts. */
const MAX_BODY_CHARS = 32 * 1024 * 1024;

/** Returns a `fetch` that answers like the Messages API, without a network. */
export function offlineFetch(options: OfflineOptions = {}): typeof fetch {
  const countAttempt = attemptCounter();

  return async (input, init) => {
    const request = new Request(input, init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    signal?.throwIfAborted();
    await yieldToOthers();
    const requestId = newId("req");
    const route = `${request.method} ${new URL(request.url).pathname.replace(/^.*(?=\/v1\/)/, "")}`;
    const body = await request.text();
    const betas = (request.headers.get("anthropic-beta") ?? "").split(/\s*,\s*/);
    const exchange: Exchange = { body, betas, signal, requestId, options };

    switch (route) {
      case "POST /v1/messages":
        return createMessage(exchange, (position) => {
          const told = Number(request.headers.get(ATTEMPT_HEADER));
          if (told >= 1) return told;
          return position.turn.faults.length > 0 ? countAttempt(body) : 1;
        });
      case "POST /v1/messages/count_tokens":
        return countTokens(exchange);
      case "GET /v1/models":
        return listModels(requestId);
      default:
        return refusalResponse({ status: 404, message: `Not found: ${route}` }, requestId);
    }
  };
}

/**
 * Yields to timers and sockets, as a network would. Without it, a message of many turns is one chain of
 * microtasks, during which the isolate serves no other request.
 */
const yieldToOthers = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

interface Exchange {
  body: string;
  betas: readonly string[];
  signal: AbortSignal | undefined;
  requestId: string;
  options: OfflineOptions;
}

async function createMessage(
  exchange: Exchange,
  attemptAt: (position: Position) => number,
): Promise<Response> {
  const { signal, requestId, options } = exchange;
  const request = accept(exchange, readMessagesRequest);
  if ("status" in request) return refusalResponse(request, requestId);
  const broken = refuseImages(request);
  if (broken) return refusalResponse(broken, requestId);
  const position = locate(request.messages);
  const delayMs = position.turn.delayMs ?? options.delayMs ?? 0;
  // A compaction is not a turn of the script, and leaves the turn its faults.
  const fault = request.compaction ? undefined : faultOf(position.turn, attemptAt(position));
  if (fault?.kind === "fail") {
    await sleep(delayMs, signal);
    return refusalResponse(failure(fault), requestId);
  }

  const reply = replyTo(request, position);
  const answer = answerOf(reply, request);
  if (!request.stream) {
    await sleep(delayMs, signal);
    if (fault) throw new TypeError("The offline model was told to cut the connection.");
    return Response.json(answer.message, { headers: { "request-id": requestId } });
  }
  const { deltaChars = 32, deltas } = options;
  const steps = stepsOf(reply, answer, delayMs, { deltaChars, deltas });
  return new Response(sseBody(steps, { breaks: fault !== undefined, signal }), {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "request-id": requestId,
    },
  });
}

function countTokens(exchange: Exchange): Response {
  const { requestId } = exchange;
  const request = accept(exchange, readCountRequest);
  if ("status" in request) return refusalResponse(request, requestId);
  const counted = { input_tokens: totalPromptTokens(request), context_management: null };
  return Response.json(counted, { headers: { "request-id": requestId } });
}

/** Parses a request and checks it against the API's rules. */
function accept(
  { body, betas }: Exchange,
  read: (body: string) => MessagesRequest | Refusal,
): MessagesRequest | Refusal {
  if (body.length > MAX_BODY_CHARS) {
    return { status: 413, message: "Request exceeds the maximum size" };
  }
  const request = read(body);
  if ("status" in request) return request;
  return refuse(request, betas, Date.now()) ?? request;
}

const failure = ({ status, retryAfterSeconds }: Extract<Fault, { kind: "fail" }>): Refusal => ({
  ...badRequest(`The offline model was told to fail with ${status}.`),
  status,
  ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
});

function listModels(requestId: string): Response {
  const now = Date.now();
  const data = knownModels(now).map((id) => {
    const model = resolveModel(id, now);
    return {
      type: "model",
      id,
      display_name: id,
      created_at: "1970-01-01T00:00:00Z",
      lifecycle: "active",
      line: null,
      capabilities: null,
      deprecated_at: null,
      retires_at: null,
      max_input_tokens: model?.contextWindow ?? null,
      max_tokens: model?.maxOutput ?? null,
    };
  });
  const page = { data, has_more: false, first_id: data[0]?.id, last_id: data.at(-1)?.id };
  return Response.json(page, { headers: { "request-id": requestId } });
}

/** Counts the attempts of each request, for clients that do not send the header. Forgets the oldest request first. */
function attemptCounter(): (body: string) => number {
  const made = new Map<string, number>();
  return (body) => {
    const key = fingerprint(body);
    const attempt = (made.get(key) ?? 0) + 1;
    made.delete(key);
    made.set(key, attempt);
    const [oldest] = made.keys();
    if (made.size > 1000 && oldest !== undefined) made.delete(oldest);
    return attempt;
  };
}
