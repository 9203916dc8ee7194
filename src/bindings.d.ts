// The Worker's bindings, as `wrangler.toml` declares them. They are ambient and never imported, so that files
// that use the bindings do not depend on the files of all Durable Objects.

declare namespace Cloudflare {
  interface Env {
    SESSIONS: DurableObjectNamespace<import("./session/session").Session>;
    EMBEDDED_SANDBOXES: DurableObjectNamespace<import("./sandbox/embedded").EmbeddedSandbox>;
    CONTAINER_SANDBOXES: DurableObjectNamespace<import("./sandbox/cloudflare").ContainerSandbox>;
    WARM_POOL: DurableObjectNamespace<import("./pool/warm-pool").WarmPool>;
    ACCOUNTS: DurableObjectNamespace<import("./account/account").Account>;
    WEBHOOKS: DurableObjectNamespace<import("./webhooks/endpoint").WebhookEndpoint>;
    AUTOMATIONS: DurableObjectNamespace<import("./automations/automation").AutomationObject>;
    DB: D1Database;
    SNAPSHOTS: R2Bucket;
    ASSETS: Fetcher;
    ANALYTICS: AnalyticsEngineDataset;
    REQUESTS_1: RateLimit;
    REQUESTS_10: RateLimit;
    REQUESTS_100: RateLimit;
    REQUESTS_1000: RateLimit;
    REQUESTS_10000: RateLimit;
  }
}

/** The Worker's bindings and its variables. `readSettings` parses the settings from it once. */
interface Env extends Cloudflare.Env {}

// The functions of Node.js that the Worker uses: the platform has more, and its types would hide those of the platform.

declare module "node:crypto" {
  export function createHash(algorithm: "sha256"): {
    update(bytes: Uint8Array): { digest(encoding: "hex" | "base64url"): string };
  };
}

declare module "node:zlib" {
  export function gzipSync(bytes: Uint8Array, options: { level: number }): Uint8Array<ArrayBuffer>;
  export function gunzipSync(
    bytes: Uint8Array,
    options: { maxOutputLength: number },
  ): Uint8Array<ArrayBuffer>;
  export function zstdDecompressSync(
    bytes: Uint8Array,
    options: { maxOutputLength: number },
  ): Uint8Array<ArrayBuffer>;
}
