// A deployment's machines are spread over several apps: Fly limits how many are made in an app in a second, and how
// often they are listed.

/**
 * Returns the apps that a sandbox's machine may be in, of a list to which apps are only appended. The last one is where it
 * is made; each other one was that while the list was shorter.
 */
export function appsOf(sandbox: string, apps: readonly string[]): string[] {
  const found: string[] = [];
  let highest = -1;
  for (const app of apps) {
    const score = hash(`${app}\n${sandbox}`);
    if (score <= highest) continue;
    highest = score;
    found.push(app);
  }
  return found;
}

/** Returns the FNV-1a hash of a text, mixed so that each of its bits depends on all of the text. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
