import { Hono } from "hono";

export const createApp = () => new Hono().get("/health", (c) => c.json({ status: "ok" }));
