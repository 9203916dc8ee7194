import type { CreateSandbox, UpdateSandboxNetworkSettings } from "@daytona/api-client";
import type { DaemonErrorCode, ErrorResponse } from "@daytona/toolbox-api-client";

// The errors of Daytona: of its API, and of the proxy and the daemon of a sandbox.

/** Returns an error of Daytona's API. */
export function problem(request: Request, statusCode: number, message: string): Response {
  const { pathname, search } = new URL(request.url);
  const timestamp = new Date().toISOString();
  const error = NAMES[statusCode];
  const source = "DAYTONA_API";
  const body = { path: pathname + search, timestamp, statusCode, error, message, source };
  return Response.json(body, { status: statusCode });
}

const NAMES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  409: "Conflict",
  422: "Unprocessable Entity",
};

const DOMAIN = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/i;
const NETWORK = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;

/** Returns what is wrong with the lists of allowed networks and domains. */
export function networkProblemOf(asked: UpdateSandboxNetworkSettings): string | undefined {
  const listOf = (text = "") => text.split(",").map((entry) => entry.trim());
  const networks = listOf(asked.networkAllowList);
  const domains = listOf(asked.domainAllowList);
  const network = networks.find((entry) => entry && !NETWORK.test(entry));
  const domain = domains.find((entry) => entry && !DOMAIN.test(entry));
  if (network) return `Invalid network format: "${network}"`;
  if (domain) return `Invalid domain: "${domain}". Must be a valid domain name`;
  if (networks.length > 10) return "Network allow list cannot contain more than 10 networks";
  if (domains.length > 10) return "Domain allow list cannot contain more than 10 domains";
  return undefined;
}

export const intervalProblemOf = (asked: CreateSandbox): string | undefined =>
  asked.autoStopInterval && asked.autoPauseInterval
    ? "At most one of autoStopInterval and autoPauseInterval may be non-zero"
    : undefined;

/** Returns an error of the daemon in a sandbox, or of the proxy before it. */
export function daemonProblem(
  request: Request,
  statusCode: number,
  message: string,
  code: DaemonErrorCode = statusCode === 401 ? "UNAUTHORIZED" : "BAD_REQUEST",
): Response {
  return Response.json(errorOf(request, statusCode, message, code), { status: statusCode });
}

export function errorOf(
  request: Request,
  statusCode: number,
  message: string,
  code: DaemonErrorCode,
): ErrorResponse {
  const { pathname: path } = new URL(request.url);
  const timestamp = new Date().toISOString();
  const source = code === "UNAUTHORIZED" ? "DAYTONA_PROXY" : "DAYTONA_DAEMON";
  return { statusCode, message, code, source, timestamp, path, method: request.method };
}
