// Decides whether a host is on the public internet, by its name or address alone.

/** Names outside the public web, with all names below them. No public resolver knows `alt` and `onion`. */
const PRIVATE_SUFFIXES = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "home.arpa",
  "test",
  "invalid",
  "onion",
  "alt",
];

/** Networks outside the public internet (IANA's special-purpose registry), as address and prefix length. */
const PRIVATE_IPV4: readonly [string, number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

/** Returns whether a host, as `URL` writes it, can be on the public web. */
export function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPublicIpv6(hostname.slice(1, -1));
  // A name has at most 253 characters.
  if (hostname.length > 255) return false;
  const host = hostname.replace(/\.+$/, "");
  // `URL` has normalised all other forms of an IPv4 address to dotted decimals.
  if (/^[\d.]+$/.test(host)) return !PRIVATE_IPV4.some((network) => isInside(network, host));
  if (!host.includes(".")) return false;
  return !PRIVATE_SUFFIXES.some((suffix) => host.endsWith(`.${suffix}`));
}

/** Returns whether an IPv4 or IPv6 address, in any form, is on the public internet; false for any other text. */
export function isPublicAddress(text: string): boolean {
  if (!/^[0-9a-f.:]+$/i.test(text)) return false;
  const url = URL.parse(text.includes(":") ? `http://[${text}]/` : `http://${text}/`);
  if (!url || !/^([\d.]+|\[.*\])$/.test(url.hostname)) return false;
  return isPublicHost(url.hostname);
}

/**
 * Returns whether an IPv6 address is public: only 2000::/3 is, without documentation and the ranges that embed
 * an IPv4 address.
 */
function isPublicIpv6(address: string): boolean {
  const [first = 0, second = 0] = address
    .split(":")
    .map((group) => Number.parseInt(group || "0", 16));
  if (first < 0x2000 || first > 0x3fff) return false;
  if (first === 0x2001) return second >= 0x200 && second !== 0xdb8;
  return first !== 0x2002 && first < 0x3fff;
}

function isInside([network, length]: readonly [string, number], address: string): boolean {
  const shift = 32 - length;
  return ipv4Number(network) >>> shift === ipv4Number(address) >>> shift;
}

function ipv4Number(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}
