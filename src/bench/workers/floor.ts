import { DurableObject } from "cloudflare:workers";
import Anthropic from "@anthropic-ai/sdk";

// The baseline: the minimum that a service with one object per session must do. It parses the model's streams with the
// SDK, and stores one row a message. Rigger's numbers are divided by its numbers. Its paths under `/pass` only copy the
// streams.

interface Env {
  OBJECTS: DurableObjectNamespace<FloorObject>;
  DB: D1Database;
  MODEL_URL: string;
}

/** The model requests of one message, in order. */
interface Pass {
  prompts: string[];
}

/** One object per session. It stores a row and reads or forwards the model's streams. */
export class FloorObject extends DurableObject<Env> {
  readonly #kv = this.ctx.storage.kv;
  readonly #client = new Anthropic({ apiKey: "bench", baseURL: this.env.MODEL_URL, maxRetries: 0 });

  create(id: string): object {
    const created = { id, createdAt: Date.now() };
    this.#kv.put("row", created);
    return created;
  }

  read(): object | null {
    return this.#kv.get<object>("row") ?? null;
  }

  /** Answers with the model's replies as a stream of events, or with their length. */
  override async fetch(request: Request): Promise<Response> {
    const { prompts } = await request.json<Pass>();
    const [, action, , mode] = new URL(request.url).pathname.split("/");
    const answer = action === "pass" ? this.#copy : this.#parse;
    if (mode === "json") {
      let characters = 0;
      await answer.call(this, prompts, async (text) => {
        characters += typeof text === "string" ? text.length : text.byteLength;
      });
      return Response.json({ characters });
    }
    const encoder = new TextEncoder();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const write = (text: string | Uint8Array) =>
      writer.write(typeof text === "string" ? encoder.encode(text) : text);
    this.ctx.waitUntil(answer.call(this, prompts, write).then(() => writer.close()));
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  }

  /** Copies the streams. */
  async #copy(prompts: string[], write: Write): Promise<void> {
    for (const prompt of prompts) {
      const response = await this.#ask([{ role: "user", content: prompt }]).asResponse();
      for await (const chunk of response.body ?? []) await write(chunk);
    }
  }

  /** Reads the events of the streams, and stores the conversation after each. */
  async #parse(prompts: string[], write: Write): Promise<void> {
    const messages: Anthropic.MessageParam[] = [];
    for (const prompt of prompts) {
      messages.push({ role: "user", content: prompt });
      let content = "";
      for await (const event of await this.#ask(messages)) {
        await write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") {
          content += event.delta.text;
        }
      }
      messages.push({ role: "assistant", content: content || "…" });
      this.#kv.put("conversation", messages);
    }
  }

  #ask(messages: Anthropic.MessageParam[]) {
    const model = "claude-sonnet-5-5";
    return this.#client.messages.create({ model, max_tokens: 1024, stream: true, messages });
  }
}

type Write = (text: string | Uint8Array) => Promise<void>;

export default {
  async fetch(request, env): Promise<Response> {
    const [, action = "", id = ""] = new URL(request.url).pathname.split("/");
    switch (action) {
      case "table":
        await env.DB.exec("CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, body TEXT)");
        return Response.json({});
      case "create": {
        const created = await env.OBJECTS.getByName(id).create(id);
        const insert = env.DB.prepare("INSERT INTO sessions (id, body) VALUES (?, ?)");
        await insert.bind(id, JSON.stringify(created)).run();
        return Response.json(created, { status: 201 });
      }
      case "object":
        return Response.json(await env.OBJECTS.getByName(id).read());
      case "pass":
      case "parse":
        return env.OBJECTS.getByName(id).fetch(request);
      default:
        return new Response("ok");
    }
  },
} satisfies ExportedHandler<Env>;
