import { DurableObject } from "cloudflare:workers";

// The baseline: the minimum that a service with one object per session must do. Rigger's numbers are divided by
// its numbers.

interface Env {
  OBJECTS: DurableObjectNamespace<FloorObject>;
  DB: D1Database;
  MODEL_URL: string;
}

/** The model requests of one message, in order. */
interface Pass {
  prompts: string[];
}

/** One object per session. It stores a row and forwards the model's streams. */
export class FloorObject extends DurableObject<Env> {
  readonly #kv: SyncKvStorage;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#kv = state.storage.kv;
  }

  create(id: string): object {
    const created = { id, createdAt: Date.now() };
    this.#kv.put("row", created);
    return created;
  }

  read(): object | null {
    return this.#kv.get<object>("row") ?? null;
  }

  /** Streams the model's reply, or reads it to its end and returns its length. */
  override async fetch(request: Request): Promise<Response> {
    const { prompts } = await request.json<Pass>();
    if (new URL(request.url).pathname.startsWith("/pass")) {
      const [prompt, ...more] = prompts;
      // A single stream is forwarded unchanged, as cheaply as the platform can.
      if (more.length === 0) return this.#ask(prompt ?? "");
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      this.ctx.waitUntil(this.#passAll(prompts, writable));
      return new Response(readable);
    }
    let characters = 0;
    for (const prompt of prompts) characters += (await (await this.#ask(prompt)).text()).length;
    return Response.json({ characters });
  }

  async #passAll(prompts: string[], writable: WritableStream<Uint8Array>): Promise<void> {
    for (const prompt of prompts) {
      const { body } = await this.#ask(prompt);
      await body?.pipeTo(writable, { preventClose: true });
    }
    await writable.close();
  }

  #ask(prompt: string): Promise<Response> {
    return fetch(`${this.env.MODEL_URL}/v1/messages`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-api-key": "bench",
        "anthropic-version": "2023-06-01",
      },
      body: JSON.stringify({
        model: "claude-sonnet-5-5",
        max_tokens: 1024,
        stream: true,
        messages: [{ role: "user", content: prompt }],
      }),
    });
  }
}

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
      case "read-through":
        return env.OBJECTS.getByName(id).fetch(request);
      default:
        return new Response("ok");
    }
  },
} satisfies ExportedHandler<Env>;
