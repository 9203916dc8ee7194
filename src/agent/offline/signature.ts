/**
 * Returns the signature of a text that has to come back unchanged: it reveals changes, and thinking that was
 * given to another model. It is not secure.
 */
export function sign(maker: string, text: string): string {
  return `offline-${fingerprint(`${maker}\n${text}`)}`;
}

/** Returns a short hash of a text (FNV-1a), for comparison only. */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
