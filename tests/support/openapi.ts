/** Checks the functions' responses against docs/openapi.yaml. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { assert, assertEquals, fail } from "./assert.ts";
import { Ajv2020, type ValidateFunction } from "ajv/2020";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { type ProblemCode, PROBLEMS } from "../../supabase/functions/_shared/http/problem.ts";
import type { Answer } from "./edge.ts";

interface Reference {
  $ref?: string;
}
interface Response extends Reference {
  headers?: Record<string, Reference & { schema: unknown; required?: boolean }>;
  content?: Record<string, { schema?: unknown }>;
}
/** One method of a path. */
export interface Operation {
  operationId: string;
  responses: Record<string, Response>;
  parameters?: (Reference & { name?: string; in?: string })[];
  security?: Record<string, unknown>[];
  requestBody?: Reference & {
    content: Record<string, { schema: unknown; examples?: Record<string, { value: unknown }> }>;
  };
}
/** The document, with the members that the tests use. */
export interface Document {
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, Record<string, Operation>>;
  security: Record<string, unknown>[];
  components: Record<string, Record<string, unknown>>;
}

const validator = new Validator();
/** Whether it is an OpenAPI document, and what is wrong with it if not. */
export const validity = await validator.validate(await Deno.readTextFile(join(ROOT, "docs", "openapi.yaml")));
/** The document. */
export const openapi = validator.specification as unknown as Document;

const METHODS = ["get", "head", "post", "patch", "put", "delete", "options"];

/** Every operation: a path may have parameters beside its methods. */
export const operations: { path: string; method: string; operation: Operation }[] = Object.entries(
  openapi.paths,
).flatMap(([path, item]) =>
  METHODS.filter((method) => method in item).map((method) => ({ path, method, operation: item[method] }))
);

/** The document's examples of bodies. */
export const samples: unknown[] = operations.flatMap(({ path, method, operation: { requestBody } }) => {
  if (requestBody === undefined) return [];
  const [{ content }] = resolve(requestBody, ["paths", path, method, "requestBody"]);
  return Object.values(content).flatMap(({ examples = {} }) =>
    Object.values(examples).map(({ value }) => value)
  );
});

const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
ajv.addFormat("uuid", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
ajv.addFormat("date", /^\d{4}-\d\d-\d\d$/);
ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
ajv.addFormat("uri", (text) => URL.canParse(text));
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

/** The target of an object or a reference, and its place. */
export function resolve<T extends Reference>(found: T, keys: string[]): [T, string[]] {
  if (found.$ref === undefined) return [found, keys];
  const path = found.$ref.replace(/^#\//, "").split("/");
  // deno-lint-ignore no-explicit-any
  return [path.reduce((at: any, key) => at[key], openapi) as T, path];
}

const PROBLEM = "application/problem+json";

/** The media type of an answer; "" for one without a body. */
function typeOf({ headers, body }: Answer): string {
  return body === "" || body === null ? "" : (headers.get("content-type") ?? "").split(";")[0];
}

/** Fails unless an answer is one that the document describes for this operation: status, headers, type, body. */
export function assertDescribed(path: string, method: string, answer: Answer): void {
  const { status, headers, body } = answer;
  const at = ["paths", path, method, "responses", String(status)];
  const described = openapi.paths[path]?.[method]?.responses[status] ??
    fail(`${method} ${path} answers ${status}, which is not described: ${JSON.stringify(body)}`);
  const [response, keys] = resolve(described, at);
  const type = typeOf(answer);
  if (type !== "" || response.content !== undefined) {
    const content = response.content?.[type];
    assert(content !== undefined, `${at.join(" ")}: type ${type} is not described: ${JSON.stringify(body)}`);
    if (content?.schema !== undefined) assertFits(body, ...keys, "content", type, "schema");
  }
  assert(headers.get("x-request-id"), `${at.join(" ")}: no x-request-id`);
  for (const name of Object.keys(response.headers ?? {})) {
    const [header, place] = resolve(response.headers![name], [...keys, "headers", name]);
    const value = headers.get(name);
    if (value !== null || header.required !== false) assertFits(value, ...place, "schema");
  }
  if (type === PROBLEM) {
    assertEquals([body.status, body.request_id], [status, headers.get("x-request-id")]);
  }
}

/**
 * Fails unless a request that somebody received matches the document's description of this webhook: headers
 * and body.
 */
export function assertTold(webhook: string, body: unknown, headers: Headers): void {
  const at = ["webhooks", webhook, "post"];
  assertFits(body, ...at, "requestBody", "content", "application/json", "schema");
  openapi.webhooks[webhook].post.parameters!.forEach((found, i) => {
    const [{ name }, place] = resolve(found, [...at, "parameters", String(i)]);
    assertFits(headers.get(name!), ...place, "schema");
  });
}

/** An answer that the document describes. */
export interface Described {
  path: string;
  method: string;
  status: string;
  /** The code of a problem, the media type of anything else, "" for an answer without a body. */
  what: string;
}

/** Every answer that is described: each status with each code that its schema lets through, and each media type. */
export const DESCRIBED: readonly Described[] = operations.flatMap(({ path, method, operation }) =>
  Object.entries(operation.responses).flatMap(([status, found]) => {
    const [response, keys] = resolve(found, ["paths", path, method, "responses", status]);
    const types = Object.keys(response.content ?? {});
    const whats = types.length === 0
      ? [""]
      : types.flatMap((type) => type === PROBLEM ? codesAt(Number(status), keys) : [type]);
    return whats.map((what) => ({ path, method, status, what }));
  })
);

function codesAt(status: number, keys: string[]): ProblemCode[] {
  const fits = schemaAt(...keys, "content", PROBLEM, "schema");
  return (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) =>
    fits({ type: `urn:gatelink:problem:${code}`, title: "", status, code, request_id: "", errorDetails: "" })
  );
}

/** A caller who disconnects, a full queue, an internal error: other tests cover these. */
const HARD_TO_MEET = /^(body_incomplete|overloaded|internal_error)$/;

/** Checks responses, and in the end knows which of the described ones did not occur. */
export function witness() {
  const met = new Set<string>();
  const nameOf = ({ path, method, status, what }: Described) => `${method} ${path} ${status} ${what}`;
  return {
    /** Fails unless the response has this status and matches the document. */
    see(path: string, method: string, status: number, given: Answer): void {
      // Whatever a function gives along with HEAD, HTTP leaves it out.
      const answer = method === "head" ? { ...given, body: "" } : given;
      assertEquals(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      assertDescribed(path, method, answer);
      const type = typeOf(answer);
      const what = type === PROBLEM ? answer.body.code : type;
      met.add(nameOf({ path, method, status: String(status), what }));
    },
    /**
     * Fails unless everything that the document describes for these paths occurred, and nothing else.
     * @param isMetElsewhere Codes that another test meets.
     */
    assertAllMet(isOurs: (path: string) => boolean, isMetElsewhere = (_what: string) => false): void {
      const ours = DESCRIBED.filter(({ path }) => isOurs(path));
      const described = new Set(ours.map(nameOf));
      const unmet = ours.filter(({ what }) => !HARD_TO_MEET.test(what) && !isMetElsewhere(what)).map(nameOf)
        .filter((name) => !met.has(name));
      assertEquals([unmet, [...met].filter((name) => !described.has(name))], [[], []]);
    },
  };
}
