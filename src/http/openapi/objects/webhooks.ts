import { z } from "zod";
import { DELIVERY_STATES } from "../../../webhooks/rpc";
import * as examples from "../examples";
import { count, instant } from "./values";

// Webhooks and what they deliver.

const webhook = {
  id: z.string().describe("The id of the webhook, `hook_…`."),
  url: z.string().describe("Where events are sent."),
  events: z.array(z.string()).describe("Types of events; `*` in one is any text."),
  sessionId: z
    .string()
    .nullable()
    .describe("The only session whose events it is sent; null for all."),
  description: z.string().nullable().describe("As in the request."),
  enabled: z.boolean().describe("Whether it is sent events."),
  disabledBecause: z
    .string()
    .nullable()
    .describe(
      "Why it was disabled, if nobody has done it by a request: it only failed for three days, or was answered with 410.",
    ),
  createdAt: instant,
  lastSuccessAt: instant.nullable().describe("The last attempt that was accepted."),
  failingSince: instant.nullable().describe("The first attempt since then that has failed."),
  pending: count.describe("Events that wait to be sent."),
};

export const Webhook = z.object(webhook).meta({
  id: "Webhook",
  description: "An address that is sent events.",
  examples: [examples.webhook],
});

export const NewWebhook = z
  .object({
    ...webhook,
    secret: z
      .string()
      .describe("Signs the messages, `whsec_…`. Shown when it is made or rotated only."),
  })
  .meta({ id: "NewWebhook", examples: [{ ...examples.webhook, secret: examples.webhookSecret }] });

export const Delivery = z
  .object({
    id: z.string().describe("The header `webhook-id`: the same whenever the event is sent."),
    type: z.string().describe("The type of the event."),
    status: z
      .enum(DELIVERY_STATES)
      .describe("`failed`: it was tried for a day, and is not tried again by itself."),
    createdAt: instant.describe("When the webhook learned of the event."),
    nextAttemptAt: instant.nullable().describe("Null if no attempt is planned."),
    attempts: z
      .array(
        z.object({
          at: instant,
          status: z.int().nullable().describe("The status of the answer; null if there was none."),
          durationMs: z.number().min(0),
          response: z.string().nullable().describe("The beginning of the answer, 1 KB at most."),
          error: z
            .string()
            .nullable()
            .describe("Why it has failed; null if the event was accepted."),
        }),
      )
      .describe("The newest 50."),
  })
  .meta({
    id: "Delivery",
    description: "An event for a webhook, and what was tried to send it. Kept for 30 days.",
    examples: [examples.delivery],
  });
