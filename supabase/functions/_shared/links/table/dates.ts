/**
 * Parses times in the notations that files use. Pure.
 *
 * ISO 8601 is parsed directly. 01.02.2027 means the second of January to some and the first of February to others: such
 * dates are only parsed if the user states the order. A time without a zone is taken as UTC, and the result says so.
 *
 * @module
 */

/** Orders of day and month in dates that are not ISO. */
export const DATE_ORDERS = ["dmy", "mdy"] as const;
/** One of {@link DATE_ORDERS}. */
export type DateOrder = typeof DATE_ORDERS[number];

/** A parsed time. */
export interface ReadTime {
  /** ISO 8601, in UTC. */
  iso: string;
  /** Whether the text named no zone. */
  assumedUtc: boolean;
}

const CLOCK =
  String.raw`(?:[T, ]{1,3}(?<hour>\d{1,2}):(?<minute>\d\d)(?::(?<second>\d\d)(?:[.,](?<part>\d{1,9}))?)?` +
  String.raw` ?(?<half>[AP]M)? ?(?<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?$`;
/** ISO 8601, extended or basic; and its order with slashes or dots, which nobody reads as year, day, month. */
const YEAR_FIRST = [
  new RegExp(String.raw`^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)${CLOCK}`, "i"),
  new RegExp(String.raw`^(?<year>\d{4})(?<mark>[./])(?<month>\d{1,2})\k<mark>(?<day>\d{1,2})${CLOCK}`, "i"),
  /^(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)T(?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)?(?<zone>Z|[+-]\d\d(?:\d\d)?)?$/i,
];
const BY_ORDER: Record<DateOrder, RegExp> = {
  dmy: new RegExp(
    String.raw`^(?<day>\d{1,2})(?<mark>[./-])(?<month>\d{1,2})\k<mark>(?<year>\d{4})${CLOCK}`,
    "i",
  ),
  mdy: new RegExp(
    String.raw`^(?<month>\d{1,2})(?<mark>[./-])(?<day>\d{1,2})\k<mark>(?<year>\d{4})${CLOCK}`,
    "i",
  ),
};

/** Parses a time; undefined if it is invalid or ambiguous. */
export function readTime(text: string, order?: DateOrder): ReadTime | undefined {
  // Spreadsheets and browsers put narrow and no-break spaces before "PM".
  const plain = text.replace(/\s+/g, " ");
  const forms = order === undefined ? YEAR_FIRST : [...YEAR_FIRST, BY_ORDER[order]];
  const parts = forms.map((form) => form.exec(plain)?.groups).find((groups) => groups !== undefined);
  if (parts === undefined) return undefined;
  const [year, month, day] = [parts.year, parts.month, parts.day].map(Number);
  const hour = hourOf(parts.hour, parts.half);
  const [minute, second] = [parts.minute, parts.second].map((part) => Number(part ?? 0));
  const offset = offsetOf(parts.zone);
  if (hour === undefined || minute > 59 || second > 59 || offset === undefined || year === 0) {
    return undefined;
  }
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  // Rejects days such as 31 February.
  if (time.getUTCMonth() !== month - 1 || time.getUTCDate() !== day) return undefined;
  time.setUTCHours(hour, minute - offset, second, Number((parts.part ?? "").padEnd(3, "0").slice(0, 3)));
  return { iso: time.toISOString(), assumedUtc: parts.zone === undefined };
}

/** The hour in 24-hour notation; undefined if it is out of range. */
function hourOf(text = "0", half?: string): number | undefined {
  const hour = Number(text);
  if (half === undefined) return hour > 23 ? undefined : hour;
  return hour < 1 || hour > 12 ? undefined : hour % 12 + (/p/i.test(half) ? 12 : 0);
}

/** Minutes before UTC; undefined if it is not a zone. */
function offsetOf(zone?: string): number | undefined {
  if (zone === undefined || /^[a-z]/i.test(zone)) return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(":", "") || 0)];
  return hours > 14 || minutes > 59 ? undefined : (zone[0] === "-" ? -1 : 1) * (hours * 60 + minutes);
}
