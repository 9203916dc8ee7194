export { EmbeddedSandbox } from "./sandbox/embedded";
export { Session } from "./session/session";

import { createApp } from "./http/app";

export default createApp();
