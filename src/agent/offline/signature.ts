/**
 * Returns the mark that the offline model leaves on what has to come back as it went: a text changed on the way, or
 * thinking handed to another model, is told by it. It proves nothing and keeps nothing secret.
 */
export function sign(maker: string, text: string): string {
  return `offline-${fingerprint(`${maker}\n${text}`)}`;
}

/** Returns a short number for a text (FNV-1a), for telling texts apart and nothing else. */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
