import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { standInDaytona } from "./daytona.ts";
import { standInE2b } from "./e2b.ts";
import { standInFly } from "./fly.ts";
import { standInGit } from "./git.ts";
import { standInMcp } from "./mcp.ts";
import { HAS_PYTHON, standInModal } from "./modal.ts";
import { startRelay } from "./relay.ts";

/** Answers with the headers of a request: a host on the internet. */
const echo = async ({ headers }: Request) => Response.json(Object.fromEntries(headers));

/** Answers a resolver's question for a name of an MCP server: `private.mcp.example.com` leads to a private network. */
async function resolve(request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const name = searchParams.get("name") ?? "";
  if (!`.${name}`.endsWith(".mcp.example.com")) return new Response(null, { status: 599 });
  const data = name.startsWith("private.") ? "10.0.0.1" : "93.184.215.14";
  const isIpv4 = searchParams.get("type") === "A";
  return Response.json({ Status: 0, Answer: isIpv4 ? [{ type: 1, TTL: 60, data }] : [] });
}

/** The apps of Fly that the Worker under test uses. */
const FLY_APPS = ["rigger-one", "rigger-two"];

/** What is outside of one Worker under test. */
interface Outside {
  /** The Worker's settings, by which it uses the vendors. */
  bindings: Record<string, string | boolean>;
  /** Answers a request of the Worker: nothing in a test reaches the network. */
  handle(request: Request): Promise<Response>;
  /** Answers a request of the Worker for a WebSocket. */
  upgrade(incoming: IncomingMessage, socket: Duplex): void;
}

/** Starts the stand-ins of all vendors for one Worker under test. */
export async function startVendors(): Promise<Outside> {
  const relay = await startRelay();
  const e2b = standInE2b();
  const daytona = standInDaytona();
  const fly = standInFly({ apps: FLY_APPS, allowance: 1_000 });
  const modal = standInModal();
  const hosts: Record<string, (request: Request) => Promise<Response>> = {
    "relay.test": relay.handle,
    "echo.example.com": echo,
    "git.example.com": standInGit().handle,
    "mcp.example.com": standInMcp().handle,
    "cloudflare-dns.com": resolve,
    "api.e2b.app": e2b.handle,
    "sandbox.e2b.app": e2b.handle,
    "app.daytona.io": daytona.handle,
    "api.machines.dev": fly.handle,
    "rigger.modal.run": modal.handle,
  };
  const suffixes: [suffix: string, handle: (request: Request) => Promise<Response>][] = [
    [".fly.dev", fly.handle],
    [".w.modal.host", modal.handle],
  ];
  const handle = async (request: Request) => {
    const { hostname, pathname, search } = new URL(request.url);
    const below = suffixes.find(([suffix]) => hostname.endsWith(suffix));
    const answer = below?.[1] ?? hosts[hostname];
    if (answer) return answer(request);
    if (hostname === "aimock.test")
      return fetch(process.env.AIMOCK_URL + pathname + search, request);
    return new Response(`a test tried to reach ${request.url}`, { status: 599 });
  };
  const bindings = {
    PUBLIC_URL: relay.url,
    E2B_API_KEY: `e2b_${"0".repeat(40)}`,
    DAYTONA_API_KEY: "dtn_rigger",
    FLY_API_TOKEN: "FlyV1 fm2_rigger",
    FLY_APPS: FLY_APPS.join(","),
    MODAL_ENDPOINT_URL: "https://rigger.modal.run",
    MODAL_KEY: "wk-rigger",
    MODAL_SECRET: "ws-rigger",
    TEST_HAS_PYTHON: HAS_PYTHON,
  };
  return { bindings, handle, upgrade: daytona.upgrade };
}
