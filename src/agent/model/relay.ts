import { type Redact, redactor } from "../../shared/redact";
import { type AnswerRecord, readAnswer, recordOf, textOfAnswer } from "./answer";
import { assemble, CutOff, callIdsIn } from "./assemble";
import type { CallWatch, ModelOutcome } from "./model";
import { classify, errorInStream, failureOfResponse, type ModelFailure } from "./model-failure";
import type { Counted } from "./token-count";
import { countedTokens } from "./token-count";
import { STALL_MS, startWatchdog } from "./watchdog";

/** The API that calls are relayed to, with our key. */
export interface Upstream {
  fetch: typeof fetch;
  baseURL: string;
  apiKey: string;
  /** Texts that are redacted from answers other than replies, in addition to the key. */
  secrets?: readonly string[];
}

/** A call from outside that is made with our key. */
export interface RelayedCall {
  body: object;
  /** The headers of the call. Only those that the API needs are passed on. */
  headers: Headers;
  attempt: number;
}

const PASSED_HEADERS = /^(anthropic-(version|beta)|user-agent|x-app|x-stainless-.*)$/;

/** Headers of the API's answer that are passed on to the caller. */
const ANSWERED_HEADERS = ["content-type", "request-id", "retry-after", "x-should-retry"];

/**
 * Makes a call and passes its answer on as it arrives. Calls `settle` once with the outcome; for a whole reply,
 * before the caller gets the end of it. Never rejects.
 */
export async function relay(
  upstream: Upstream,
  call: RelayedCall,
  signal: AbortSignal,
  { draft, onDelta }: CallWatch,
  settle: (outcome: ModelOutcome) => void,
): Promise<Response> {
  const redact = redactorOf(upstream);
  const gone = new AbortController();
  const watchdog = startWatchdog(AbortSignal.any([signal, gone.signal]), STALL_MS);
  let settled = false;
  const end = (outcome: ModelOutcome) => {
    watchdog.stop();
    if (settled) return;
    settle(outcome);
    settled = true;
  };
  const fail = (error: unknown): ModelFailure => {
    const began = draft.usage.start !== null;
    const failure = classify(error, began, signal, watchdog.stalled(), redact);
    end({ ok: false, failure, draft });
    return failure;
  };

  let response: Response;
  try {
    response = await post(upstream, "/v1/messages", call, watchdog.signal);
    if (!response.ok) {
      const text = await textOfAnswer(response);
      end({ ok: false, failure: failureOfResponse(response, text, redact), draft });
      const headers = answered(response, redact);
      return new Response(redact(text), { status: response.status, headers });
    }
  } catch (error) {
    const { message } = fail(error);
    return apiError(502, "api_error", message);
  }

  const assembler = assemble(draft, onDelta, () =>
    callIdsIn("messages" in call.body && call.body.messages),
  );
  const source = readAnswer(response.body);
  let whole = false;
  /** Returns the text of the next record; null after the last. */
  const next = async (): Promise<string | null> => {
    if (whole) return null;
    const { value: record, done } = await source.next();
    if (done) throw new CutOff();
    watchdog.touch();
    const { event } = record;
    if (event?.type === "error") throw errorInStream(event, response.headers);
    if (event) assembler.take(event);
    if (assembler.stopped) {
      const { content, usage } = draft;
      end({ ok: true, content, usage, ...assembler.finish() });
      whole = true;
      source.return(undefined).catch(() => {});
    }
    return passedText(record);
  };
  /** Aborts the call. Returns why. */
  const giveUp = (error: unknown): string => {
    try {
      return fail(error).message;
    } catch {
      // `settle` threw, since the session's object is gone: so is the call.
      return "the call was lost";
    } finally {
      gone.abort();
      source.return(undefined).catch(() => {});
    }
  };
  let first: string | null;
  try {
    first = await next();
  } catch (error) {
    return apiError(529, "overloaded_error", giveUp(error));
  }
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (first !== null) controller.enqueue(encoder.encode(first));
    },
    async pull(controller) {
      try {
        const record = await next();
        if (record === null) controller.close();
        else controller.enqueue(encoder.encode(record));
      } catch (error) {
        giveUp(error);
        // Claude Code retries a stream that ends without its last event, and gives up on one that ends with an
        // error.
        controller.close();
      }
    },
    cancel() {
      if (whole) return;
      giveUp(new Error("whoever called is gone"));
    },
  });
  // The caller may disappear without cancelling the stream: the call is aborted in any case.
  watchdog.signal.addEventListener("abort", () => {
    if (!whole) giveUp(new Error("the call was stopped"));
  });
  // A reply in plain JSON is passed on as a stream.
  const headers = {
    ...Object.fromEntries(answered(response, redact)),
    "content-type": "text/event-stream",
  };
  return new Response(body, { headers });
}

/** Returns the text of a record; that of a call is written anew, since the call may have got another id. */
const passedText = ({ text, event }: AnswerRecord): string =>
  event?.type === "content_block_start" ? recordOf(event) : text;

/** Counts the tokens of a call's prompt by the API. Never rejects. */
export async function countRelayed(
  upstream: Upstream,
  call: RelayedCall,
  signal: AbortSignal,
): Promise<Counted> {
  const redact = redactorOf(upstream);
  const body = Object.fromEntries(
    Object.entries(call.body).filter(([key]) => !ONLY_SAMPLED.has(key)),
  );
  try {
    const response = await post(upstream, "/v1/messages/count_tokens", { ...call, body }, signal);
    const text = await textOfAnswer(response);
    return response.ok
      ? countedTokens(text)
      : { ok: false, failure: failureOfResponse(response, text, redact) };
  } catch (error) {
    return { ok: false, failure: classify(error, false, signal, false, redact) };
  }
}

/** Fields that a count does not accept. */
const ONLY_SAMPLED = new Set(["stream", "max_tokens", "stop_sequences", "metadata", "temperature"]);

/** Returns an error response in the API's format. */
export const apiError = (status: number, type: string, message: string): Response =>
  Response.json(
    { type: "error", error: { type, message } },
    // An error below 500 would be the same on a retry.
    { status, headers: status < 500 ? { "x-should-retry": "false" } : {} },
  );

function post(
  { fetch, baseURL, apiKey }: Upstream,
  path: string,
  { body, headers, attempt }: RelayedCall,
  signal: AbortSignal,
): Promise<Response> {
  const passed = [...headers].filter(([name]) => PASSED_HEADERS.test(name));
  return fetch(`${baseURL.replace(/\/$/, "")}${path}?beta=true`, {
    method: "POST",
    headers: {
      ...Object.fromEntries(passed),
      "content-type": "application/json",
      "x-api-key": apiKey,
      "x-rigger-attempt": String(attempt),
    },
    body: JSON.stringify(body),
    signal,
  });
}

function answered({ headers }: Response, redact: Redact): [string, string][] {
  return ANSWERED_HEADERS.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value === null ? [] : [[name, redact(value)]];
  });
}

const redactorOf = ({ apiKey, secrets = [] }: Upstream): Redact => redactor([apiKey, ...secrets]);

const encoder = new TextEncoder();
