/** A refused request, with the API's error. */
export interface Refusal {
  status: number;
  message: string;
  /** The `details.error_code` that some errors carry. */
  code?: string;
  retryAfterSeconds?: number;
}

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** Returns the refusal of an invalid request. */
export const badRequest = (message: string, code?: string): Refusal => ({
  status: 400,
  message,
  ...(code && { code }),
});

/** Returns the response in the API's form. */
export function refusalResponse(refusal: Refusal, requestId: string): Response {
  const { status, message, code, retryAfterSeconds } = refusal;
  const type = TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  const error = { type, message, ...(code && { details: { error_code: code } }) };
  const headers: Record<string, string> = { "request-id": requestId };
  if (retryAfterSeconds !== undefined) headers["retry-after"] = String(retryAfterSeconds);
  return Response.json({ type: "error", error, request_id: requestId }, { status, headers });
}
