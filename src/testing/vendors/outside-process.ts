import { canStandIn, serveContainers } from "../../container/stand-in.ts";
import { serveHandler } from "./local-machine.ts";
import { startVendors } from "./outside.ts";

// The process with what is outside of one Worker under test: see start-outside.ts. It ends with its parent.

const { bindings, handle, upgrade } = await startVendors();
const { url } = await serveHandler(handle, upgrade);
const containers = process.env.CONTAINERS_ADDRESS ?? (await serveContainers());
const TEST_HAS_CONTAINERS = process.env.CONTAINERS_ADDRESS !== undefined || canStandIn();
process.on("disconnect", () => process.exit());
process.send?.({
  address: new URL(url).host,
  containers,
  bindings: { ...bindings, TEST_HAS_CONTAINERS },
});
