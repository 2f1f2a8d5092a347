/** A link's body while it is being written: values by path, what is sent of it, and the change that makes one of another. Pure. */
import type { Link, NewLink } from "../../../../../supabase/functions/_shared/contract/links.ts";

/** A body as the form holds it. What the form does not know stays in it. */
export type Draft = NewLink & Record<string, unknown>;

/** `targets[0].when.country` as its keys. */
function keysOf(path: string): string[] {
  return path.split(/[.[\]]+/).filter((key) => key !== "");
}

/** The value at a path; undefined where there is none. */
export function valueAt(body: unknown, path: string): unknown {
  return keysOf(path).reduce((value, key) => (value as Record<string, unknown> | undefined)?.[key], body);
}

/** The body with another value at a path; undefined takes it away. Nothing else is touched. */
export function withValue<T>(body: T, path: string, value: unknown): T {
  return put(body, keysOf(path), value) as T;
}

function put(into: unknown, [key, ...rest]: string[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(into)) return into.map((one, at) => String(at) === key ? put(one, rest, value) : one);
  const { [key]: before, ...others } = (into ?? {}) as Record<string, unknown>;
  const after = put(before, rest, value);
  // In its place: the order of rules and conditions is seen.
  return after === undefined ? others : { ...into as object, [key]: after };
}

/** What can be written of a link that is there. */
export function bodyOf(link: Link): Draft {
  const { code: _, url: _u, qr_url: _q, uses: _s, state: _t, password: _p, version: _v, ...rest } = link;
  const { created_at: _c, created_by: _b, updated_at: _d, updated_by: _e, ...body } = rest;
  return body;
}

/** What is sent: members that were left empty are left out, but for conditions: an empty one must not make a rule wider. */
export function cleaned<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map((one) => isObject(one) ? cleaned(one) : one) as T;
  }
  if (!isObject(value)) return value;
  const kept = Object.entries(value).map(([name, one]) =>
    [name, name === "when" ? one : cleaned(one)] as const
  )
    // An empty password is for the function to refuse: it is not the one from before.
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

/** The change (RFC 7396) that makes `after` of `before`; empty when nothing differs. */
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

/** An ISO time as a field of the reader's zone shows it; empty where there is none. */
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

/** What such a field says as an ISO time; undefined where it says none. */
export function isoOf(local: string): string | undefined {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
