import { VENDOR_SETTINGS } from "../sandbox/vendor-settings.ts";

/** Settings that vendors' machines do not need and may have. */
const OPTIONAL = [
  "PUBLIC_URL",
  "SANDBOX_DEFAULTS",
  "E2B_API_URL",
  "E2B_SANDBOX_URL",
  "DAYTONA_API_URL",
];

type Environment = Record<string, string | undefined>;

/** Returns the settings of vendors' machines in an environment. */
export function inputs(from: Environment): Record<string, string> {
  const names = [...OPTIONAL, ...Object.values(VENDOR_SETTINGS).flat()];
  return Object.fromEntries(names.flatMap((name) => (from[name] ? [[name, from[name]]] : [])));
}

/** Returns the settings that each vendor's machines need and that an environment does not have. */
export const missing = (from: Environment): [vendor: string, settings: string[]][] =>
  Object.entries(VENDOR_SETTINGS).map(([vendor, names]) => [
    vendor,
    names.filter((name) => !from[name]),
  ]);
