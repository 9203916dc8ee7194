import { standInDaytona } from "./daytona.ts";
import { standInE2b } from "./e2b.ts";
import { standInFly } from "./fly.ts";
import { HAS_PYTHON, standInModal } from "./modal.ts";
import { startRelay } from "./relay.ts";

/** Answers with the headers of a request: a host on the internet. */
const echo = async ({ headers }: Request) => Response.json(Object.fromEntries(headers));

/** The apps of Fly that the Worker under test uses. */
const FLY_APPS = ["rigger-one", "rigger-two"];

/**
 * Starts the stand-ins of all vendors for the Worker under test. `answer` returns their answer to a request of the Worker;
 * undefined if it is for somebody else.
 */
export async function startVendors(): Promise<{
  /** The Worker's settings, by which it uses them. */
  bindings: Record<string, string | boolean>;
  answer(request: Request): Promise<Response> | undefined;
}> {
  const relay = await startRelay();
  const e2b = standInE2b();
  const daytona = standInDaytona();
  const fly = standInFly({ apps: FLY_APPS, allowance: 1_000 });
  const modal = standInModal();
  const hosts: Record<string, (request: Request) => Promise<Response>> = {
    "relay.test": relay.handle,
    "echo.example.com": echo,
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
  const answer = (request: Request) => {
    const { hostname } = new URL(request.url);
    const below = suffixes.find(([suffix]) => hostname.endsWith(suffix));
    return (below?.[1] ?? hosts[hostname])?.(request);
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
  return { bindings, answer };
}
