import { runInDurableObject } from "cloudflare:test";
import { SessionStore } from "../session/storage/store";
import { objectOf } from "./sessions";

/** Forgets the stored transcript of a session's Claude Code process, as if it had not been saved. */
export const forgetTranscript = (id: string): Promise<void> =>
  runInDurableObject(objectOf(id), (_, { storage }) => {
    const store = new SessionStore(storage);
    store.transaction(() => store.process.forgetTranscript());
  });
