import { defineConfig } from "vitest/config";
import { canStandIn, serveContainers } from "./src/container/stand-in.ts";
import { startVendors } from "./src/testing/vendors/outside.ts";
import { BUILDS, inWorker } from "./vitest.worker.ts";

/** Answers what a Worker under test asks of the world: nothing in a test reaches the network. */
function outside(request: Request, answer: Promise<Response> | undefined) {
  if (answer) return answer;
  const { host, pathname, search } = new URL(request.url);
  if (host === "aimock.test") return fetch(process.env.AIMOCK_URL + pathname + search, request);
  return new Response(`a test tried to reach ${request.url}`, { status: 599 });
}

/** What loses sessions again and again, and what saves their files, takes half of the time. */
const LOSSES = [
  "sandbox/archive",
  "session/session",
  ...[
    "agents",
    "checkpoints",
    "claude-code-past",
    "containers",
    "crash",
    "resume",
    "resume-crash",
  ].map((name) => `session/scenarios/${name}`),
].map((name) => `src/${name}.test.ts`);

/** What starts processes, in containers and machines, waits more than it computes. */
const MACHINES = [
  "src/sandbox/{cloudflare,round-trips}.test.ts",
  "src/sandbox/{daytona,e2b,fly,modal}/*.test.ts",
  "src/session/scenarios/machines*.test.ts",
];

/** Tests that run in Node. */
const NODE = "src/**/*.{conformance,node}.test.ts";

/** Returns a part of the tests, in a Worker of its own. */
function part(name: string, files: { include: string[]; exclude: string[] }) {
  const { plugins, test } = inWorker(async () => {
    // Each Worker has its own: a machine's request would reach another one that does not know it.
    const vendors = await startVendors();
    const address = process.env.CONTAINERS_ADDRESS ?? (await serveContainers());
    return {
      bindings: {
        ...vendors.bindings,
        TEST_HAS_CONTAINERS: process.env.CONTAINERS_ADDRESS !== undefined || canStandIn(),
      },
      serviceBindings: { TEST_CONTAINERS: { external: { address, http: {} } } },
      outboundService: (request: Request) => outside(request, vendors.answer(request)),
    };
  });
  return { plugins, test: { ...test, name, ...files } };
}

export default defineConfig({
  test: {
    projects: [
      part("losses", { include: LOSSES, exclude: [] }),
      part("machines", { include: MACHINES, exclude: [] }),
      part("rest", { include: ["src/**/*.test.ts"], exclude: [...LOSSES, ...MACHINES, NODE] }),
      // The stand-ins of vendors' APIs, and the vendors' own clients, run in Node.
      { test: { name: "node", include: [NODE] } },
    ],
    // The parts run side by side.
    maxWorkers: 3,
    // What the Worker logs is of interest where a test fails.
    silent: "passed-only",
    // Istanbul's: V8's needs an inspector that the Workers runtime does not offer.
    coverage: {
      provider: "istanbul",
      include: ["src/**/*.ts"],
      exclude: ["src/{bench,simulate,soak,testing,trial}/**"],
      reporter: ["text-summary", "html"],
    },
    globalSetup: ["./src/testing/aimock.ts", ...BUILDS],
  },
});
