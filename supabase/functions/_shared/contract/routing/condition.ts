/**
 * Route conditions. Each is declared once, as the schema of its written form, from which its TypeScript type, the list of
 * types and the error for unknown types are derived.
 *
 * @module
 */
import { z } from "zod";
import { EMPTY, notEmpty, WINDOW } from "../window_schema.ts";
import { normalise } from "./normalise.ts";

/** Limits of one condition: more than any real route needs, and a known cost in the worst case. */
export const LIMITS = {
  /** A condition that contains no others has depth 1. */
  depth: 8,
  nodes: 100,
  /** Entries of a list. */
  list: 1000,
  /** Characters of a text, an id or a regular expression. */
  text: 500,
  /** Regular expressions in one condition. */
  patterns: 20,
} as const;

/** One error: its path (`of[1].values[0]`, empty for the whole condition) and its text. */
export interface ConditionIssue {
  readonly path: string;
  readonly message: string;
}

/** An invalid condition. `message` names each path and error, ready to show. */
export class ConditionError extends Error {
  override name = "ConditionError";
  readonly issues: readonly ConditionIssue[];
  constructor(issues: readonly ConditionIssue[], options?: ErrorOptions) {
    super(issues.map((i) => `${i.path || "condition"}: ${i.message}`).join("; "), options);
    this.issues = issues;
  }
}

const word = z.string().max(LIMITS.text, `at most ${LIMITS.text} characters`)
  // Also refuses a text of invisible marks only, because as a prefix it would match every message.
  .refine((text) => normalise(text) !== "", "must not be empty");
const listOf = <T extends z.ZodType>(item: T) =>
  z.array(item).min(1, "must not be empty").max(LIMITS.list, `at most ${LIMITS.list} entries`);
const phone = z.string()
  .regex(/^\+?[0-9][0-9 ().-]*$/, "is not a phone number with its country code")
  .transform((text) => text.replace(/\D/g, ""))
  .refine(
    (digits) => digits.length >= 5 && digits.length <= 15,
    "is not a phone number with its country code",
  );

/** An address of ours. Domains with other letters stand in their ASCII form (RFC 5891), as mail has them. */
const ownAddress = z.string().regex(/^[!-?A-~]{1,64}@[!-?A-~]{1,255}$/, "is not an address").toLowerCase();
const addressPart = z.string().regex(/^[A-Za-z0-9-]{1,32}$/, "is not a part of an address").toLowerCase();

/** The kinds of mails that routes are asked about; all others are kept without a route. */
export const ROUTED_MAIL_KINDS = ["reply", "calendar", "new_mail"] as const;
/** One of {@link ROUTED_MAIL_KINDS}. */
export type RoutedMailKind = typeof ROUTED_MAIL_KINDS[number];

const typed = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

/** How a text condition compares. `keywords` are whole words in any script; `regex` is RE2 and matches anywhere. */
export const TEXT_MATCHES = ["exact", "prefix", "keywords", "regex"] as const;
/** One of {@link TEXT_MATCHES}. */
export type TextMatch = typeof TEXT_MATCHES[number];

/** Conditions that contain no others, by type. */
const LEAVES = {
  /** Always matches. A route with only this condition is tried after every other route. */
  default: typed("default", {}),
  /** The message's type as its channel names it. `MESSAGE_TYPES` lists the known ones; there may be others. */
  message_type: typed("message_type", { in: listOf(word) }),
  /** One of `values`. */
  text: typed("text", {
    match: z.enum(TEXT_MATCHES),
    value: word.optional(),
    values: listOf(word).optional(),
    case_sensitive: z.boolean().default(false),
  }).refine((c) => (c.value === undefined) !== (c.values === undefined), 'needs either "value" or "values"')
    .transform(({ type, match, value, values, case_sensitive }) => ({
      type,
      match,
      values: values ?? [value!],
      case_sensitive,
    })),
  /** Id of the chosen button or list row, or a quick reply's payload. */
  choice: typed("choice", { ids: listOf(word) }),
  /** Came from an ad or post; the given members must match. `ctwa`: whether the ad's click id is present. */
  referral: typed("referral", {
    source_id: word.optional(),
    source_type: word.optional(),
    ctwa: z.boolean().optional(),
  }),
  /** Whether the text contains the token of a link's visit. */
  link_token: typed("link_token", { present: z.boolean() }),
  /** Came from a deep link that matches one value of each given list. */
  link: typed("link", {
    codes: listOf(word.toLowerCase()).optional(),
    tags: listOf(word).optional(),
    campaigns: listOf(word).optional(),
  }).refine(
    (c) => c.codes !== undefined || c.tags !== undefined || c.campaigns !== undefined,
    'needs "codes", "tags" or "campaigns"',
  ),
  /** Business numbers by `phone_number_id`. */
  number: typed("number", { ids: listOf(word) }),
  /** A contact list: contact ids, or phones as digits with the country code; either is enough. */
  contacts: typed("contacts", {
    ids: listOf(z.guid("is not a contact's id").toLowerCase()).optional(),
    phones: listOf(phone).optional(),
  }).refine((c) => c.ids !== undefined || c.phones !== undefined, 'needs "ids" or "phones"'),
  /** Written in a group; with `ids`, in one of these. */
  group: typed("group", { ids: listOf(word).optional() }),
  /**
   * The answers of a Flow; the given members must match. `tokens`: with which it was sent; `field` and `values`: what was
   * answered in a field, of several answers one.
   */
  flow: typed("flow", {
    tokens: listOf(word).optional(),
    field: word.optional(),
    values: listOf(word).optional(),
  }).refine(
    (c) => (c.field === undefined) === (c.values === undefined),
    'needs "field" and "values" together',
  ),
  /** A mail; the given members must match. `identities`: our addresses; `subjects`: whole words of the subject. */
  email: typed("email", {
    kinds: listOf(z.enum(ROUTED_MAIL_KINDS)).optional(),
    verified: z.boolean().optional(),
    identities: listOf(ownAddress).optional(),
    subjects: listOf(word).optional(),
  }),
  /** A mail to `domain.scope.type@…`; one value of each given list must match. */
  address: typed("address", {
    domains: listOf(addressPart).optional(),
    scopes: listOf(addressPart).optional(),
    types: listOf(addressPart).optional(),
  }).refine(
    (c) => c.domains !== undefined || c.scopes !== undefined || c.types !== undefined,
    'needs "domains", "scopes" or "types"',
  ),
  /** See `Window`. */
  time: typed("time", WINDOW).refine(notEmpty, EMPTY),
  /** The message's channel. It further restricts the route's own `channels`. */
  channel: typed("channel", { in: listOf(word.toLowerCase()) }),
};

/** A condition that contains no others, in its stored form. */
type Leaf = z.output<typeof LEAVES[keyof typeof LEAVES]>;

/** A condition in its stored form, with all defaults. `parseCondition` makes it from the written form. */
export type Condition =
  | Leaf
  /** Always matches; with `of`, matches if at least one of them does. */
  | { type: "any"; of?: Condition[] }
  | { type: "all"; of: Condition[] }
  | { type: "not"; of: Condition };

/** The name of a kind of condition. */
export type ConditionType = Condition["type"];

const one: z.ZodType<Condition> = z.lazy(() => schema);
const BRANCHES = {
  any: typed("any", { of: listOf(one).optional() }),
  all: typed("all", { of: listOf(one) }),
  not: typed("not", { of: one }),
};

/** All condition types. */
export const CONDITION_TYPES = Object.keys({ ...BRANCHES, ...LEAVES }) as ConditionType[];

const schema: z.ZodType<Condition> = z.discriminatedUnion("type", [
  BRANCHES.any,
  BRANCHES.all,
  BRANCHES.not,
  ...Object.values(LEAVES),
], {
  error: (issue) =>
    issue.code === "invalid_union" ? `must be one of ${CONDITION_TYPES.join(", ")}` : undefined,
});

/**
 * Checks a condition in its written form (parsed JSON) and returns its stored form.
 *
 * Only `compile`, which loads the engine, checks regular expressions. Code that stores a condition must call both:
 * `await compile(parseCondition(json))`.
 *
 * @throws {ConditionError} naming each path. An unknown key is an error too, so that a typo cannot silently widen a
 * route.
 */
export function parseCondition(json: unknown): Condition {
  checkLimits(json);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ConditionError(
    parsed.error.issues.slice(0, 5).map((issue) => ({ path: pathOf(issue.path), message: issue.message })),
  );
}

/** Whether only a mail can meet a condition. A route with it that does not name the channel `email` takes nothing. */
export function isForMailAlone(condition: Condition): boolean {
  switch (condition.type) {
    case "email":
    case "address":
      return true;
    case "channel":
      return condition.in.every((channel) => channel === "email");
    case "all":
      return condition.of.some(isForMailAlone);
    case "any":
      return condition.of !== undefined && condition.of.every(isForMailAlone);
    default:
      return false;
  }
}

/** A path as people write it: `of[1].values[0]`. */
export function pathOf(keys: readonly PropertyKey[]): string {
  return keys.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(
    /^\./,
    "",
  );
}

/** Checks the limits before the schema does, without recursion, so that a deeply nested body cannot overflow the stack. */
function checkLimits(json: unknown): void {
  const open: { node: unknown; path: PropertyKey[] }[] = [{ node: json, path: [] }];
  let nodes = 0, patterns = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, path } = next;
    if (typeof node !== "object" || node === null) continue; // the schema reports the error
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
