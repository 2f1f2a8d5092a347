/**
 * Making and keeping links, for secret keys and the team.
 *
 * @module
 */
import type { z } from "zod";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import type { Rules } from "../_shared/links/rules.ts";
import {
  type ChangedLink,
  changedLink,
  checkPlaces,
  type Disallowed,
  type LinkBody,
  newLink,
} from "../_shared/links/schema.ts";
import type { Authorise } from "./authorise.ts";
import type { Call } from "./handler.ts";
import { type Fault, faultsOf } from "./manage_faults.ts";
import { cursorOf, dayParam, intParam } from "./params.ts";

/** What management needs. */
export interface ManageDeps {
  rpc: Rpc;
  authorise: Authorise;
  /** The rules of the last seconds. */
  rules(): Promise<Rules>;
  /** The rules of this moment. */
  freshRules(): Promise<Rules>;
  /** Makes this isolate read these links again. */
  forget(codes: string[]): void;
  hashPassword(password: string): Promise<string>;
  /** The address of a link, without a slash at the end. */
  urlOf(request: Request, code: string): { url: string; qr_url: string };
  killed(): boolean;
  /** Takes one request of a key or person; throws `rate_limited`. Gives the headers that tell what is left. */
  limit(actor: string): Promise<Record<string, string>>;
}

/** A link's body, and a bulk's: a thousand links of a kilobyte or two. */
const MAX_BYTES = 64 * 1024, MAX_BULK_BYTES = 4 * 1024 * 1024;
/** Links of one call. */
const MAX_BULK = 1000;
/** Passwords of one call: each takes a tenth of a second of CPU, of which a request has two. */
const MAX_PASSWORDS = 10;

/** What `create_links` answers for one. */
interface Outcome {
  status: number;
  code?: string;
  error?: "external_id_taken" | "code_taken" | "code_reserved" | "no_code_found";
}

/** A link that was refused before it got to the database. */
interface Refused {
  status: number;
  error: ProblemCode;
  detail: string;
  fields: readonly Fault[];
}

/** Makes the answers to management. */
export function createManage(deps: ManageDeps) {
  async function gate({ request }: Call, role: "viewer" | "operator"): Promise<string> {
    if (deps.killed()) throw new Problem("disabled_by_environment");
    return await deps.authorise(request.headers, role);
  }

  /** `POST /`: 201 with the link, or 200 with the one that was made before under the same external id. */
  async function create(call: Call): Promise<Response> {
    const actor = await gate(call, "operator");
    const body = await readJson(call.request, MAX_BYTES);
    const headers = await deps.limit(actor);
    const [outcome] = await createAll([body], actor);
    if ("detail" in outcome) throw refusalOf(outcome);
    const { status, code, error } = outcome;
    if (code === undefined) throw new Problem(error === "no_code_found" ? "overloaded" : error!);
    return Response.json({ code, ...deps.urlOf(call.request, code) }, { status, headers });
  }

  /** `POST /bulk`: up to a thousand, each with its own result, in the order given. */
  async function createMany(call: Call): Promise<Response> {
    const actor = await gate(call, "operator");
    const body = await readJson(call.request, MAX_BULK_BYTES) as { links?: unknown } | null;
    const links = body?.links;
    if (!Array.isArray(links) || links.length > MAX_BULK) {
      throw new Problem("invalid_request", { detail: `\`links\` must be a list of at most ${MAX_BULK}.` });
    }
    const headers = await deps.limit(actor);
    const results = (await createAll(links, actor)).map((outcome) => {
      if ("detail" in outcome || outcome.code === undefined) return outcome;
      return { status: outcome.status, code: outcome.code, ...deps.urlOf(call.request, outcome.code) };
    });
    return Response.json({ results }, { headers });
  }

  async function createAll(bodies: unknown[], actor: string): Promise<(Outcome | Refused)[]> {
    let passwords = 0;
    const outcomes: (Outcome | Refused | undefined)[] = [];
    const rows: unknown[] = [];
    for (const read of await readAll(newLink, bodies)) {
      if ("error" in read) {
        outcomes.push(read);
      } else if (read.link.password !== undefined && ++passwords > MAX_PASSWORDS) {
        outcomes.push(
          refused("invalid_request", [{
            path: "password",
            message: `is one too many: at most ${MAX_PASSWORDS} links with one are made in one call`,
          }]),
        );
      } else {
        outcomes.push(undefined);
        rows.push(await rowOf(read.link));
      }
    }
    const made = rows.length === 0
      ? []
      : await deps.rpc<Outcome[]>("create_links", { p_links: rows, p_actor: actor });
    deps.forget(made.flatMap(({ code }) => code ?? []));
    let next = 0;
    return outcomes.map((outcome) => outcome ?? made[next++]);
  }

  /** Reads bodies; where one leads where it may not, by the rules of this moment before it is refused. */
  async function readAll<Body extends LinkBody | ChangedLink>(
    schema: z.ZodType<Body>,
    bodies: unknown[],
  ): Promise<({ link: Body } | Refused)[]> {
    const readBy = (rules: Rules) => bodies.map((body) => readLink(schema, body, rules));
    const read = readBy(await deps.rules());
    const isDoubtful = read.some((one) => "error" in one && one.error === "url_not_allowed");
    return isDoubtful ? readBy(await deps.freshRules()) : read;
  }

  async function rowOf({ password, ...link }: LinkBody): Promise<unknown> {
    return {
      ...link,
      // The password is left out of it: a quick hash would give it away.
      request_hash: await hashOf({ ...link, password: password !== undefined }),
      ...(password === undefined ? {} : { password_hash: await deps.hashPassword(password) }),
    };
  }

  /**
   * `PATCH /{code}`: what is given is changed, null takes it away (RFC 7396). With `version`, the one that the caller
   * read, it is refused when somebody changed the link since.
   */
  async function change(call: Call, code: string): Promise<Response> {
    const actor = await gate(call, "operator");
    const patch = await readJson(call.request, MAX_BYTES);
    if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
      throw new Problem("invalid_request", { detail: "The body must be an object." });
    }
    const headers = await deps.limit(actor);
    const now = await deps.rpc<Stored | null>("find_link", { p_code: code });
    if (now === null) throw new Problem("link_not_found");
    const { password: given, version, ...rest } = patch as Record<string, unknown>;
    if (version !== undefined && version !== now.version) throw changedMeanwhile();
    const whole = merge(bodyOf(now), rest) as Record<string, unknown>;
    const [read] = await readAll(changedLink, [given == null ? whole : { ...whole, password: given }]);
    if ("error" in read) throw refusalOf(read);
    const { password, ...link } = read.link;
    const row = given === undefined
      ? link
      : { ...link, password_hash: password === undefined ? null : await deps.hashPassword(password) };
    const changed = await deps.rpc<Stored | null>("update_link", {
      p_code: code,
      p_version: now.version,
      p_link: row,
      p_actor: actor,
    }).catch((error) => {
      if (error instanceof DbError && error.code === "23505") throw new Problem("external_id_taken");
      throw error;
    });
    if (changed === null) throw changedMeanwhile();
    deps.forget([code]);
    return Response.json(shownAs(call, changed), { headers });
  }

  /** `DELETE /{code}` */
  async function remove(call: Call, code: string): Promise<Response> {
    const actor = await gate(call, "operator");
    const headers = await deps.limit(actor);
    const found = await deps.rpc<boolean>("delete_link", { p_code: code, p_actor: actor });
    if (!found) throw new Problem("link_not_found");
    deps.forget([code]);
    return new Response(null, { status: 204, headers });
  }

  /** `GET /`: newest first; filters tag, campaign, state, code, external_id; `cursor` of the answer before. */
  async function list(call: Call): Promise<Response> {
    const actor = await gate(call, "viewer");
    const query = new URLSearchParams(call.query);
    const limit = intParam(query, "limit", 50, 1, 1000);
    const filter: Record<string, string> = {};
    for (const name of ["tag", "campaign", "state", "code", "external_id"]) {
      const value = query.get(name);
      if (value !== null) filter[name] = value;
    }
    const cursor = query.get("cursor");
    if (cursor !== null) Object.assign(filter, cursorOf(cursor));
    const headers = await deps.limit(actor);
    const links = await deps.rpc<Stored[]>("list_links", { p_filter: filter, p_limit: limit + 1 })
      .catch(refuseValue);
    const page = links.slice(0, limit), last = page.at(-1);
    return Response.json({
      links: page.map((link) => shownAs(call, link)),
      ...(links.length > limit && last !== undefined
        ? { cursor: btoa(`${last.created_at} ${last.code}`) }
        : {}),
    }, { headers });
  }

  /** `GET /{code}/stats`: from `from` to `to` (days in UTC), the last 30 days without. */
  async function stats(call: Call, code: string): Promise<Response> {
    const actor = await gate(call, "viewer");
    const query = new URLSearchParams(call.query);
    const to = dayParam(query, "to", 0), from = dayParam(query, "from", 29);
    const headers = await deps.limit(actor);
    const found = await deps.rpc<object | null>("link_stats", { p_code: code, p_from: from, p_to: to })
      .catch(refuseValue);
    if (found === null) throw new Problem("link_not_found");
    return Response.json(found, { headers });
  }

  function shownAs({ request }: Call, link: Stored): object {
    return { ...link, ...deps.urlOf(request, link.code) };
  }

  return { create, createMany, change, remove, list, stats };
}

function changedMeanwhile(): Problem {
  return new Problem("conflict", { detail: "Somebody else changed the link meanwhile." });
}

/** A link as `find_link` gives it. */
interface Stored {
  code: string;
  version: number;
  created_at: string;
  [member: string]: unknown;
}

/** The members of a stored link that a body may have. */
function bodyOf(link: Stored): Record<string, unknown> {
  const own = Object.keys(changedLink.shape).filter((name) =>
    name !== "password" && link[name] !== undefined
  );
  return Object.fromEntries(own.map((name) => [name, link[name]]));
}

/** JSON Merge Patch (RFC 7396). */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, merge(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks a body and each address in it. */
function readLink<Body extends LinkBody | ChangedLink>(
  schema: z.ZodType<Body>,
  body: unknown,
  rules: Rules,
): { link: Body } | Refused {
  const parsed = schema.safeParse(body);
  if (!parsed.success) return refused("invalid_request", faultsOf(parsed.error.issues));
  const faults: Disallowed[] = checkPlaces(parsed.data, rules);
  if (faults.length > 0) {
    return refused("url_not_allowed", faults.map(({ path, why }) => ({ path, message: why })));
  }
  return { link: parsed.data };
}

function refused(error: "invalid_request" | "url_not_allowed", fields: readonly Fault[]): Refused {
  const detail = fields.map(({ path, message }) => `${path === "" ? "The body" : path} ${message}`).join(
    "; ",
  );
  return { status: 422, error, detail: `${detail}.`, fields };
}

function refusalOf({ error, detail, fields }: Refused): Problem {
  return new Problem(error, { detail, extensions: { fields } });
}

/** SHA-256 of a value, whatever the order of its members. */
async function hashOf(value: unknown): Promise<string> {
  const text = JSON.stringify(
    value,
    (_, member) =>
      isObject(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => a < b ? -1 : 1))
        : member,
  );
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A value that the database cannot read (class 22: a day that no calendar has, a NUL) came from the caller. */
function refuseValue(cause: unknown): never {
  if (!(cause instanceof DbError) || !cause.code.startsWith("22")) throw cause;
  throw new Problem("invalid_request", { detail: "A parameter has a value that cannot be.", cause });
}
