/** docs/openapi.yaml as a judge of what the functions answer. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { assert, assertEquals, fail } from "@std/assert";
import { Ajv2020, type ValidateFunction } from "ajv/2020";
import { join } from "node:path";
import { ROOT } from "../../local/paths.ts";
import type { Answer } from "./edge.ts";

interface Reference {
  $ref?: string;
}
interface Response extends Reference {
  headers?: Record<string, Reference & { schema: unknown }>;
  content?: Record<string, { schema: unknown }>;
}
interface Operation {
  responses: Record<string, Response>;
  requestBody?: {
    content: Record<string, { schema: unknown; examples?: Record<string, { value: unknown }> }>;
  };
}
/** The document, as far as the tests look into it. */
export interface Document {
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
}

const validator = new Validator();
/** Whether it is an OpenAPI document, and what is wrong with it if not. */
export const validity = await validator.validate(await Deno.readTextFile(join(ROOT, "docs", "openapi.yaml")));
/** The document. */
export const openapi = validator.specification as unknown as Document;

const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
ajv.addFormat("uuid", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
ajv.addSchema(openapi, "openapi.yaml");

const compiled = new Map<string, ValidateFunction>();

/** The schema at a place of the document, given by the keys that lead there. A place that is not there is an error. */
export function schemaAt(...keys: string[]): ValidateFunction {
  const pointer = keys.map((key) => `/${encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"))}`)
    .join("");
  let validate = compiled.get(pointer);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `openapi.yaml#${pointer}` });
    compiled.set(pointer, validate);
  }
  return validate;
}

/** Fails unless a value fits the schema at a place. */
export function assertFits(value: unknown, ...keys: string[]): void {
  const validate = schemaAt(...keys);
  assert(validate(value), `${keys.join(" ")}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}

/** What an object or a reference to it stands for, and where it is. */
function resolve<T extends Reference>(found: T, keys: string[]): [T, string[]] {
  if (found.$ref === undefined) return [found, keys];
  const path = found.$ref.replace(/^#\//, "").split("/");
  // deno-lint-ignore no-explicit-any
  return [path.reduce((at: any, key) => at[key], openapi) as T, path];
}

/** Fails unless an answer is one that the document describes for this operation: status, headers, type, body. */
export function assertDescribed(path: string, method: string, answer: Answer): void {
  const { status, headers, body } = answer;
  const at = ["paths", path, method, "responses", String(status)];
  const described = openapi.paths[path]?.[method]?.responses[status] ??
    fail(`${method} ${path} answers ${status}, which is not described: ${JSON.stringify(body)}`);
  const [response, keys] = resolve(described, at);
  const type = (headers.get("content-type") ?? "").split(";")[0];
  assert(response.content?.[type], `${at.join(" ")}: type ${type} is not described`);
  assertFits(body, ...keys, "content", type, "schema");
  assert(headers.get("x-request-id"), `${at.join(" ")}: no x-request-id`);
  for (const name of Object.keys(response.headers ?? {})) {
    const [, place] = resolve(response.headers![name], [...keys, "headers", name]);
    assertFits(headers.get(name), ...place, "schema");
  }
  if (type === "application/problem+json") {
    assertEquals([body.status, body.request_id], [status, headers.get("x-request-id")]);
  }
}
