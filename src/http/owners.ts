import { Hono } from "hono";
import type { z } from "zod";
import { accountOf } from "../account/address";
import type { OwnerLimits } from "../account/limits";
import type { AccountMember, SpentBefore } from "../account/rpc";
import type { SessionIndex } from "../db/session-index";
import { indexOf } from "../session/deployment";
import { dayOf, monthAround } from "../shared/days";
import { errorText, log } from "../shared/log";
import { isSessionId } from "../shared/session-id";
import { callAccount } from "./call";
import { type AppContext, type AppEnv, actorOf } from "./context";
import { forgetLimitsOf } from "./known-limits";
import { fromIndex, requireOwner } from "./lists";
import { parse, readBody, readQuery } from "./parse";
import { ListOwners, Owner } from "./queries";
import { givenLimits, PutLimits } from "./schemas";
import { limitsView, ownerView } from "./views";

/** How many sessions of an owner are told of new limits, and how many at a time; the others learn of them at work. */
const MAX_TOLD = 5_000;
const TOLD_AT_ONCE = 20;
/** How long a request goes on telling sessions, in ms. */
const TELLING_MS = 20_000;

/** Routes of owners and their limits. */
export const owners = new Hono<AppEnv>()
  .get("/", async (c) => {
    const { cursor, limit } = readQuery(c, ListOwners);
    const found = await fromIndex(
      indexOf(c.env).owners({
        after: cursor,
        limit: limit + 1,
        month: monthAround(dayOf(Date.now())),
      }),
    );
    const page = found.slice(0, limit);
    const nextCursor = found.length > limit ? page.at(-1)?.owner : null;
    return c.json({ owners: page.map(ownerView), nextCursor });
  })

  .get("/:owner/limits", async (c) => {
    const owner = parse(Owner, c.req.param("owner"), "owner");
    requireOwner(c.var.caller, owner, "read the limits of other owners");
    const { limits } = await callAccount(c.env, await accountOf(owner), (account) => account.use());
    return c.json(limitsView(limits));
  })

  .put("/:owner/limits", async (c) => {
    const owner = parse(Owner, c.req.param("owner"), "owner");
    const body = await readBody(c, PutLimits);
    return c.json(limitsView(await setLimits(c, owner, body)));
  });

/**
 * Sets the limits of an owner: in its account, in the index, where its sessions learn of them, and in the sessions that
 * have not ended. A request that was cut off can be repeated.
 */
async function setLimits(
  c: AppContext,
  owner: string,
  body: z.output<typeof PutLimits>,
): Promise<OwnerLimits> {
  const index = indexOf(c.env);
  const account = await accountOf(owner);
  const before = await fromIndex(spentBefore(index, owner));
  const change = { owner, actor: actorOf(c), details: body };
  const { isLimited, wasLimited } = await callAccount(c.env, account, (object) =>
    object.setLimits(givenLimits(body), before, change),
  );
  await fromIndex(index.setLimited(owner, isLimited));
  forgetLimitsOf(owner);
  // Sessions without limits stop to report, so that nothing counts twice if there are limits again.
  if (isLimited || wasLimited)
    await tellSessions(c.env, await fromIndex(index.liveSessions(owner, MAX_TOLD)));
  const { limits } = await callAccount(c.env, account, (object) => object.use());
  return limits;
}

/** Returns what an owner has spent in this month, and each of its users today, as far as the index knows. */
async function spentBefore(index: SessionIndex, owner: string): Promise<SpentBefore[]> {
  const today = dayOf(Date.now());
  const [days, users] = await Promise.all([
    index.usage({ owner, ...monthAround(today), groupBy: ["day"] }),
    index.usage({ owner, from: today, to: today, groupBy: ["user"] }),
  ]);
  return [
    ...days.map(({ day = today, costNanos: nanos }) => ({ user: null, day, nanos })),
    ...users.map(({ user = null, costNanos: nanos }) => ({ user, day: today, nanos })),
  ];
}

/** Makes sessions report to their account, so that the limits hold for what they do from now on. */
async function tellSessions(env: Env, ids: readonly string[]): Promise<void> {
  const until = Date.now() + TELLING_MS;
  const rest = ids.filter(isSessionId);
  const tell = async () => {
    for (let id = rest.shift(); id !== undefined && Date.now() < until; id = rest.shift()) {
      const session = env.SESSIONS.getByName(id) as unknown as AccountMember;
      await session.reportToAccount().catch((error) => {
        log("member.unreachable", { session: id, error: errorText(error) });
      });
    }
  };
  await Promise.all(Array.from({ length: TOLD_AT_ONCE }, tell));
}
