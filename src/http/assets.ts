/** Paths of the API and its kin, which no static asset has. */
const OWN = /^\/(api|machines|mcp|health)(\/|$)/;

/** Returns the static asset at a path; null if there is none. */
export async function findAsset(request: Request, { ASSETS }: Env): Promise<Response | null> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead || OWN.test(new URL(request.url).pathname)) return null;
  const asset = await ASSETS.fetch(request);
  if (asset.status !== 404) return asset;
  await asset.body?.cancel();
  return null;
}
