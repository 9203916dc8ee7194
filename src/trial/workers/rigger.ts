import { env } from "cloudflare:workers";

// Rigger as it is deployed, except that requests to git.example.com go to a git server on this computer. Its name has no
// address and no certificate that a container could use; the way there through the Worker is the real one.

const { GIT_SERVER } = env as unknown as { GIT_SERVER: string };
const send = globalThis.fetch;

globalThis.fetch = (input: RequestInfo | URL, init?: RequestInit) => {
  const { hostname, pathname, search } = new URL(input instanceof Request ? input.url : input);
  return hostname === "git.example.com"
    ? send(new Request(GIT_SERVER + pathname + search, new Request(input, init)))
    : send(input, init);
};

export * from "../../index";
export { default } from "../../index";
