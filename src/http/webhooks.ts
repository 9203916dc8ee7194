import { Hono } from "hono";
import { accountOf } from "../account/address";
import { indexOf } from "../session/deployment";
import type { Settings } from "../settings";
import { addressProblem } from "../shared/address";
import { refuseReusedKey } from "../shared/result";
import { isSessionId } from "../shared/session-id";
import type { Webhook, WebhookFilter } from "../webhooks/rpc";
import { callAccount, callSession, callWebhook, ownIdOf, removeWebhook, unwrap } from "./call";
import { type AppContext, type AppEnv, actorOf } from "./context";
import { ignoreMissing, invalid, notFound, refusal } from "./errors";
import { accountOfId, isWebhookId, newWebhookId, newWebhookSecret } from "./ids";
import { fromIndex } from "./lists";
import { idempotencyKey, readBody, readQuery } from "./parse";
import { ListDeliveries } from "./queries";
import {
  CreateWebhook,
  NoFields,
  PatchWebhook,
  RotateWebhookSecret,
  withoutAbsent,
} from "./schemas";
import { deliveryView, webhookView } from "./views";

/**
 * Routes of an owner's webhooks. Each is an object of its own; the owner's account knows their filters, and the index the
 * version of the account's list, by which sessions learn of a change.
 */
export const webhooks = (settings: Settings) =>
  new Hono<AppEnv>()
    .post("/", async (c) => {
      const { owner } = c.var.caller;
      const body = await readBody(c, CreateWebhook);
      requireAddress(body.url, settings);
      const { sessionId = null, description = null } = body;
      if (sessionId !== null) await requireOwnSession(c, sessionId);
      const id = await newWebhookId(owner, idempotencyKey(c));
      const account = accountOfId(id);
      const { filters } = await callAccount(c.env, account, (object) => object.webhooks());
      // The secret is shown once only.
      if (filters.some((one) => one.id === id))
        throw refusal(refuseReusedKey({ webhookId: id }).failure);
      const secret = newWebhookSecret();
      const { url, events } = body;
      const spec = { id, owner, url, events, sessionId, description, secret };
      const webhook = await callWebhook(c.env, id, (object) => object.create(spec));
      await add(c, webhook).catch(async (error) => {
        // Nobody has seen its secret.
        await forget(c, id).catch(() => {});
        throw error;
      });
      return c.json({ ...webhookView(webhook), secret }, 201);
    })

    .get("/", async (c) => {
      const account = await accountOf(c.var.caller.owner);
      const { filters } = await callAccount(c.env, account, (object) => object.webhooks());
      const found = await Promise.all(
        filters.map(({ id }) =>
          callWebhook(c.env, id, (object) => object.read()).catch(ignoreMissing),
        ),
      );
      return c.json({ webhooks: found.filter((one) => one !== null).map(webhookView) });
    })

    .get("/:webhookId", async (c) => {
      const id = await webhookIdOf(c);
      return c.json(webhookView(await callWebhook(c.env, id, (object) => object.read())));
    })

    .patch("/:webhookId", async (c) => {
      const id = await webhookIdOf(c);
      const patch = await readBody(c, PatchWebhook);
      if (patch.url !== undefined) requireAddress(patch.url, settings);
      const changes = withoutAbsent(patch);
      const webhook = await callWebhook(c.env, id, (object) => object.update(changes));
      await tell(c, webhook);
      return c.json(webhookView(webhook));
    })

    .delete("/:webhookId", async (c) => {
      const id = await webhookIdOf(c);
      await forget(c, id);
      return c.body(null, 204);
    })

    .post("/:webhookId/rotate-secret", async (c) => {
      const id = await webhookIdOf(c);
      const { graceMs } = await readBody(c, RotateWebhookSecret);
      const secret = newWebhookSecret();
      const webhook = await callWebhook(c.env, id, (object) =>
        object.rotateSecret(secret, graceMs),
      );
      return c.json({ ...webhookView(webhook), secret });
    })

    .post("/:webhookId/test", async (c) => {
      const id = await webhookIdOf(c);
      await readBody(c, NoFields);
      const { status, durationMs, error } = await callWebhook(c.env, id, (object) => object.ping());
      return c.json({ status, durationMs, error });
    })

    .get("/:webhookId/deliveries", async (c) => {
      const id = await webhookIdOf(c);
      const { status = null, cursor = null, limit } = readQuery(c, ListDeliveries);
      const page = { status, before: cursor, limit };
      const { deliveries, next } = await callWebhook(c.env, id, (object) =>
        object.deliveries(page),
      );
      const nextCursor = next === null ? null : String(next);
      return c.json({ deliveries: deliveries.map(deliveryView), nextCursor });
    })

    .post("/:webhookId/deliveries/:deliveryId/redeliver", async (c) => {
      const id = await webhookIdOf(c);
      const deliveryId = c.req.param("deliveryId");
      await readBody(c, NoFields);
      const delivery = await callWebhook(c.env, id, (object) => object.redeliver(deliveryId));
      return c.json(deliveryView(delivery), 202);
    });

const filterOf = ({ id, events, sessionId, enabled, since, revision }: Webhook): WebhookFilter => ({
  ...{ id, events, sessionId, enabled, since, revision },
});

/** Records a new endpoint in the owner's account, and in the index, by which sessions learn of it. */
async function add(c: AppContext, webhook: Webhook): Promise<void> {
  const { id, owner } = webhook;
  const added = await callAccount(c.env, accountOfId(id), (object) =>
    object.addWebhook(filterOf(webhook), owner, actorOf(c)),
  );
  await fromIndex(indexOf(c.env).setWebhooks(owner, unwrap(added)));
}

/** Records a change of an endpoint in the same places. */
async function tell(c: AppContext, webhook: Webhook): Promise<void> {
  const { id, owner } = webhook;
  const version = await callAccount(c.env, accountOfId(id), (object) =>
    object.changeWebhook(filterOf(webhook)),
  );
  await fromIndex(indexOf(c.env).setWebhooks(owner, version));
}

/** Deletes an endpoint, in the owner's account first. Idempotent. */
async function forget(c: AppContext, id: string): Promise<void> {
  const { owner } = c.var.caller;
  const version = await callAccount(c.env, accountOfId(id), (object) =>
    object.removeWebhook(id, owner, actorOf(c)),
  );
  await removeWebhook(c.env, id);
  await fromIndex(indexOf(c.env).setWebhooks(owner, version));
}

function requireAddress(url: string, { WEBHOOK_ALLOW_PRIVATE_HOSTS }: Settings): void {
  const message = addressProblem(url, WEBHOOK_ALLOW_PRIVATE_HOSTS);
  if (message !== null) throw invalid([{ path: "url", message }]);
}

/** Throws "not found" for a session that does not exist or belongs to another owner, for an admin too. */
async function requireOwnSession(c: AppContext, id: string): Promise<void> {
  if (!isSessionId(id)) throw notFound("session");
  const row = await callSession(c, (session, caller) => session.read(caller), { id });
  if (row.owner !== c.var.caller.owner) throw notFound("session");
}

const webhookIdOf = (c: AppContext): Promise<string> => ownIdOf(c, "webhook", isWebhookId);
