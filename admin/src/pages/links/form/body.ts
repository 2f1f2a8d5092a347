/** A link's body in the form: values by path, the body to send, and the patch between two bodies. Pure. */
import type { Link, NewLink } from "../../../../../supabase/functions/_shared/contract/links.ts";

/** A body in the form. Members that the form does not know are kept. */
export type Draft = NewLink & Record<string, unknown>;

/** Splits `targets[0].when.country` into its keys. */
function keysOf(path: string): string[] {
  return path.split(/[.[\]]+/).filter((key) => key !== "");
}

/** The value at a path; undefined if there is none. */
export function valueAt(body: unknown, path: string): unknown {
  return keysOf(path).reduce((value, key) => (value as Record<string, unknown> | undefined)?.[key], body);
}

/** Returns the body with another value at a path; undefined removes it. Everything else is unchanged. */
export function withValue<T>(body: T, path: string, value: unknown): T {
  return put(body, keysOf(path), value) as T;
}

function put(into: unknown, [key, ...rest]: string[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(into)) return into.map((one, at) => String(at) === key ? put(one, rest, value) : one);
  const { [key]: before, ...others } = (into ?? {}) as Record<string, unknown>;
  const after = put(before, rest, value);
  // Replaced in its place, because the order of rules and conditions is visible.
  return after === undefined ? others : { ...into as object, [key]: after };
}

/** The writable members of an existing link. */
export function bodyOf(link: Link): Draft {
  const { code: _, url: _u, qr_url: _q, uses: _s, state: _t, password: _p, version: _v, ...rest } = link;
  const { created_at: _c, created_by: _b, updated_at: _d, updated_by: _e, ...body } = rest;
  return body;
}

/**
 * The body to send. Empty members are left out, except conditions: an empty one must not make a rule match
 * more.
 */
export function cleaned<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map((one) => isObject(one) ? cleaned(one) : one) as T;
  }
  if (!isObject(value)) return value;
  const kept = Object.entries(value).map(([name, one]) =>
    [name, name === "when" ? one : cleaned(one)] as const
  )
    // An empty password is sent, for the function to refuse: leaving it out would keep the old one.
    .filter(([name, one]) => name === "password" ? one !== undefined : !isEmpty(one));
  return Object.fromEntries(kept) as T;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === "string" && value.trim() === "") ||
    (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The merge patch (RFC 7396) from `before` to `after`; empty if they are equal. */
export function patchOf(before: NewLink, after: NewLink): Record<string, unknown> {
  return difference(cleaned({ ...before }), cleaned({ ...after }));
}

function difference(before: Record<string, unknown>, after: Record<string, unknown>) {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const was = before[name], is = after[name];
    if (is === undefined) patch[name] = null;
    else if (isObject(was) && isObject(is)) {
      const inner = difference(was, is);
      if (Object.keys(inner).length > 0) patch[name] = inner;
    } else if (JSON.stringify(was) !== JSON.stringify(is)) patch[name] = is;
  }
  return patch;
}

/** An ISO time as the value of a field in the reader's zone; empty for none. */
export function localOf(iso: string | undefined): string {
  const at = new Date(iso ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  const two = (n: number) => String(n).padStart(2, "0");
  const day = [String(at.getFullYear()).padStart(4, "0"), two(at.getMonth() + 1), two(at.getDate())].join(
    "-",
  );
  const seconds = at.getSeconds() === 0 ? "" : `:${two(at.getSeconds())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}${seconds}`;
}

/** The ISO time of such a field's value; undefined for none. */
export function isoOf(local: string): string | undefined {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
