/** Values of `gatelink oncall`: people, days, times. Pure. */
import { InvalidArgumentError } from "commander";
import type { OnCallPersonDraft } from "../../../supabase/functions/_shared/contract/arguments.ts";

/** `ana@example.com`, `"Ana <ana@example.com>"` or a name. */
export function person(text: string): OnCallPersonDraft {
  const given = text.trim();
  const both = /^([^<>@]{1,100})<([^<>\s@]+@[^<>\s@]+)>$/.exec(given);
  if (both !== null) return { name: both[1].trim(), email: both[2] };
  if (/^[^<>\s@]+@[^<>\s@]+$/.test(given)) return { email: given };
  if (given !== "" && given.length <= 100 && !/[<>@]/.test(given)) return { name: given };
  throw new InvalidArgumentError('Use ana@example.com, "Ana <ana@example.com>" or a name.');
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** `mon-fri`, `sat,sun` -> ISO days of the week, 1 is Monday. A range may go over the end of the week. */
export function weekdays(text: string): number[] {
  const days = new Set<number>();
  for (const part of text.toLowerCase().split(",")) {
    const ends = part.trim().split("-").map((day) => DAYS.indexOf(day.trim()));
    if (ends.length > 2 || ends.includes(-1)) {
      throw new InvalidArgumentError("Use days such as mon-fri or sat,sun.");
    }
    const [first, last = first] = ends;
    for (let day = first;; day = (day + 1) % 7) {
      days.add(day + 1);
      if (day === last) break;
    }
  }
  return [...days].sort();
}

/** The names of ISO days. */
export function dayNames(days: readonly number[]): string {
  return days.map((day) => DAYS[day - 1]).join(",");
}

/** `09:00`. */
export function clockTime(text: string): string {
  if (/^([01]\d|2[0-3]):[0-5]\d$/.test(text)) return text;
  throw new InvalidArgumentError("Use a time such as 09:00.");
}

/** `08:00-18:00`. */
export function clockSpan(text: string): { from: string; until: string } {
  const [from, until, ...rest] = text.split("-");
  if (until === undefined || rest.length > 0) {
    throw new InvalidArgumentError("Use times such as 08:00-18:00.");
  }
  return { from: clockTime(from.trim()), until: clockTime(until.trim()) };
}

/** `2026-11-30`. */
export function day(text: string): string {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  if (!Number.isNaN(at) && new Date(at).toISOString().startsWith(text)) return text;
  throw new InvalidArgumentError("Use a day such as 2026-11-30.");
}

/** `day`, `week`, or `2 weeks`, `3 days`. */
export function turn(text: string): { unit: "day" | "week"; every: number } {
  const found = /^(?:(\d{1,2})[ -]?)?(day|week)s?$/.exec(text.trim().toLowerCase());
  const every = Number(found?.[1] ?? 1);
  if (found === null || every < 1 || every > 52) {
    throw new InvalidArgumentError('Use day, week or "2 weeks".');
  }
  return { unit: found[2] === "day" ? "day" : "week", every };
}

/** An ISO time with its offset, such as 2026-12-24T18:00:00+01:00. */
export function moment(text: string): string {
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})$/.test(text)
    ? Date.parse(text)
    : NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new InvalidArgumentError("Use a time with its offset, such as 2026-12-24T18:00:00+01:00.");
}

/** A comma-separated list of parts of addresses. */
export function addressParts(text: string): string[] {
  const parts = text.toLowerCase().split(",").map((part) => part.trim());
  if (parts.every((part) => /^[a-z0-9-]{1,32}$/.test(part))) return parts;
  throw new InvalidArgumentError("Use letters, digits and -, separated by commas, such as alert,incident.");
}

/** A UUID. */
export function identifier(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("Use an id, as gatelink oncall list shows it.");
}
