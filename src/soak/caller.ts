import type { SessionEvent } from "../events/event.ts";
import { type Api, ask, read } from "./api.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import { CLIENT_TOOL } from "./script.ts";

// The caller of sessions with a client tool: answers the calls, some of them late, some twice.

interface Input {
  token: string;
}

/** The part of the calls that are left for a later look, and of those that are answered twice. */
const LATE = 0.3;
const TWICE = 0.3;

interface Call {
  toolUseId: string;
  sessionId: string;
  input: Input;
}

/** Answers the calls that wait in all sessions. */
export async function answerCalls(api: Api, random: Random, lives: readonly Life[]): Promise<void> {
  const { toolRequests } = await read<{ toolRequests: Call[] }>(api, "/api/tool-requests?limit=50");
  await Promise.all(
    toolRequests.map(async (call) => {
      const life = lives.find(({ id }) => id === call.sessionId);
      if (life && !random.chance(LATE)) await answerCall(api, random, life, call);
    }),
  );
}

async function answerCall(
  api: Api,
  random: Random,
  { id, doomed }: Life,
  { toolUseId, input }: Call,
): Promise<void> {
  const path = `/api/sessions/${id}/tool-results`;
  const give = async (content: string) => {
    const body = { results: [{ toolUseId, content }] };
    const { status } = await ask(api, { method: "POST", path, body });
    api.count(`results of calls, ${status}`);
    return status;
  };
  const first = await give(thingOf(input));
  const isOver = first === 404 || first === 409;
  if (first !== 200 && !isOver) api.violation(path, `a result was answered with ${first}`);
  if (isOver || !random.chance(TWICE)) return;
  const [same, other] = [await give(thingOf(input)), await give("another thing")];
  if (same !== 200 && !(same === 404 && doomed)) {
    api.violation(path, `the same result again was answered with ${same}`);
  }
  if (other !== 409 && !(other === 404 && doomed)) {
    api.violation(path, `another result was answered with ${other}`);
  }
}

const thingOf = ({ token }: Input): string => `the thing of ${token}`;

/** Returns whether each call was requested once, and each that succeeded has the result that the caller gave. */
export function faultsOfCalls({ id, story }: Life): string[] {
  const events = (story?.events ?? []).filter(isOfTool);
  const requested = events.flatMap((event) => (event.type === "tool.requested" ? [event] : []));
  const inputs = new Map(requested.map((event) => [event.toolUseId, event.input as Input]));
  const tokens = requested.map(({ input }) => (input as Input).token);
  const twice = tokens.filter((token, at) => tokens.indexOf(token) !== at);
  const wrong = events.filter((event) => {
    if (event.type !== "tool.completed" || event.isError) return false;
    const input = inputs.get(event.toolUseId);
    return !input || event.content !== thingOf(input);
  });
  return [
    ...twice.map((token) => `${id}: the call for ${token} was requested twice`),
    ...wrong.map((event) => `${id}: nobody has given the result of event ${event.seq}`),
  ];
}

const isOfTool = (event: SessionEvent) => "name" in event && event.name === CLIENT_TOOL.name;
