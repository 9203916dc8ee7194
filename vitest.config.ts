import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: {
          TEST_MIGRATIONS: await readD1Migrations("./migrations"),
          ALLOW_ANONYMOUS: "true",
          OFFLINE_MODEL: "true",
        },
        // Nothing in a test reaches the network unless the test itself answers the request.
        outboundService: (request: Request) => {
          throw new Error(`a test tried to reach ${request.url}`);
        },
      },
    })),
  ],
  test: { include: ["src/**/*.test.ts"], setupFiles: ["./src/testing/setup.ts"] },
});
