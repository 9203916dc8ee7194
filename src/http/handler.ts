import { settings as deployed, type Settings } from "../settings";
import { createApp } from "./app";
import { findAsset } from "./assets";
import { servePreview } from "./preview-proxy";

/** Returns the Worker's handler of requests: of previews first, which must reach nothing else, then of assets and the API. */
export function createHandler(settings: Settings = deployed) {
  const app = createApp(settings);
  return async (request: Request, env: Env, context: ExecutionContext): Promise<Response> =>
    (await servePreview(request, env, settings)) ??
    (await findAsset(request, env)) ??
    app.fetch(request, env, context);
}
