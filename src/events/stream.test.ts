import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventStreamOptions, eventStream } from "./stream";

/** Holds messages back until it is accepted, as a real socket does. */
class FakeSocket extends EventTarget {
  accepted = false;
  closed = false;
  #early: Event[] = [];
  accept() {
    this.accepted = true;
    for (const event of this.#early) this.dispatchEvent(event);
  }
  close() {
    this.closed = true;
  }
  send(frame: string) {
    this.#tell(new MessageEvent("message", { data: frame }));
  }
  drop(code: number) {
    this.#tell(new CloseEvent("close", { code }));
  }
  #tell(event: Event) {
    if (this.accepted) this.dispatchEvent(event);
    else this.#early.push(event);
  }
}

/** Returns a session that hands out sockets and records the seq of each request. */
function aSession(answers: (FakeSocket | null | Error)[] = []) {
  const asked: number[] = [];
  const sockets: FakeSocket[] = [];
  const connect = async (after: number) => {
    asked.push(after);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    if (answer === null) return null;
    const socket = answer ?? new FakeSocket();
    sockets.push(socket);
    return socket;
  };
  return { asked, sockets, connect };
}

const open = (options: Partial<EventStreamOptions> & Pick<EventStreamOptions, "connect">) =>
  eventStream({ after: 0, retryMs: 1, ...options });

const record = (seq: number, text = "") => `id: ${seq}\nevent: e\ndata: "${text}"\n\n`;
const delta = (text: string) => `event: assistant.delta\ndata: "${text}"\n\n`;
const seqs = (text: string) => [...text.matchAll(/(?:^|\n)id: (\d+)\n/g)].map((m) => Number(m[1]));

/** Waits until started work has had its effect. */
const settle = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms));

async function readOne(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read();
  return new TextDecoder().decode(value);
}

describe("eventStream", () => {
  it("forwards frames unchanged and ends when the session closes with 1000", async () => {
    const { connect, sockets, asked } = aSession();
    const text = new Response(open({ connect, after: 4 })).text();
    await settle();
    sockets[0]?.send(record(5));
    sockets[0]?.send(delta("über \u2028id: 9\u2028"));
    sockets[0]?.send(record(6) + record(7));
    sockets[0]?.drop(1000);
    expect(await text).toBe(
      `${record(5)}${delta("über \u2028id: 9\u2028")}${record(6)}${record(7)}`,
    );
    expect(asked).toEqual([4]);
    expect(sockets[0]).toMatchObject({ accepted: true, closed: true });
  });

  it("connects again after the last seq when the connection breaks", async () => {
    const { connect, sockets, asked } = aSession();
    const text = new Response(open({ connect })).text();
    await settle();
    sockets[0]?.send(record(1));
    sockets[0]?.send(record(2));
    sockets[0]?.drop(1006);
    await settle();
    sockets[1]?.send(record(3));
    sockets[1]?.dispatchEvent(new Event("error"));
    await settle();
    sockets[2]?.drop(1000);
    expect(seqs(await text)).toEqual([1, 2, 3]);
    expect(asked).toEqual([0, 2, 3]);
  });

  it("drops a repeated stored event, and no live event", async () => {
    const { connect, sockets } = aSession();
    const text = new Response(open({ connect })).text();
    await settle();
    for (const frame of [record(1), delta("a"), record(1), delta("a")]) sockets[0]?.send(frame);
    sockets[0]?.drop(1000);
    expect(await text).toBe(record(1) + delta("a") + delta("a"));
  });

  it("retries a failed connection, and gives up after ten failures in a row", async () => {
    const lost = () => new Error("lost");
    const { connect, asked } = aSession(Array.from({ length: 20 }, lost));
    expect(await new Response(open({ connect, retryMs: 0 })).text()).toBe("");
    expect(asked).toHaveLength(10);

    const last = new FakeSocket();
    const answers = [...Array.from({ length: 9 }, lost), last];
    const recovering = aSession(answers);
    const text = new Response(open({ connect: recovering.connect, retryMs: 0 })).text();
    await settle(30);
    last.send(record(1));
    last.drop(1000);
    expect(seqs(await text)).toEqual([1]);
  });

  it("gives up on an object that fails whenever it is watched", async () => {
    let connects = 0;
    const connect = async () => {
      connects += 1;
      const socket = new FakeSocket();
      setTimeout(() => socket.drop(1011), 0);
      return socket;
    };
    expect(await new Response(open({ connect, retryMs: 0 })).text()).toBe("");
    expect(connects).toBe(10);
  });

  it("ends when there are no more events", async () => {
    const { connect, sockets } = aSession([new FakeSocket(), null]);
    const text = new Response(open({ connect })).text();
    await settle();
    sockets[0]?.send(record(1));
    sockets[0]?.drop(1006);
    expect(seqs(await text)).toEqual([1]);
  });

  it("sends a comment after a silence, and none while events arrive", async () => {
    const { connect, sockets } = aSession();
    const reader = open({ connect, keepAliveMs: 40 }).getReader();
    await settle();
    for (let seq = 1; seq <= 4; seq++) {
      sockets[0]?.send(record(seq));
      expect(seqs(await readOne(reader))).toEqual([seq]);
      await settle(20);
    }
    expect(await readOne(reader)).toBe(": keep-alive\n\n");
    expect(await readOne(reader)).toBe(": keep-alive\n\n");
    await reader.cancel();
  });

  it("closes its socket when the reader disconnects, and does not reconnect", async () => {
    const { connect, sockets, asked } = aSession();
    const reader = open({ connect }).getReader();
    await settle();
    await reader.cancel();
    await settle();
    expect(sockets[0]?.closed).toBe(true);
    sockets[0]?.send(record(1));
    sockets[0]?.drop(1006);
    await settle();
    expect(asked).toEqual([0]);
  });

  it("closes a socket that opens after the reader disconnected", async () => {
    const socket = new FakeSocket();
    const opening = Promise.withResolvers<FakeSocket>();
    const reader = open({ connect: () => opening.promise }).getReader();
    await reader.cancel();
    opening.resolve(socket);
    await settle();
    expect(socket.closed).toBe(true);
  });

  it("does not reconnect for a reader that disconnected during the delay", async () => {
    const { connect, asked } = aSession([new Error("lost")]);
    const reader = open({ connect, retryMs: 20 }).getReader();
    await settle(5);
    await reader.cancel();
    await settle(60);
    expect(asked).toHaveLength(1);
  });

  it("stops listening while a reader is behind, and continues from the log when it has caught up", async () => {
    const { connect, sockets, asked } = aSession();
    const reader = open({ connect, maxWaitingBytes: 100 }).getReader();
    await settle();
    const wide = "x".repeat(40);
    for (let seq = 1; seq <= 50; seq++) sockets[0]?.send(record(seq, wide));
    await settle(30);
    expect(sockets[0]?.closed).toBe(true);
    expect(asked).toEqual([0]);

    expect(await readOne(reader)).toBe(record(1, wide));
    await settle();
    expect(asked).toEqual([0]);
    expect(await readOne(reader)).toBe(record(2, wide));
    const third = readOne(reader);
    await settle();
    expect(asked).toEqual([0, 2]);
    sockets[1]?.send(record(3, wide));
    expect(await third).toBe(record(3, wide));
    await reader.cancel();
  });

  it("delivers each event once and in order, despite broken sockets and slow readers", async () => {
    const step = fc.constantFrom("send", "read", "break", "repeat", "delta", "refuse", "rest");
    const widths = fc.integer({ min: 20, max: 200 });
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 20 }),
      widths,
      async (steps, total, maxWaitingBytes) => {
        const session = aLoggedSession(total);
        const { connect } = session;
        const reader = aSlowReader(eventStream({ connect, after: 0, maxWaitingBytes, retryMs: 0 }));
        for (const step of steps) {
          if (step === "read") reader.readOn(1);
          else if (step === "rest") await settle(1);
          else session[step]();
        }
        reader.readOn(Number.POSITIVE_INFINITY);
        const finish = setInterval(session.finish, 1);
        const text = await reader.text;
        clearInterval(finish);
        expect(seqs(text)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      },
    );
    await fc.assert(property, { numRuns: 100 });
  }, 30_000);
});

describe("eventStream with a body to begin with", () => {
  const end = (seq: number) => `id: ${seq}\nevent: message.completed\ndata: {}\n\n`;
  const noSocket = () => Promise.reject(new Error("no socket is needed"));

  /** Returns a body of pieces, and how it ended. It errors after them if it `breaks`. */
  function aBody(pieces: readonly string[], { breaks = false } = {}) {
    const encoder = new TextEncoder();
    const left = [...pieces];
    const state = { cancelled: false, unread: () => left.length };
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const piece = left.shift();
          if (piece !== undefined) controller.enqueue(encoder.encode(piece));
          else if (breaks) controller.error(new Error("lost"));
          else controller.close();
        },
        cancel() {
          state.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return { body, state };
  }

  it("forwards its records unchanged, however they are cut, and needs no socket", async () => {
    const whole = record(1) + delta("ü") + record(2) + end(3);
    const cuts = fc.array(fc.nat(whole.length), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(cuts, async (cuts) => {
        const at = [0, ...cuts.toSorted((one, other) => one - other), whole.length];
        const pieces = at.slice(1).map((to, n) => whole.slice(at[n], to));
        const { body } = aBody(pieces.filter((piece) => piece !== ""));
        const stream = open({ connect: noSocket, first: body });
        expect(await new Response(stream).text()).toBe(whole);
      }),
    );
  });

  it.each([true, false])(
    "goes on with a socket if it ends too early (with an error: %s)",
    async (breaks) => {
      const { connect, sockets, asked } = aSession();
      const { body } = aBody([record(1) + record(2), record(3).slice(0, 9)], { breaks });
      const text = new Response(open({ connect, first: body })).text();
      await settle();
      expect(asked).toEqual([2]);
      sockets[0]?.send(record(3) + end(4));
      sockets[0]?.drop(1000);
      expect(await text).toBe(record(1) + record(2) + record(3) + end(4));
    },
  );

  it("reads it no faster than its reader reads", async () => {
    const pieces = Array.from({ length: 50 }, (_, n) => record(n + 1, "x".repeat(40)));
    const { body, state } = aBody([...pieces, end(51)]);
    const stream = open({ connect: noSocket, first: body, maxWaitingBytes: 200 });
    await settle();
    expect(state.unread()).toBeGreaterThan(40);
    expect(seqs(await new Response(stream).text())).toEqual(pieces.map((_, n) => n + 1).concat(51));
  });

  it("cancels it when the reader disconnects", async () => {
    const { body, state } = aBody([record(1), record(2), record(3)]);
    const reader = open({ connect: noSocket, first: body, maxWaitingBytes: 10 }).getReader();
    await readOne(reader);
    await reader.cancel();
    await settle();
    expect(state.cancelled).toBe(true);
  });
});

/** A session whose log grows to `total` events, and which sends them to its only watcher. */
function aLoggedSession(total: number) {
  let watcher = new FakeSocket();
  let sent = total;
  let refusals = 0;
  const send = () => {
    if (sent < total) watcher.send(record(++sent));
  };
  return {
    connect: async (after: number) => {
      if (refusals > 0) throw new Error(`refused, ${--refusals} to go`);
      watcher = new FakeSocket();
      sent = after;
      return watcher;
    },
    send,
    break: () => watcher.drop(1006),
    repeat: () => sent > 0 && watcher.send(record(sent)),
    delta: () => watcher.send(delta("d")),
    refuse: () => {
      refusals = Math.min(refusals + 1, 3);
    },
    finish: () => {
      while (sent < total) send();
      watcher.drop(1000);
    },
  };
}

/** Reads a stream at the given pace. */
function aSlowReader(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  let allowed = 0;
  async function readAll(): Promise<string> {
    const decoder = new TextDecoder();
    for (let text = ""; ; ) {
      while (allowed <= 0) await settle(1);
      allowed -= 1;
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value);
    }
  }
  return {
    text: readAll(),
    readOn: (chunks: number) => {
      allowed += chunks;
    },
  };
}
