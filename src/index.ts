export { Account } from "./account/account";
export { AutomationObject } from "./automations/automation";
export { WarmPool } from "./pool/warm-pool";
export { ContainerProxy, ContainerSandbox } from "./sandbox/cloudflare";
export { EmbeddedSandbox } from "./sandbox/embedded";
export { Session } from "./session/session";
export { WebhookEndpoint } from "./webhooks/endpoint";

import { createHandler } from "./http/handler";
import { maintain } from "./session/maintenance";

export default {
  fetch: createHandler(),
  scheduled: (event, env) => maintain(env, event.scheduledTime),
} satisfies ExportedHandler<Env>;
