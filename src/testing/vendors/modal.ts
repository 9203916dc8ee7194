import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Faults } from "./faults.ts";
import { serveHandler } from "./local-machine.ts";
import { ModalCloud, ModalError } from "./modal-cloud.ts";
import { forwardTo } from "./served-proxy.ts";

// A stand-in of Modal for Rigger: the endpoint of src/sandbox/modal/rigger_modal.py, as it is deployed, behind Modal's check
// of proxy auth tokens, and the proxy of connect tokens in front of the machines. The endpoint runs unchanged, over a
// replacement of Modal's Python client (modal-python/).

/** Whether the endpoint can run: it is a program in Python. */
export const HAS_PYTHON: boolean =
  spawnSync("python3", ["-c", "match 1:\n case 1: pass"]).status === 0;

/** What belongs to one workspace: a test with a proxy auth token of its own meets no other test. */
interface Workspace {
  cloud: ModalCloud;
  faults: Faults;
  requests: { call: string; status: number | null }[];
}

/** Creates a stand-in. `handle` answers requests to the endpoint and to the machines. */
export function standInModal() {
  const workspaces = new Map<string, Workspace>();
  let starting: Promise<string> | undefined;
  let stop = () => {};
  const close = () => {
    stop();
    for (const { cloud } of workspaces.values()) cloud.close();
  };
  return { handle, cloud: (key: string) => workspaceOf(key).cloud, close };

  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.hostname.endsWith(".w.modal.host")) return connect(request, url);
    const key = request.headers.get("modal-key") ?? "";
    const secret = request.headers.get("modal-secret") ?? "";
    if (!/^wk-\w+$/.test(key) || !/^ws-\w+$/.test(secret)) {
      return new Response("modal-http: invalid credentials for proxy authorization", {
        status: 401,
      });
    }
    const workspace = workspaceOf(key);
    if (url.pathname.startsWith("/__")) return control(workspace, key, request, url);
    return record(workspace, request, url, () => endpoint(request, key, url));
  }

  function workspaceOf(key: string): Workspace {
    const workspace = workspaces.get(key) ?? {
      ...{ cloud: new ModalCloud(), faults: new Faults(), requests: [] },
    };
    workspaces.set(key, workspace);
    return workspace;
  }

  async function record(
    workspace: Workspace,
    request: Request,
    { pathname }: URL,
    act: () => Promise<Response>,
  ): Promise<Response> {
    const asked: Workspace["requests"][number] = {
      call: `${request.method} ${pathname}`,
      status: null,
    };
    workspace.requests.push(asked);
    const response = await workspace.faults.around(request, act);
    asked.status = response.status;
    return response;
  }

  /** Answers as the endpoint does. */
  async function endpoint(request: Request, key: string, { pathname, search }: URL) {
    starting ??= startEndpoint();
    const hasBody = request.method === "POST";
    const answered = await fetch(`${await starting}${pathname}${search}`, {
      method: request.method,
      headers: { "x-workspace": key, "content-type": "application/json" },
      ...(hasBody && { body: await request.arrayBuffer() }),
    });
    const { status } = answered;
    return new Response(status === 204 ? null : await answered.arrayBuffer(), {
      status,
      headers: {
        "content-type": answered.headers.get("content-type") ?? "",
        "modal-function-call-id": `fc-${crypto.randomUUID()}`,
      },
    });
  }

  /** Starts the endpoint. Returns its local address. */
  async function startEndpoint(): Promise<string> {
    const { url, close: closeCloud } = await serveHandler(calls);
    const script = new URL("modal-python/serve.py", import.meta.url).pathname;
    const child = spawn("python3", [script], {
      env: { ...process.env, MODAL_CLOUD_URL: url },
      stdio: ["ignore", "pipe", "inherit"],
    });
    stop = () => {
      child.kill();
      closeCloud();
    };
    process.on("exit", stop);
    const [port] = await once(createInterface(child.stdout), "line");
    // It must not keep the tests from ending.
    child.stdout.destroy();
    child.unref();
    return `http://127.0.0.1:${port}`;
  }

  /** Answers the calls of the replacement of Modal's client: `POST /<workspace>/<method>`. */
  async function calls(request: Request): Promise<Response> {
    const [, key = "", method = ""] = new URL(request.url).pathname.split("/");
    try {
      return Response.json(await workspaceOf(key).cloud.call(method, await request.json()));
    } catch (error) {
      if (!(error instanceof ModalError)) throw error;
      return Response.json({ code: error.status, details: error.details }, { status: 400 });
    }
  }

  /**
   * Answers a request to a machine, whose connect token is in a header, the query or a cookie. Modal says that a request
   * reaches the server with the token's metadata; whether with the token too it does not say: here it does not.
   */
  async function connect(request: Request, url: URL): Promise<Response> {
    const cookie = /_modal_connect_token=([^;]+)/.exec(request.headers.get("cookie") ?? "")?.[1];
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const given = [bearer, url.searchParams.get("_modal_connect_token"), cookie];
    url.searchParams.delete("_modal_connect_token");
    for (const workspace of workspaces.values()) {
      const sandbox = given.map((token) => token && workspace.cloud.connected(token)).find(Boolean);
      if (!sandbox || !url.hostname.startsWith(`${sandbox.taskId}-`)) continue;
      const headers = new Headers(request.headers);
      headers.delete("authorization");
      headers.delete("cookie");
      headers.set("x-verified-user-data", "");
      return record(
        workspace,
        request,
        url,
        async () =>
          (await forwardTo(sandbox, request, url, headers)) ?? new Response(null, { status: 502 }),
      );
    }
    return new Response("modal-http: invalid connect token", { status: 401 });
  }

  /**
   * Answers a test: `/__faults` injects a fault into requests, and `/__faults/cloud` into calls of Modal; `/__requests` and
   * `/__calls` list them; `/__left` tells what lives; `/__vanish/<id>` ends a machine; `/__scheduled` does what Modal does
   * once a day, and `/__week` what it does to records that nobody has used for a week.
   */
  async function control(
    { cloud, faults, requests }: Workspace,
    key: string,
    request: Request,
    url: URL,
  ): Promise<Response> {
    const [, what, detail = ""] = url.pathname.split("/");
    if (what === "__requests") return Response.json(requests);
    if (what === "__calls") return Response.json(cloud.requests);
    if (what === "__scheduled" || what === "__week") return endpoint(request, key, url);
    if (what === "__faults") (detail === "cloud" ? cloud.faults : faults).add(await request.json());
    if (what === "__vanish") cloud.vanish(detail);
    const { running, snapshots } = cloud;
    return Response.json({ running: running.map(({ name }) => name), snapshots });
  }
}
