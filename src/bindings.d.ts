// The Worker's bindings, as `wrangler.toml` declares them. They are ambient and never imported, so that files
// that use the bindings do not depend on the files of all Durable Objects.

declare namespace Cloudflare {
  interface Env {
    SESSIONS: DurableObjectNamespace<import("./session/session").Session>;
    EMBEDDED_SANDBOXES: DurableObjectNamespace<import("./sandbox/embedded").EmbeddedSandbox>;
    CONTAINER_SANDBOXES: DurableObjectNamespace<import("./sandbox/cloudflare").ContainerSandbox>;
    WARM_POOL: DurableObjectNamespace<import("./pool/warm-pool").WarmPool>;
    DB: D1Database;
    SNAPSHOTS: R2Bucket;
    ANALYTICS: AnalyticsEngineDataset;
  }
}

/** The Worker's bindings and its variables. `readSettings` parses the settings from it once. */
interface Env extends Cloudflare.Env {}
