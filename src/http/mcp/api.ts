import { z } from "zod";

/** A request of the API that a tool makes, with the caller's rights. */
export interface ApiCall {
  method: "GET" | "POST";
  /** The path and the query. */
  path: string;
  body?: unknown;
  idempotencyKey?: string | undefined;
}

/** Sends a request to the API. */
export type CallApi = (call: ApiCall) => Promise<Response>;

const ErrorAnswer = z.object({
  error: z.looseObject({ type: z.string(), message: z.string() }),
  requestId: z.string(),
});

/** The API has refused a request of a tool. Its answer is for the model that called the tool. */
export class RefusedByApi extends Error {
  override readonly name = "RefusedByApi";
  readonly answer: z.output<typeof ErrorAnswer>;
  constructor(answer: z.output<typeof ErrorAnswer>) {
    super(answer.error.message);
    this.answer = answer;
  }
}

/** Returns the API's answer to a request. Throws a `RefusedByApi` for an error. */
export async function ask<T>(callApi: CallApi, call: ApiCall, schema: z.ZodType<T>): Promise<T> {
  const response = await callApi(call);
  const answer: unknown = await response.json();
  if (!response.ok) throw new RefusedByApi(ErrorAnswer.parse(answer));
  return schema.parse(answer);
}

/** Returns a path of the API with those parameters of a query that are given. */
export function withQuery(
  path: string,
  parameters: Record<string, string | number | readonly string[] | undefined>,
): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return query.size === 0 ? path : `${path}?${query}`;
}
