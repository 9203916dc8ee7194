import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { canStandIn, serveContainers } from "./src/container/stand-in";

/** Answers what the Worker under test asks of the world: nothing in a test reaches the network. */
function outside(request: Request): Response | Promise<Response> {
  const { host, pathname, search } = new URL(request.url);
  if (host === "aimock.test") return fetch(process.env.AIMOCK_URL + pathname + search, request);
  return new Response(`a test tried to reach ${request.url}`, { status: 599 });
}

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: {
          TEST_MIGRATIONS: await readD1Migrations("./migrations"),
          ALLOW_ANONYMOUS: "true",
          OFFLINE_MODEL: "true",
          CONTAINERS: "false",
          TEST_HAS_CONTAINERS: process.env.CONTAINERS_ADDRESS !== undefined || canStandIn(),
        },
        serviceBindings: {
          TEST_CONTAINERS: {
            external: {
              address: process.env.CONTAINERS_ADDRESS ?? (await serveContainers()),
              http: {},
            },
          },
        },
        outboundService: outside,
      },
    })),
  ],
  test: {
    include: ["src/**/*.test.ts"],
    setupFiles: ["./src/testing/setup.ts"],
    // One worker for all files: tests share nothing but names, and take care that those are their own.
    isolate: false,
    // What the Worker logs is of interest where a test fails.
    silent: "passed-only",
    globalSetup: ["./src/testing/aimock.ts"],
  },
});
