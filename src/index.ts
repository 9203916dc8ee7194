export { Account } from "./account/account";
export { AutomationObject } from "./automations/automation";
export { WarmPool } from "./pool/warm-pool";
export { ContainerProxy, ContainerSandbox } from "./sandbox/cloudflare";
export { EmbeddedSandbox } from "./sandbox/embedded";
export { Session } from "./session/session";
export { WebhookEndpoint } from "./webhooks/endpoint";

import { createApp } from "./http/app";
import { maintain } from "./session/maintenance";

export default {
  fetch: createApp().fetch,
  scheduled: (event, env) => maintain(env, event.scheduledTime),
} satisfies ExportedHandler<Env>;
