import openapiTS, { astToString, type OpenAPI3 } from "openapi-typescript";

const HEADER = "// Generated from docs/openapi.json by `npm run openapi`. Do not edit it.\n\n";

/** Returns TypeScript with the types of a document. */
export async function typesOf(document: object): Promise<string> {
  const options = { rootTypes: true, rootTypesNoSchemaPrefix: true, defaultNonNullable: false };
  return HEADER + astToString(await openapiTS(document as OpenAPI3, options));
}
