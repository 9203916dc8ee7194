import { z } from "zod";

// Faults that a test injects into a vendor's stand-in, by `POST /__faults`.

const fault = z.object({
  /** The requests that it strikes: a pattern for the method and path, as `^POST /v2/sandboxes$`. */
  on: z.string(),
  /** How many requests it lets through first, and how many it strikes. */
  skip: z.int().min(0).default(0),
  times: z.int().min(1).default(1),
  /** Whether the stand-in does what was asked before the fault. */
  when: z.enum(["before", "after"]).default("before"),
  /** No answer ever, an answer that is cut after so many bytes, or this one. */
  do: z.union([
    z.literal("hang"),
    z.object({ cut: z.int().min(0) }),
    z.object({
      status: z.int(),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.string().default(""),
    }),
  ]),
});

type Fault = z.infer<typeof fault>;
export type FaultAsked = z.input<typeof fault>;

/** The faults of one account of a vendor. */
export class Faults {
  readonly #faults: Fault[] = [];

  add(asked: unknown): void {
    this.#faults.push(fault.parse(asked));
  }

  clear(): void {
    this.#faults.length = 0;
  }

  /** Answers a request by `act`, or as the next fault that strikes it says. */
  async around(request: Request, act: () => Promise<Response>): Promise<Response> {
    const struck = this.#take(`${request.method} ${new URL(request.url).pathname}`);
    if (!struck) return act();
    const isCut = typeof struck.do === "object" && "cut" in struck.do;
    const real = struck.when === "after" || isCut ? await act() : undefined;
    if (struck.do === "hang") return never(request.signal);
    if ("cut" in struck.do) return cut(real, struck.do.cut);
    await real?.body?.cancel();
    // A request whose body nobody reads would not end.
    if (!request.bodyUsed) await request.body?.pipeTo(new WritableStream());
    const { status, headers, body } = struck.do;
    return new Response(body, { status, headers });
  }

  #take(what: string): Fault | undefined {
    for (const one of this.#faults) {
      if (one.times === 0 || !new RegExp(one.on).test(what)) continue;
      if (one.skip > 0) {
        one.skip -= 1;
        continue;
      }
      one.times -= 1;
      return one;
    }
    return undefined;
  }
}

/** Returns no answer until the caller has gone. */
const never = (signal: AbortSignal) =>
  new Promise<Response>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("the caller has gone")));
  });

/** Returns an answer whose connection breaks after so many bytes of its body. */
function cut(response: Response | undefined, bytes: number): Response {
  const source = response?.body ?? new Blob([]).stream();
  let left = bytes;
  const cutting = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      const part = piece.slice(0, left);
      left -= part.length;
      if (part.length > 0) controller.enqueue(part);
      if (left === 0) controller.error(new Error("cut"));
    },
    flush: (controller) => controller.error(new Error("cut")),
  });
  return new Response(source.pipeThrough(cutting), {
    status: response?.status ?? 200,
    headers: response?.headers ?? {},
  });
}
