/**
 * Merges, parses and checks the bodies of links that callers send, and describes their faults.
 *
 * @module
 */
import type { z } from "zod";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import type { Rules } from "../_shared/links/model/rules.ts";
import type { StoredLink } from "../_shared/contract/answers/links.ts";
import type { ChangedLink, LinkBody, LinkFaults } from "../_shared/contract/links.ts";
import { checkPlaces } from "../_shared/links/model/places.ts";
import { READ_ONLY_MEMBERS } from "../_shared/contract/link_fields.ts";
import { pathOf } from "../_shared/contract/routing/condition.ts";

/**
 * One fault: its path (`targets[0].when.country[1]`, empty for the body as a whole) and a message to be read after the
 * path: "is not a country …".
 */
export type Fault = LinkFaults[number];

/** A link that was refused before it reached the database. */
export interface Refused {
  status: number;
  error: ProblemCode;
  detail: string;
  fields: readonly Fault[];
}

/**
 * Checks bodies and each address in them.
 * @param given Members whose addresses are checked; all if omitted. The link's other addresses were checked when they
 * were written.
 */
export function readBodies<Body extends LinkBody | ChangedLink>(
  schema: z.ZodType<Body>,
  bodies: readonly unknown[],
  rules: Rules,
  given?: ReadonlySet<string>,
): ({ link: Body } | Refused)[] {
  return bodies.map((body) => {
    const parsed = schema.safeParse(body);
    if (!parsed.success) return refused("invalid_request", faultsOf(parsed.error.issues));
    const faults = checkPlaces(parsed.data, rules)
      .filter(({ path }) => given === undefined || given.has(/^\w+/.exec(path)![0]));
    if (faults.length > 0) {
      return refused("url_not_allowed", faults.map(({ path, why }) => ({ path, message: why })));
    }
    return { link: parsed.data };
  });
}

/** `expires_at must be later`, or what stands for itself: `Unrecognized key: "tilte"`. */
function sentence(path: string, message: string): string {
  if (!/^[A-Z]/.test(message)) return `${path === "" ? "The body" : path} ${message}`;
  return path === "" ? message : `${path}: ${message}`;
}

/** The refusal of a body with faults. */
export function refused(error: "invalid_request" | "url_not_allowed", fields: readonly Fault[]): Refused {
  const detail = fields.map(({ path, message }) => sentence(path, message)).join("; ");
  return { status: 422, error, detail: `${detail}.`, fields };
}

/** A refusal as an answer. */
export function refusalOf({ error, detail, fields }: Refused): Problem {
  return new Problem(error, { detail, extensions: { fields } });
}

/**
 * Removes from a body for a new link the fields that only a stored link has, so that a link can be copied. Fields whose
 * loss would change the copy stay, and the schema refuses them: whether there is a password, and a state that a new
 * link does not have.
 */
export function withoutReadOnly(body: unknown): unknown {
  if (!isObject(body)) return body;
  const { version, state, password, ...rest } = body as Record<string, unknown>;
  for (const name of READ_ONLY_MEMBERS) delete rest[name];
  return {
    ...rest,
    ...(version === undefined || Number.isInteger(version) ? {} : { version }),
    ...(state === undefined || state === "active" ? {} : { state }),
    ...(password === undefined || password === false ? {} : { password }),
  };
}

/**
 * The members of a link that a patch changes. With a `version`, read-only members and members with their current value
 * are dropped, since the patch was built from what was read. Without one, only read-only members with their current
 * value are dropped; the schema refuses the others by name.
 */
export function changesOf(
  patch: Readonly<Record<string, unknown>>,
  now: StoredLink,
): Record<string, unknown> {
  const { version, ...changes }: Record<string, unknown> = patch;
  const standing: Record<string, unknown> = now;
  for (const name of READ_ONLY_MEMBERS) {
    if (version !== undefined || changes[name] === standing[name]) delete changes[name];
  }
  for (const name of ["code", "password"] as const) {
    if (changes[name] === standing[name]) delete changes[name];
  }
  if (version === undefined) return changes;
  return Object.fromEntries(
    Object.entries(changes).filter(([name, value]) =>
      name === "password" || !isSame(merge(standing[name], value), standing[name])
    ),
  );
}

function isSame(a: unknown, b: unknown): boolean {
  return (a == null && b == null) || canonical(a) === canonical(b);
}

/** JSON Merge Patch (RFC 7396). */
export function merge(target: unknown, patch: unknown): unknown {
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

/** SHA-256 of a value, independent of the order of its members. */
export async function hashOf(value: unknown): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(value)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A value as JSON, with the members of objects in one order. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, member) =>
      isObject(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => a < b ? -1 : 1))
        : member,
  );
}

type Issue = z.core.$ZodIssue;

/** Maximum number of faults in one answer. */
const MOST = 10;

/**
 * The faults that a schema found in a body. For "one value or a list", the faults of the intended form are reported.
 */
function faultsOf(issues: readonly Issue[]): Fault[] {
  return issues.slice(0, MOST).map((issue) => {
    const { path, message } = meant(issue);
    return { path: pathOf(path), message };
  });
}

function meant(issue: Issue): Pick<Issue, "path" | "message"> {
  if (issue.code !== "invalid_union") return issue;
  // A form that fails because of its type was not the intended one.
  const form = issue.errors.find(([first]) =>
    first !== undefined && !(first.path.length === 0 && /^invalid_(type|value)$/.test(first.code))
  );
  if (form === undefined) return issue;
  const inner = meant(form[0]);
  return { path: [...issue.path, ...inner.path], message: inner.message };
}
