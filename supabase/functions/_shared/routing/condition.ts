/**
 * Route conditions: their types, and the check of what a person wrote.
 *
 * @module
 */
import { z } from "zod";
import { normalise } from "./text.ts";
import { type Day, DAYS, isZone } from "../time/window.ts";

/** Limits of one condition: more than any real route needs, and a known cost for the worst one. */
export const LIMITS = {
  /** A condition without others inside has depth 1. */
  depth: 8,
  nodes: 100,
  /** Entries of any list. */
  list: 1000,
  /** Characters of a text, an id or a regular expression. */
  text: 500,
  /** Regular expressions in one condition. */
  patterns: 20,
} as const;

/** A condition in its stored form, every default written out. `parseCondition` makes it from what a person wrote. */
export type Condition =
  /** Always; with `of`, when at least one of them holds. */
  | { type: "any"; of?: Condition[] }
  | { type: "all"; of: Condition[] }
  | { type: "not"; of: Condition }
  /** Always, and as a route's whole condition: only after every other route. */
  | { type: "default" }
  /** The channel that the message came over. It narrows what the route's own `channels` let in. */
  | { type: "channel"; in: string[] }
  | { type: "message_type"; in: string[] }
  /** One of `values`; keywords are whole words in any script, regex is RE2 found anywhere. */
  | { type: "text"; match: TextMatch; values: string[]; case_sensitive: boolean }
  /** Id of the chosen button or list row, or a quick reply's payload. */
  | { type: "choice"; ids: string[] }
  /** Came from an ad or post; what is given must agree. `ctwa`: whether the ad's click id is there. */
  | { type: "referral"; source_id?: string; source_type?: string; ctwa?: boolean }
  | { type: "link_token"; present: boolean }
  /** Came from a deep link; of each list that is given, one must be the link's. */
  | { type: "link"; codes?: string[]; tags?: string[]; campaigns?: string[] }
  /** Business numbers by `phone_number_id`. */
  | { type: "number"; ids: string[] }
  /** A contact list: contact ids, or phones as digits with the country code; either is enough. */
  | { type: "contacts"; ids?: string[]; phones?: string[] }
  /** See `Window` in `time.ts`. */
  | { type: "time"; days: Day[]; from: string; to: string; zone: string };

/** How a text condition compares. */
export type TextMatch = "exact" | "prefix" | "keywords" | "regex";

/** One thing wrong: where (`of[1].values[0]`, empty for the whole condition) and what. */
export interface ConditionIssue {
  readonly path: string;
  readonly message: string;
}

/** A condition that cannot be used. `message` names each place and what is wrong there, ready to show. */
export class ConditionError extends Error {
  override name = "ConditionError";
  readonly issues: readonly ConditionIssue[];
  constructor(issues: readonly ConditionIssue[], options?: ErrorOptions) {
    super(issues.map((i) => `${i.path || "condition"}: ${i.message}`).join("; "), options);
    this.issues = issues;
  }
}

const word = z.string().max(LIMITS.text, `at most ${LIMITS.text} characters`)
  // Also refuses a text of unseen marks alone: as a prefix it would match every message.
  .refine((text) => normalise(text) !== "", "must not be empty");
const listOf = <T extends z.ZodType>(item: T) =>
  z.array(item).min(1, "must not be empty").max(LIMITS.list, `at most ${LIMITS.list} entries`);
const children = z.lazy(() => listOf(schema));

const phone = z.string()
  .regex(/^\+?[0-9][0-9 ().-]*$/, "is not a phone number with its country code")
  .transform((text) => text.replace(/\D/g, ""))
  .refine(
    (digits) => digits.length >= 5 && digits.length <= 15,
    "is not a phone number with its country code",
  );

const clock = (pattern: RegExp, example: string) =>
  z.string().regex(pattern, `is not a time like "${example}"`);

const text = z.strictObject({
  type: z.literal("text"),
  match: z.enum(["exact", "prefix", "keywords", "regex"]),
  value: word.optional(),
  values: listOf(word).optional(),
  case_sensitive: z.boolean().default(false),
}).refine((c) => (c.value === undefined) !== (c.values === undefined), 'needs either "value" or "values"')
  .transform(({ type, match, value, values, case_sensitive }) => ({
    type,
    match,
    values: values ?? [value!],
    case_sensitive,
  }));

const contacts = z.strictObject({
  type: z.literal("contacts"),
  ids: listOf(z.guid("is not a contact's id").toLowerCase()).optional(),
  phones: listOf(phone).optional(),
}).refine((c) => c.ids !== undefined || c.phones !== undefined, 'needs "ids" or "phones"');

const link = z.strictObject({
  type: z.literal("link"),
  codes: listOf(word.toLowerCase()).optional(),
  tags: listOf(word).optional(),
  campaigns: listOf(word).optional(),
}).refine(
  (c) => c.codes !== undefined || c.tags !== undefined || c.campaigns !== undefined,
  'needs "codes", "tags" or "campaigns"',
);

const time = z.strictObject({
  type: z.literal("time"),
  days: listOf(z.enum(DAYS)).default([...DAYS]),
  from: clock(/^([01]\d|2[0-3]):[0-5]\d$/, "09:00").default("00:00"),
  to: clock(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, "17:00").default("24:00"),
  zone: z.string().refine(isZone, 'is not a time zone like "Europe/Berlin"'),
}).refine((c) => c.from !== c.to, 'is empty: "from" and "to" are the same (a whole day is 00:00 to 24:00)');

const TYPES = [
  "any",
  "all",
  "not",
  "default",
  "message_type",
  "text",
  "choice",
  "referral",
  "link_token",
  "link",
  "number",
  "contacts",
  "time",
  "channel",
];

const schema: z.ZodType<Condition> = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("any"), of: children.optional() }),
  z.strictObject({ type: z.literal("all"), of: children }),
  z.strictObject({ type: z.literal("not"), of: z.lazy(() => schema) }),
  z.strictObject({ type: z.literal("default") }),
  z.strictObject({ type: z.literal("channel"), in: listOf(word.toLowerCase()) }),
  z.strictObject({ type: z.literal("message_type"), in: listOf(word) }),
  text,
  z.strictObject({ type: z.literal("choice"), ids: listOf(word) }),
  z.strictObject({
    type: z.literal("referral"),
    source_id: word.optional(),
    source_type: word.optional(),
    ctwa: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal("link_token"), present: z.boolean() }),
  link,
  z.strictObject({ type: z.literal("number"), ids: listOf(word) }),
  contacts,
  time,
], {
  error: (issue) => issue.code === "invalid_union" ? `must be one of ${TYPES.join(", ")}` : undefined,
});

/**
 * Checks a condition as a person wrote it (parsed JSON) and gives its stored form.
 *
 * A regular expression is looked at only by `compile`, which loads the engine; who accepts a condition for storage
 * asks both: `await compile(parseCondition(json))`.
 *
 * @throws {ConditionError} naming each place; a key that is not known is an error too, so a typing mistake cannot
 * widen a route in silence.
 */
export function parseCondition(json: unknown): Condition {
  checkLimits(json);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ConditionError(
    parsed.error.issues.slice(0, 5).map((issue) => ({ path: pathOf(issue.path), message: issue.message })),
  );
}

/** A path as people write it: `of[1].values[0]`. */
export function pathOf(keys: readonly PropertyKey[]): string {
  return keys.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(
    /^\./,
    "",
  );
}

/** Counts before the schema looks, without recursion: a body nested a million deep must not end in a full stack. */
function checkLimits(json: unknown): void {
  const open: { node: unknown; path: PropertyKey[] }[] = [{ node: json, path: [] }];
  let nodes = 0, patterns = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, path } = next;
    if (typeof node !== "object" || node === null) continue; // the schema says what is wrong with it
    const fail = (message: string) => {
      throw new ConditionError([{ path: pathOf(path), message }]);
    };
    const depth = path.filter((key) => key === "of").length + 1;
    if (depth > LIMITS.depth) fail(`is nested more than ${LIMITS.depth} deep`);
    if (++nodes > LIMITS.nodes) fail(`more than ${LIMITS.nodes} conditions in one`);
    const { of, match, values } = node as Record<string, unknown>;
    if (match === "regex") patterns += Array.isArray(values) ? values.length : 1;
    if (patterns > LIMITS.patterns) fail(`more than ${LIMITS.patterns} regular expressions in one condition`);
    if (Array.isArray(of)) {
      if (of.length > LIMITS.nodes) fail(`more than ${LIMITS.nodes} conditions in one`);
      of.forEach((node, index) => open.push({ node, path: [...path, "of", index] }));
    } else if (of !== undefined) {
      open.push({ node: of, path: [...path, "of"] });
    }
  }
}
