// The Connect protocol in JSON, as a server speaks it (connectrpc.com/docs/protocol).

/** The codes that are used here, with the HTTP status of an answer that is not a stream. */
const STATUS = {
  invalid_argument: 400,
  unauthenticated: 401,
  not_found: 404,
  unimplemented: 501,
  internal: 500,
  deadline_exceeded: 504,
} as const;

/** An error of a call. */
export class ConnectError extends Error {
  readonly code: keyof typeof STATUS;
  constructor(code: keyof typeof STATUS, message: string) {
    super(message);
    this.code = code;
  }
}

/** Answers a call that is not a stream. */
export async function unary(
  request: Request,
  act: (message: unknown) => unknown,
): Promise<Response> {
  try {
    return json(200, (await act(await request.json())) ?? {});
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return json(STATUS[error.code], { code: error.code, message: error.message });
  }
}

const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json" },
  });

/** Sends a message of a stream. */
export type Send = (message: object) => void;

/**
 * Answers a call whose answer is a stream: what `act` sends until it returns or throws. `cut` breaks the connection when it
 * aborts.
 */
export async function streaming(
  request: Request,
  cut: AbortSignal,
  act: (message: unknown, send: Send, gone: AbortSignal) => Promise<void>,
): Promise<Response> {
  if (request.headers.get("Content-Type") !== "application/connect+json") {
    return new Response(null, { status: 415 });
  }
  const message: unknown = JSON.parse(unwrap(new Uint8Array(await request.arrayBuffer())));
  const gone = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const put = (flags: number, part: object) => {
        if (!gone.signal.aborted) controller.enqueue(wrap(flags, part));
      };
      const end = (finish: () => void) => {
        if (gone.signal.aborted) return;
        finish();
        gone.abort();
      };
      cut.addEventListener("abort", () => end(() => controller.error(new Error("cut"))));
      let trailer = {};
      try {
        await act(message, (part) => put(0, part), gone.signal);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        trailer = { error: { code: error.code, message: error.message } };
      }
      end(() => {
        controller.enqueue(wrap(2, trailer));
        controller.close();
      });
    },
    cancel: () => gone.abort(),
  });
  return new Response(body, { headers: { "Content-Type": "application/connect+json" } });
}

/** Returns a message in an envelope: a byte of flags and the length in four bytes before it. */
function wrap(flags: number, message: object): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(message));
  const envelope = new Uint8Array(5 + text.length);
  envelope[0] = flags;
  new DataView(envelope.buffer).setUint32(1, text.length);
  envelope.set(text, 5);
  return envelope;
}

function unwrap(envelope: Uint8Array): string {
  const view = new DataView(envelope.buffer);
  if (envelope.length < 5 || envelope[0] !== 0 || view.getUint32(1) !== envelope.length - 5) {
    throw new Error("not one message in an envelope");
  }
  return new TextDecoder().decode(envelope.subarray(5));
}
