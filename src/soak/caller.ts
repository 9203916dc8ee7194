import type { SessionEvent } from "../events/event.ts";
import { type Api, ask } from "./api.ts";
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

/** Answers calls of sessions that have the client tool and are not at rest. */
export async function answerCalls(api: Api, random: Random, lives: readonly Life[]): Promise<void> {
  const calling = lives.filter(({ callsBack, story }) => callsBack && !story);
  await Promise.all(calling.map((life) => answerCallsOf(api, random, life)));
}

async function answerCallsOf(api: Api, random: Random, { id, doomed }: Life): Promise<void> {
  const path = `/api/sessions/${id}`;
  type Page = { toolRequests: { toolUseId: string; input: Input }[] };
  const { status, body } = await ask<Page>(api, { path: `${path}/tool-requests` });
  // Deleted, or an ephemeral session that has ended.
  if (status === 404) return;
  if (status !== 200) return api.violation(path, `its calls were answered with ${status}`);
  for (const { toolUseId, input } of body.toolRequests) {
    if (random.chance(LATE)) continue;
    const give = async (content: string) => {
      const results = [{ toolUseId, content }];
      const answer = await ask(api, {
        ...{ method: "POST", path: `${path}/tool-results`, body: { results } },
      });
      api.count(`results of calls, ${answer.status}`);
      return answer.status;
    };
    const first = await give(thingOf(input));
    const isOver = first === 404 || first === 409;
    if (first !== 200 && !isOver) api.violation(path, `a result was answered with ${first}`);
    if (isOver || !random.chance(TWICE)) continue;
    const [same, other] = [await give(thingOf(input)), await give("another thing")];
    if (same !== 200 && !(same === 404 && doomed)) {
      api.violation(path, `the same result again was answered with ${same}`);
    }
    if (other !== 409 && !(other === 404 && doomed)) {
      api.violation(path, `another result was answered with ${other}`);
    }
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
