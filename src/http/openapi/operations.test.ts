import { expect, it } from "vitest";
import type { z } from "zod";
import {
  EVENT_TYPES,
  type LiveEvent,
  type OwnerEvent,
  type SessionEvent,
} from "../../events/event";
import { createApp } from "../app";
import { Event, type Live, OwnerWarned } from "./events";
import { OPERATIONS } from "./operations";

/** Routes that are not for clients of the API: programs in machines, and other protocols. */
const OTHERS = /^\/(machines|mcp)(\/|$)/;

const routes = createApp()
  .routes.filter(({ method, path }) => method !== "ALL" && !OTHERS.test(path))
  .map(({ method, path }) => `${method} ${path}`);

it("the document has every route of the Worker, and no other", () => {
  expect(Object.keys(OPERATIONS).sort()).toEqual([...new Set(routes)].sort());
});

it("each endpoint has an id of its own", () => {
  const ids = Object.values(OPERATIONS).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

/** True if each of two types may be used as the other one. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

it("the events of the document have the types of those that the Worker sends", () => {
  // The compiler decides.
  const same: [
    Same<z.output<typeof Event>, SessionEvent>,
    Same<z.output<typeof Live>, LiveEvent>,
    Same<z.output<typeof OwnerWarned>, OwnerEvent>,
  ] = [true, true, true];
  expect(same).not.toContain(false);
});

it("the document has every type of event", () => {
  const documented = Event.options.map(({ shape }) => shape.type.value);
  const types = [...documented, OwnerWarned.shape.type.value];
  expect(types.sort()).toEqual([...EVENT_TYPES].sort());
});
