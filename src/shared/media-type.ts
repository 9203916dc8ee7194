const TYPES: Readonly<Record<string, string>> = {
  ...{ txt: "text/plain", log: "text/plain", md: "text/markdown", csv: "text/csv" },
  ...{ html: "text/html", htm: "text/html", css: "text/css", xml: "text/xml" },
  ...{ js: "text/javascript", mjs: "text/javascript", json: "application/json" },
  ...{ jsonl: "application/x-ndjson", yaml: "application/yaml", yml: "application/yaml" },
  ...{ png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif" },
  ...{ webp: "image/webp", svg: "image/svg+xml", pdf: "application/pdf" },
  ...{ zip: "application/zip", gz: "application/gzip", tar: "application/x-tar" },
  ...{ mp3: "audio/mpeg", wav: "audio/wav", mp4: "video/mp4", webm: "video/webm" },
};

/** Returns the media type of a file by the end of its name. */
export function mediaTypeOf(path: string): string {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  const type = Object.hasOwn(TYPES, ending) ? TYPES[ending] : undefined;
  if (type === undefined) return "application/octet-stream";
  const isText = type.startsWith("text/") || type === "application/json";
  return isText ? `${type}; charset=utf-8` : type;
}
