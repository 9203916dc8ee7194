import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";

/** Tries a test again that was too slow for a busy computer. A wrong answer fails at once, also if it is a rare one. */
export const TOO_SLOW = { count: 1, condition: /timed out|[Tt]imeout \d+ ?ms|within \d+ ms/ };

/** Options of miniflare that differ between configurations. */
interface Options {
  bindings: Record<string, unknown>;
  serviceBindings?: Record<string, unknown>;
  /** Answers the Worker's requests; the network does by default. */
  outboundService?: string;
  /** Workers beside the one under test. */
  workers?: Record<string, unknown>[];
}

/** Returns the part of a configuration that runs tests in a Worker. */
export const inWorker = (optionsOf: () => Promise<Options> | Options) => ({
  plugins: [
    cloudflareTest(async () => {
      const { bindings, ...options } = await optionsOf();
      return {
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: {
          // An index in three databases, and an empty database for migrations.
          d1Databases: { DB_2: "DB_2", DB_3: "DB_3", EMPTY_DB: "EMPTY_DB" },
          bindings: {
            TEST_MIGRATIONS: await readD1Migrations("./migrations"),
            ALLOW_ANONYMOUS: "true",
            OFFLINE_MODEL: "true",
            CONTAINERS: "false",
            ...bindings,
          },
          ...options,
        },
      };
    }),
  ],
  test: {
    setupFiles: ["./src/testing/setup.ts"],
    // Several Workers, and the processes of their machines, share the computer.
    testTimeout: 15_000,
    retry: TOO_SLOW,
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 30_000,
    // One worker for all files: tests share nothing but names, and take care that those are their own.
    isolate: false,
  },
});

/** What is built before the tests. */
export const BUILDS = ["shell", "machines"]
  .map((name) => `./src/sandbox/${name}/build.ts`)
  .concat("./src/dashboard/build.ts");
