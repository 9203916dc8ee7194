import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Answer, call, Fault, must, type Origin } from "../client.ts";
import { type RequestInput, requestInput } from "../generators/requests.ts";
import type { Part } from "../part.ts";

// Two owners: one has sessions that must stay private and unchanged, the other sends the requests.

const [THEIR_KEY, OUR_KEY] = ["key-of-the-victim", "key-of-the-attacker"];
const SECRET = "text-of-the-victim-only";
const THEIRS = { Authorization: `Bearer ${THEIR_KEY}` };
const OURS = { Authorization: `Bearer ${OUR_KEY}` };

const keyOf = (owner: string, key: string) => ({
  name: owner,
  owner,
  sha256: createHash("sha256").update(key).digest("hex"),
});

/** The status of each error type, as documented. */
const STATUS: Record<string, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  method_not_allowed: 405,
  conflict_error: 409,
  precondition_failed: 412,
  request_too_large: 413,
  range_not_satisfiable: 416,
  rate_limit_error: 429,
  upstream_error: 502,
  unavailable_error: 503,
};

/** Number of requests after which a new session is used. */
const RENEW_AFTER = 150;
/** Time for which a stream is read, in ms. */
const READ_MS = 1_500;

const world = { ids: {} as Record<string, string>, before: undefined as unknown, sent: 0 };

/** Requests to the endpoints of sessions: the server never fails, and no data of another owner is revealed or changed. */
export const requests: Part<RequestInput> = {
  name: "requests",
  atOnce: 2,
  limitMs: 20_000,
  vars: async () => ({
    API_KEYS: JSON.stringify([keyOf("victim", THEIR_KEY), keyOf("attacker", OUR_KEY)]),
    OFFLINE_MODEL: "true",
  }),
  async begin(origin) {
    const post = <T>(path: string, body: object, status: number) =>
      must<T>(origin, status, { method: "POST", path, body, headers: THEIRS });
    const session = await post<{ id: string }>(
      "/api/sessions",
      {
        pattern: "hybrid",
        description: SECRET,
        tags: [SECRET],
        userId: SECRET,
        conversationId: 7,
        config: { systemPrompt: SECRET },
        maxIdleTimeMs: null,
        maxLifetimeMs: null,
      },
      201,
    );
    const path = `/api/sessions/${session.id}`;
    const message = await post<{ messageId: string }>(`${path}/message`, { prompt: SECRET }, 200);
    const schedule = await post<{ id: string }>(
      `${path}/schedules`,
      { everyMs: 10 ** 9, prompt: SECRET },
      201,
    );
    const snapshot = await post<{ id: string }>(`${path}/snapshots`, {}, 201);
    world.ids = {
      theirs: session.id,
      message: message.messageId,
      schedule: schedule.id,
      snapshot: snapshot.id,
    };
    world.before = await everythingOf(origin, session.id);
    world.sent = 0;
  },
  make: requestInput,
  async run(origin, { method, path, headers, body }) {
    if (world.sent++ % RENEW_AFTER === 0) await renew(origin);
    const filled = (text: string) =>
      text.replace(
        /\{(mine|theirs|message|schedule|snapshot)\}/g,
        (_, name) => world.ids[name] ?? "",
      );
    const answer = await call(origin, {
      method,
      path: filled(path),
      headers: { ...OURS, ...headers },
      readMs: READ_MS,
      ...(body !== undefined && { body: filled(body) }),
    });
    return faultsOf(method, answer);
  },
};

/** Creates a new session of the sender, and checks that the other owner's data is unchanged. */
async function renew(origin: Origin): Promise<void> {
  if (world.ids.mine !== undefined) {
    await call(origin, {
      method: "DELETE",
      path: `/api/sessions/${world.ids.mine}`,
      headers: OURS,
    });
  }
  const create = { method: "POST", path: "/api/sessions", body: { pattern: "hybrid" } };
  const made = await must<{ id: string }>(origin, 201, { ...create, headers: OURS });
  world.ids.mine = made.id;
  const now = await everythingOf(origin, world.ids.theirs ?? "");
  if (!isDeepStrictEqual(now, world.before)) {
    throw new Fault(`another owner's session has become ${JSON.stringify(now)}`);
  }
}

async function everythingOf(origin: Origin, id: string): Promise<unknown[]> {
  const path = `/api/sessions/${id}`;
  const read = (what: string) => must<unknown>(origin, 200, { path: path + what, headers: THEIRS });
  return Promise.all(["", "/messages", "/events", "/schedules", "/snapshots"].map(read));
}

function faultsOf(method: string, { status, headers, text, json }: Answer): string[] {
  const faults: string[] = [];
  const requestId = headers.get("x-request-id");
  if (text.includes(SECRET)) faults.push(`it tells of another owner: ${text.slice(0, 1_000)}`);
  if (requestId === null) faults.push(`${status} has no X-Request-Id`);
  if (status < 400) return faults;
  if (method === "HEAD") return faults;
  const { type, error, requestId: told } = (json ?? {}) as Record<string, unknown>;
  const { type: kind, message } = (error ?? {}) as Record<string, unknown>;
  if (type !== "error" || typeof message !== "string" || told !== requestId) {
    faults.push(`${status} has no envelope: ${text.slice(0, 500)}`);
  } else if (STATUS[String(kind)] !== status) {
    faults.push(`${status} is ${kind}: ${message}`);
  }
  return faults;
}
