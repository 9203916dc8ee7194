import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { settings } from "../settings";
import { createSession, newSessionId, objectOf, tablesOf } from "../testing/sessions";
import { createApp } from "./app";

const ask = (path: string, headers: Record<string, string> = {}, given: object = {}) =>
  createApp({ ...settings, ...given }).fetch(
    new Request(`https://rigger.test/machines/${path}`, { headers }),
    env,
  );
const PATHS = ["archive/0123/0123", "model/v1/messages", "proxy/api.github.com/user"];

describe("the routes of machines", () => {
  it.each(PATHS)("refuse whoever has no token, and leave nothing: %s", async (path) => {
    const id = newSessionId();
    const { status, headers } = await ask(`${id}/${path}`, {
      "x-rigger-token": "x",
      "x-api-key": "x",
    });
    expect([status, headers.get("x-request-id")]).toEqual([
      path.startsWith("archive") ? 403 : 401,
      expect.stringMatching(/^req_/),
    ]);
    expect(await tablesOf(objectOf(id))).toEqual([]);
  });

  it.each(PATHS)("refuse an empty token of a session that has no machine: %s", async (path) => {
    const id = await createSession();
    for (const token of ["", "undefined", "null"]) {
      const { status } = await ask(`${id}/${path}`, {
        "x-rigger-token": token,
        "x-api-key": token,
      });
      expect([401, 403]).toContain(status);
    }
  });

  it("do not exist in a deployment without a public address, and for what is no session", async () => {
    for (const path of PATHS) {
      const { status } = await ask(`${newSessionId()}/${path}`, {}, { PUBLIC_URL: undefined });
      expect(status).toBe(404);
      expect((await ask(`a-session/${path}`)).status).toBe(404);
    }
  });
});
