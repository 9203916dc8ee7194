// The Worker's bindings, as `wrangler.toml` declares them. They are ambient: nobody imports this file, so
// that the objects' types reach everything that is bound to them without an import.

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

/** The Worker's bindings and its variables. Settings are read from it once, by `readSettings`. */
interface Env extends Cloudflare.Env {}
