/** Names that never lead to the public internet. */
const PRIVATE_NAMES =
  /(^|\.)(localhost|local|internal|intranet|lan|home|corp|test|invalid|onion|arpa)$/;

/**
 * Why an address may not be fetched; undefined when it may. `URL` has already turned every notation of an
 * IPv4 address into dotted decimals. What a public name resolves to can't be seen from here: Workers have
 * no way to private networks.
 */
export function forbidden(url: URL): string | undefined {
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return "only http and https are fetched";
  if (url.username || url.password) return "credentials in an address are not sent";
  if (url.port !== "") return "only the standard ports are fetched";
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (host.startsWith("[")) {
    return isPublicIpv6(host.slice(1, -1)) ? undefined : "private addresses are not fetched";
  }
  if (/^\d+(\.\d+){3}$/.test(host)) {
    return isPublicIpv4(host) ? undefined : "private addresses are not fetched";
  }
  if (!host.includes(".") || PRIVATE_NAMES.test(host)) return "private names are not fetched";
  return undefined;
}

function isPublicIpv4(host: string): boolean {
  const [a = 0, b = 0, c = 0] = host.split(".").map(Number);
  return !(
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 192 && b === 0 && (c === 0 || c === 2)) ||
    (a === 198 && (b === 18 || b === 19)) ||
    (a === 198 && b === 51 && c === 100) ||
    (a === 203 && b === 0 && c === 113)
  );
}

/** Only global unicast that carries no IPv4 address inside: 2000::/3 but for 6to4, Teredo and documentation. */
function isPublicIpv6(host: string): boolean {
  const [first = "", second = ""] = host.split(":");
  const group = Number.parseInt(first || "0", 16);
  if (group < 0x2000 || group > 0x3fff || group === 0x2002) return false;
  const next = Number.parseInt(second || "0", 16);
  return !(group === 0x2001 && (next === 0 || next === 0xdb8));
}
