import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { newSessionId, objectOf } from "../../testing/sessions";
import { SessionStore } from "./store";
import { SCHEMA, UPGRADES } from "./tables";

/** Returns the columns and indexes that `fill` leaves in an empty object. */
const tablesOf = (fill: (storage: DurableObjectStorage) => void) =>
  runInDurableObject(objectOf(newSessionId()), (_, { storage }) => {
    const { sql } = storage;
    fill(storage);
    const masters = sql
      .exec<{ type: string; name: string; sql: string }>(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL",
      )
      .toArray()
      .filter(({ name }) => !/^(_cf_|sqlite_)/.test(name));
    return masters
      .map(({ type, name, sql: text }) => ({
        name,
        parts:
          type === "index"
            ? [text.replaceAll(/\s+/g, " ")]
            : sql
                .exec(
                  `SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('${name}')`,
                )
                .toArray()
                .map((column) => JSON.stringify(column))
                .toSorted(),
      }))
      .toSorted((one, other) => one.name.localeCompare(other.name));
  });

test("an object of any earlier version gets the tables of a new one", async () => {
  const current = await tablesOf(({ sql }) => sql.exec(SCHEMA));
  expect(current.length).toBeGreaterThan(20);
  for (let version = 1; version <= UPGRADES.length; version++) {
    const upgraded = await tablesOf((storage) => {
      for (const statement of UPGRADES.slice(0, version)) storage.sql.exec(statement);
      storage.kv.put("tables", version);
      new SessionStore(storage).addTables();
    });
    expect(upgraded).toEqual(current);
  }
});
