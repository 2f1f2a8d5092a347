/** Parsers of typed values: each returns the value, or says what a valid one looks like. */
import { DESTINATION_NAME, LINK_CODE } from "../../supabase/functions/_shared/contract/names.ts";
import { SUBSCRIPTIONS } from "../../supabase/functions/_shared/contract/event_types.ts";
import { InvalidArgumentError } from "commander";
import type { FailurePolicy, OnFailure } from "../../supabase/functions/_shared/delivery/retry.ts";

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `15s`, `500ms`, `5m`, `2h`, `1.5d` -> milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError("Use a number with a unit: 500ms, 15s, 5m, 2h, 1d.");
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}

/** A {@linkcode duration} within bounds, in milliseconds; `said` describes them. */
export function durationWithin(least: number, most: number, said: string): (text: string) => number {
  return (text) => {
    const value = duration(text);
    if (value < least || value > most) throw new InvalidArgumentError(`Use ${said}.`);
    return value;
  };
}

/** `5s,5m,30m` -> milliseconds of each. */
export function durations(text: string): number[] {
  return text.split(",").map(duration);
}

/** A reason, trimmed. */
export function reason(text: string): string {
  if (text.trim() !== "") return text.trim();
  throw new InvalidArgumentError("It must not be empty.");
}

/** A whole number within bounds. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`Use a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError("Use a number above 0.");
  return value;
}

/** Any JSON value. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}`);
  }
}

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a Gatelink id. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** A Gatelink id. */
export function id(text: string): string {
  if (!isId(text)) throw new InvalidArgumentError("Use an id like 01968f00-0000-7000-8000-000000000001.");
  return text.toLowerCase();
}

/** Collects a repeated option, or the arguments of a variadic one, each checked by `one`. */
export function several<T>(one: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), one(text)];
}

/** A value for `one`, or `none`. (Commander turns a parsed null into an empty text.) */
export function orNone<T>(one: (text: string) => T): (text: string) => T | "none" {
  return (text) => text === "none" ? "none" : one(text);
}

/** Parses `404=aside,else=hold` as a failure policy. */
export function failurePolicy(text: string): FailurePolicy {
  const pairs = text.split(",").map((one) => /^([345]\d\d|else)=(hold|aside|pause)$/.exec(one.trim()));
  if (pairs.some((one) => one === null)) {
    throw new InvalidArgumentError(
      "Use a list like 404=aside,else=hold: a status or else, with hold, aside or pause.",
    );
  }
  return Object.fromEntries(pairs.map((one) => [one![1], one![2] as OnFailure]));
}

/** A time: ISO 8601 (`2026-11-21`, `2026-11-21T14:00:00Z`) or how long ago (`2h`). */
export function moment(text: string): Date {
  if (/^[\d.]+(ms|s|m|h|d)$/.test(text)) return new Date(Date.now() - duration(text));
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(NaN);
  if (Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError("Use a time like 2026-11-21T14:00:00Z, or how long ago, like 2h.");
  }
  return date;
}

/** Types of events: names, families and `*`, separated by commas. */
export function eventTypes(text: string): string[] {
  const types = text.split(",").map((one) => one.trim());
  const unknown = types.find((one) => !SUBSCRIPTIONS.includes(one));
  if (unknown === undefined) return types;
  throw new InvalidArgumentError(
    `There is no event ${unknown}. Use types like message.read, families like template.*, or *: docs/events.md.`,
  );
}

/** A conversation's id. */
export function conversationId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("Use a conversation's id, like 01968f00-0000-7000-8000-000000000001.");
}

/** A destination's name. */
export function destinationName(text: string): string {
  if (DESTINATION_NAME.test(text)) return text;
  throw new InvalidArgumentError("Use up to 63 lower-case letters, digits, - and _, like orders-eu.");
}

/** An http(s) address. */
export function address(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("Use an address like https://abcdef.supabase.co.");
}

/** A signing secret of Standard Webhooks: whsec_ and 24 to 64 bytes in base64. */
export function secret(text: string): string {
  if (/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/.test(text)) return text;
  throw new InvalidArgumentError("Use whsec_ and 24 to 64 bytes in base64.");
}

/** A future time: ISO 8601, or how long from now (`30d`). Returns ISO 8601 in UTC. */
export function later(text: string): string {
  if (/^[\d.]+(ms|s|m|h|d)$/.test(text)) return new Date(Date.now() + duration(text)).toISOString();
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(NaN);
  if (Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError("Use a time like 2026-12-24T18:00:00Z, or a duration from now, like 30d.");
  }
  return date.toISOString();
}

/** A day like 2026-11-21. */
export function day(text: string): string {
  const date = new Date(`${text}T00:00:00Z`);
  // The 31st of February reads as one of March.
  if (
    /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
  ) return text;
  throw new InvalidArgumentError("Use a day like 2026-11-21.");
}

/** Parses `name=value`, where the name is one of `names`. */
export function pair(names: readonly string[]): (text: string) => [name: string, value: string] {
  return (text) => {
    const at = text.indexOf("="), name = text.slice(0, at), value = text.slice(at + 1).trim();
    if (at > 0 && names.includes(name) && value !== "") return [name, value];
    throw new InvalidArgumentError(`Use name=value, with one of the names ${names.join(", ")}.`);
  };
}

/** A link's code, also from its URL. */
export function linkCode(text: string): string {
  const path = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text).pathname : text;
  const code = path.replace(/\/+$/, "").split("/").at(-1)!.toLowerCase();
  if (LINK_CODE.test(code)) return code;
  throw new InvalidArgumentError("Use a link's code, like spring-24, or its address.");
}

/** The state of a link. */
export function linkState(text: string): string {
  if (/^(active|disabled|blocked|deleted)$/.test(text)) return text;
  throw new InvalidArgumentError("Use active, disabled, blocked or deleted.");
}
