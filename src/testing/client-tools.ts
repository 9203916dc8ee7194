import type { ClientTool } from "../agent/tool";
import type { GivenResult, TakenResults } from "../session/rpc";
import type { Result } from "../shared/result";
import { ALICE, sessionOf, value } from "./sessions";

/** Client tools of sessions in tests. */
export const LOOKUP: ClientTool = {
  name: "lookup",
  description: "Returns a thing by its id.",
  inputSchema: {
    type: "object",
    properties: { id: { type: "integer" }, note: {} },
    required: ["id"],
  },
};
export const NOTIFY: ClientTool = {
  name: "notify",
  description: "Tells the user something.",
  inputSchema: { type: "object", properties: { text: { type: "string" } } },
};

/** Returns the calls of a session that wait for results. */
export const requestsOf = async (id: string) => value(await sessionOf(id).toolRequests(ALICE));

/** Gives the result of one call. */
export const answer = (
  id: string,
  toolUseId: string,
  content: GivenResult["content"] = "a thing",
  isError = false,
): Promise<Result<TakenResults>> =>
  sessionOf(id).answerTools(ALICE, [{ toolUseId, content, isError }]);
