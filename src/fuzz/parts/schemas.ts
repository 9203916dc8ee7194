import { call, must } from "../client.ts";
import { type SchemasInput, schemasInput } from "../generators/schemas.ts";
import { OFFLINE, type Part } from "../part.ts";
import { readEvents } from "./session-faults.ts";

/** Time limit of a search of files, which a slow pattern may use up, and of the rest of a case, in ms. */
const [SEARCH_MS, GRACE_MS] = [60_000, 20_000];

/** Time limit for any creation, in ms. */
const CREATION_MS = 5_000;

/** Schemas, patterns and rules: a creation is soon answered with 201 or a refusal, and messages end. */
export const schemas: Part<SchemasInput> = {
  name: "schemas",
  atOnce: 1,
  limitMs: SEARCH_MS + GRACE_MS,
  vars: async () => OFFLINE,
  make: schemasInput,
  async run(origin, { config, reply, calls }) {
    const beganAt = performance.now();
    const body = { pattern: "hybrid", config };
    const created = await call(origin, { method: "POST", path: "/api/sessions", body });
    const tookMs = performance.now() - beganAt;
    const faults = tookMs > CREATION_MS ? [`its creation took ${Math.round(tookMs)} ms`] : [];
    if (created.status === 400 || created.status === 413) return faults;
    if (created.status !== 201) return [`its creation was answered with ${created.text}`];
    const { id } = created.json as { id: string };
    const path = `/api/sessions/${id}`;
    const lines = calls.map(({ name, input }) => `/${name} ${JSON.stringify(input)}`);
    const prompt = [...lines, `/say ${reply}`].join("\n");
    const sent = { method: "POST", path: `${path}/message`, body: { prompt } };
    const answer = await call(origin, sent);
    // A schema that the Messages API rejects fails the message, and so does a reply that does not match.
    if (![200, 400, 413, 502].includes(answer.status))
      faults.push(`it was answered ${answer.text}`);
    const events = await readEvents(origin, path);
    const [begun, ended] = ["message.started", /^message\.(completed|failed|interrupted)$/];
    const count = (type: string | RegExp) =>
      events.filter((event) => event.type.match(type)).length;
    if (count(begun) !== count(ended)) faults.push("its message has not ended");
    await must(origin, 204, { method: "DELETE", path });
    return faults;
  },
};
