import { Hono } from "hono";
import { accountOf } from "../account/address";
import { grantProblem, type Powers } from "../account/keys";
import { DEFAULT_SCOPES } from "../account/scopes";
import { checkToolRules } from "../session/tool-cap";
import { knownKeys } from "./auth";
import { callAccount, unwrap } from "./call";
import { type AppContext, type AppEnv, actorOf } from "./context";
import { ApiError, invalid, notFound } from "./errors";
import { accountOfId, isKeyId, newKeyId, newSecret, sha256Hex } from "./ids";
import { requireOwner } from "./lists";
import { idempotencyKey, readBody, readQuery } from "./parse";
import { ListKeys } from "./queries";
import { CreateKey, RotateKey } from "./schemas";
import { keyView } from "./views";

/** Routes of an owner's keys. */
export const keys = new Hono<AppEnv>()
  .post("/", async (c) => {
    const own = c.var.identity;
    const { name, owner = own.owner, ...request } = await readBody(c, CreateKey);
    requireOwner(c.var.caller, owner, "name another owner");
    const powers: Powers = {
      scopes: request.scopes ?? DEFAULT_SCOPES,
      tools: request.tools ?? own.tools,
      expiresAt: request.expiresAt ?? own.expiresAt,
    };
    const issues = checkToolRules(powers.tools ?? [], "tools");
    if (issues.length > 0) throw invalid(issues);
    const problem = grantProblem(own, powers);
    if (problem !== null) throw new ApiError("permission_error", problem);

    const id = await newKeyId(owner, idempotencyKey(c));
    const { secret, hash } = await aSecret(accountOfId(id));
    const spec = { id, owner, name, hash, ...powers };
    const key = await callAccount(c.env, accountOfId(id), (account) =>
      account.createKey(spec, actorOf(c)),
    );
    return c.json({ ...keyView(unwrap(key)), key: secret }, 201);
  })

  .get("/", async (c) => {
    const { owner = c.var.caller.owner, cursor, limit } = readQuery(c, ListKeys);
    requireOwner(c.var.caller, owner, "name another owner");
    const page = { before: cursor ?? null, limit };
    const account = await accountOf(owner);
    const { keys: found, next } = await callAccount(c.env, account, (object) => object.keys(page));
    return c.json({ keys: found.map(keyView), nextCursor: next === null ? null : String(next) });
  })

  .get("/:keyId", async (c) => {
    const { id, account } = await keyOf(c);
    return c.json(keyView(unwrap(await callAccount(c.env, account, (object) => object.key(id)))));
  })

  .post("/:keyId/rotate", async (c) => {
    const { id, account } = await keyOf(c);
    const { graceMs } = await readBody(c, RotateKey);
    const { secret, hash } = await aSecret(account);
    const { scopes, tools, expiresAt } = c.var.identity;
    const rotation = { hash, graceMs, by: { scopes, tools, expiresAt } };
    const rotated = await callAccount(c.env, account, (object) =>
      object.rotateKey(id, rotation, actorOf(c)),
    );
    knownKeys.forget(id);
    return c.json({ ...keyView(unwrap(rotated)), key: secret });
  })

  .delete("/:keyId", async (c) => {
    const { id, account } = await keyOf(c);
    unwrap(await callAccount(c.env, account, (object) => object.revokeKey(id, actorOf(c))));
    knownKeys.forget(id);
    return c.body(null, 204);
  });

/** The route that tells who the caller is. */
export const me = new Hono<AppEnv>().get("/", (c) => {
  const { owner, scopes, key, via } = c.var.identity;
  return c.json({ owner, admin: c.var.caller.admin, scopes, key, via });
});

/** Returns the id of the key in the path, and its account. Throws "not found" for those of other owners. */
async function keyOf(c: AppContext): Promise<{ id: string; account: string }> {
  const id = c.req.param("keyId");
  if (id === undefined || !isKeyId(id)) throw notFound("key");
  const account = accountOfId(id);
  const isOwn = account === (await accountOf(c.var.caller.owner));
  if (!isOwn && !c.var.caller.admin) throw notFound("key");
  return { id, account };
}

async function aSecret(account: string): Promise<{ secret: string; hash: string }> {
  const secret = newSecret(account);
  return { secret, hash: await sha256Hex(secret) };
}
