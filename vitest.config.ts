import { existsSync, statfsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { startOutside } from "./src/testing/vendors/start-outside.ts";
import { BUILDS, inWorker, TOO_SLOW } from "./vitest.worker.ts";

// The databases of the tests are written to memory, if there is enough: the disk takes a fifth of the tests' time.
const MEMORY = "/dev/shm";
const NEEDED_BYTES = 4e9;
if (existsSync(MEMORY)) {
  const { bavail, bsize } = statfsSync(MEMORY);
  if (bavail * bsize >= NEEDED_BYTES) process.env.TMPDIR ??= MEMORY;
}

/** What takes long: it runs first, so that no worker waits for another in the end. */
const LONG = [
  // What loses sessions again and again, and what saves their files.
  "src/{sandbox/archive,session/session}.test.ts",
  "src/session/scenarios/{agents,checkpoints,claude-code-past,containers,crash,resume,resume-crash}.test.ts",
  // What starts processes, in containers and machines, waits more than it computes.
  "src/sandbox/{cloudflare,round-trips}.test.ts",
  "src/sandbox/{daytona,e2b,fly,modal}/*.test.ts",
  "src/session/scenarios/machines*.test.ts",
  // What interprets long scripts.
  "src/sandbox/{embedded,shell}.test.ts",
];

/** How a proxy is asked: with the whole URL (`HttpOptions_Style` of workerd). */
const PROXY = 1;

/** Tests that run in Node. */
const NODE = "src/**/*.{conformance,node}.test.ts";

/** Tests that run in Node and in a browser, and need a server. */
const SERVED = "src/**/*.served.test.ts";

/** The settings of the Worker under test that concern vendors' machines. */
const VENDORS = /^(DAYTONA|E2B|FLY|MODAL)_/;

/** Returns a part of the tests, in Workers of its own. The maintenance of a Worker with vendors asks all of them. */
function part(name: string, hasVendors: boolean, files: { include: string[]; exclude: string[] }) {
  const { plugins, test } = inWorker(async () => {
    // Each Worker has its own: a machine's request would reach another one that does not know it.
    const { address, containers, bindings } = await startOutside();
    const outside = { external: { address, http: { style: PROXY } } };
    const names = Object.keys(bindings).filter((name) => hasVendors || !VENDORS.test(name));
    return {
      bindings: Object.fromEntries(names.map((name) => [name, bindings[name]])),
      serviceBindings: { TEST_CONTAINERS: { external: { address: containers, http: {} } } },
      outboundService: "outside",
      // A Worker's network can't be an address, but another Worker that sends everything there.
      workers: [
        {
          name: "outside",
          modules: true,
          script: "export default { fetch: (request, env) => env.OUTSIDE.fetch(request) };",
          compatibilityDate: "2026-11-01",
          serviceBindings: { OUTSIDE: outside },
        },
      ],
    };
  });
  return { plugins, test: { ...test, name, ...files } };
}

/** Runs first what waits more than it computes: the computer then works on the others meanwhile. */
class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ project }: TestSpecification) => project.name === "served";
    return [...sorted.filter(waits), ...sorted.filter((file) => !waits(file))];
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "served",
          include: [SERVED],
          globalSetup: ["./src/client/build.ts", "./src/cli/build.ts", "./src/testing/serve.ts"],
          // A browser and a server share the computer with the other parts.
          testTimeout: 30_000,
          retry: TOO_SLOW,
          expect: { poll: { timeout: 10_000 } },
          hookTimeout: 60_000,
        },
      },
      part("long", true, { include: LONG, exclude: [] }),
      part("rest", false, { include: ["src/**/*.test.ts"], exclude: [...LONG, NODE, SERVED] }),
      // The stand-ins of vendors' APIs, and the vendors' own clients, run in Node.
      { test: { name: "node", include: [NODE], testTimeout: 30_000, hookTimeout: 60_000 } },
    ],
    // The parts run side by side.
    maxWorkers: 4,
    sequence: { sequencer: WaitingFirst },
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
