import { offlineFetch } from "../../agent/offline";

// The model of both servers, in its own process. Every block comes in 20 deltas, and the first delta of text
// contains the time of sending: `@<ms since 1970> `. `pace <ms>` in a prompt sets the delay between deltas.

const answer = offlineFetch({ deltas: 20 });

export default {
  async fetch(request): Promise<Response> {
    const { method, headers } = request;
    if (method === "GET") return new Response("ok");
    const body = await request.text();
    const response = await answer(request.url, { method, headers, body });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const paceMs = Number(/pace (\d+)/.exec(body)?.[1] ?? 0);
    return new Response(response.body?.pipeThrough(stamped(paceMs)), response);
  },
} satisfies ExportedHandler;

function stamped(paceMs: number): TransformStream<Uint8Array, Uint8Array> {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let first = true;
  return new TransformStream({
    async transform(chunk, controller) {
      const record = decoder.decode(chunk);
      if (!record.includes('"text_delta"')) return controller.enqueue(chunk);
      // A Worker's clock advances only with I/O, such as a timer.
      if (first || paceMs > 0) await scheduler.wait(first ? 1 : paceMs);
      const stamp = first ? `"text":"@${Date.now()} ` : '"text":"';
      first = false;
      controller.enqueue(encoder.encode(record.replace('"text":"', stamp)));
    },
  });
}
