import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { leaveOutFramesOf } from "./quick-stacks";
import { showLogsOfFailures } from "./quiet-logs";

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: Parameters<typeof applyD1Migrations>[1];
      DB_2: D1Database;
      DB_3: D1Database;
      EMPTY_DB: D1Database;
      TEST_CONTAINERS: Fetcher;
      TEST_HAS_CONTAINERS: boolean;
      TEST_HAS_PYTHON: boolean;
      PUBLIC_URL: string;
    }
  }
}

if (navigator.userAgent !== "Cloudflare-Workers") throw new Error("tests must run in workerd");
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
leaveOutFramesOf("/just-bash/");
showLogsOfFailures();
