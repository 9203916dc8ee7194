// Replaces `node:zlib` for just-bash's gzip commands. All levels of compression are the same.

import { call } from "./host";

export const constants = { Z_BEST_COMPRESSION: 9, Z_BEST_SPEED: 1, Z_DEFAULT_COMPRESSION: -1 };

type Options = { maxOutputLength?: number };

export const gzipSync = (bytes: Uint8Array, { maxOutputLength }: Options = {}): Uint8Array =>
  call("gzip", [maxOutputLength], bytes);

export const gunzipSync = (bytes: Uint8Array, { maxOutputLength }: Options = {}): Uint8Array =>
  call("gunzip", [maxOutputLength], bytes);
