/**
 * Links as they cross a border: what callers send, and what `deeplinks` answers.
 *
 * Whether an address is allowed is not a matter of shape; `links/model/places.ts` decides that.
 *
 * @module
 */
import { z } from "zod";
import { fieldSchemas } from "./link_field_schemas.ts";
import { FIELDS, LINK_STATES } from "./link_fields.ts";
import { instant, line, some, storable, url } from "./link_values.ts";
import { LIMITS, MAX_BULK, MAX_PASSWORD, MIN_PASSWORD, PACKAGE, PLATFORMS } from "./link_limits.ts";
import { CHOSEN_CODE, LINK_CODE } from "./names.ts";
import { EMPTY, notEmpty, WINDOW } from "./window_schema.ts";
import { COUNTRY_CODES } from "./words/countries.ts";

const when = z.strictObject({
  platform: some(z.enum(PLATFORMS)).optional(),
  country: some(
    z.string().toUpperCase().refine((code) => COUNTRY_CODES.includes(code), {
      error: ({ input }) => `is not a country as ISO 3166 codes them, like "${input === "UK" ? "GB" : "DE"}"`,
    }),
  ).optional(),
  language: some(
    z.string().regex(/^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/, 'is not a language like "pt-BR"').toLowerCase(),
  ).optional(),
  referrer: some(
    z.string().toLowerCase().regex(/^([a-z0-9-]+\.)*[a-z0-9-]+$/, 'is not a host like "news.example.com"')
      .max(253),
  ).optional(),
  query: z.record(line(100), z.union([z.literal(true), some(storable(200))])).optional(),
  date: z.strictObject({ from: instant.optional(), until: instant.optional() })
    .refine(
      ({ from, until }) => from === undefined || until === undefined || from < until,
      "ends before it begins",
    )
    .optional(),
  time: z.strictObject(WINDOW).refine(notEmpty, EMPTY).optional(),
  visitor: z.enum(["new", "returning"]).optional(),
  weight: z.number().min(0).max(100).refine(
    (n) => Math.abs(n * 100 - Math.round(n * 100)) < 1e-6,
    "goes in steps of 0.01",
  )
    .optional(),
});

const chat = z.strictObject({
  phone_number_id: line(64),
  text: storable(LIMITS.text, `at most ${LIMITS.text} characters`).refine(
    (text) => !/\[ref:/i.test(text),
    "must not hold a token; write {ref} where it is to stand",
  ).default(""),
});

const app = z.strictObject({
  url,
  package: z.string().regex(PACKAGE, 'is not a package like "com.example.app"').optional(),
  fallback: url.optional(),
});

const PLACES = ["url", "store", "app", "whatsapp"] as const;

const target = z.strictObject({
  when: when.optional(),
  url: url.optional(),
  store: url.optional(),
  app: app.optional(),
  whatsapp: chat.optional(),
}).refine(
  (target) => PLACES.filter((place) => target[place] !== undefined).length === 1,
  `needs exactly one of ${PLACES.join(", ")}`,
);

/** The percentage of all visitors that a rule takes; 0 where another condition besides its weight leaves some out. */
function shareOfAll({ when: { weight, ...others } = {} }: z.output<typeof target>): number {
  const isForAll = Object.values(others).every((condition) => condition === undefined);
  return weight !== undefined && isForAll ? weight : 0;
}

/** The members of every link. Those with a shape of their own stand here, the others in `LINK_FIELDS` alone. */
const members = {
  ...fieldSchemas,
  targets: z.array(target).max(LIMITS.targets).refine(
    (targets) => targets.reduce((sum, target) => sum + shareOfAll(target), 0) < 100.001,
    "divide more than 100 of 100 visitors by weight",
  ).optional(),
  whatsapp: chat.optional(),
};

/** In the order of `LINK_FIELDS`: so faults are told in the order of a form. */
const shape = Object.fromEntries(FIELDS.map(({ name }) => [name, members[name]])) as typeof members;

const password = z.string().min(MIN_PASSWORD, `at least ${MIN_PASSWORD} characters`)
  .max(MAX_PASSWORD, `at most ${MAX_PASSWORD} characters`);

interface Whole {
  default_url?: string;
  whatsapp?: unknown;
  starts_at?: string;
  expires_at?: string;
}

const leadsSomewhere = (link: Whole) => link.default_url !== undefined || link.whatsapp !== undefined;
const opensBeforeItCloses = ({ starts_at, expires_at }: Whole) =>
  starts_at === undefined || expires_at === undefined || starts_at < expires_at;

/** A link to be made: the body of `POST deeplinks`. */
export const newLink = z.strictObject({
  ...shape,
  password: password.optional(),
  code: z.string().toLowerCase().regex(CHOSEN_CODE, "3 to 64 of a-z, 0-9, - and _").optional(),
}).refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" });

/** A link after a change: the whole of it. */
export const changedLink = z.strictObject({
  ...shape,
  password: password.optional(),
  state: z.enum(LINK_STATES).exclude(["deleted"]).optional(),
}).refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" });

const made = { code: z.string().regex(LINK_CODE), url: z.url(), qr_url: z.url() };
const time = z.iso.datetime({ offset: true });
const count = z.int().min(0);

/** A link that was just made. */
export const madeLink = z.strictObject(made);

/** A link as its owners see it; a member that is not set is absent. */
export const link = z.strictObject({
  ...shape,
  ...made,
  // The database answers times in a form of its own.
  starts_at: time.optional(),
  expires_at: time.optional(),
  uses: count,
  state: z.enum(LINK_STATES),
  password: z.boolean(),
  version: z.int().min(1),
  created_at: time,
  created_by: z.string(),
  updated_at: time,
  updated_by: z.string(),
});

/** One page of a list. */
export const linkList = z.strictObject({ links: z.array(link), cursor: z.string().optional() });

/** What became of one link of many. */
export const bulkResult = z.union([
  z.strictObject({ ...made, status: z.literal([200, 201]) }),
  z.strictObject({
    status: z.literal([409, 422, 503]),
    error: z.string(),
    detail: z.string().optional(),
    fields: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
  }),
]);

/** The answer of `POST deeplinks/bulk`. */
export const bulkResults = z.strictObject({ results: z.array(bulkResult).max(MAX_BULK) });

const clicks = { human: count, bot: count, preview: count, prefetch: count };
const day = z.iso.date();
const byValue = z.record(z.string(), count);

/** Figures of a link, from day to day (UTC). */
export const linkStats = z.strictObject({
  code: z.string(),
  uses: count,
  max_uses: z.int().nullable(),
  from: day,
  to: day,
  clicks: z.strictObject(clicks),
  /** People; one who comes on two days counts twice. */
  visitors: count,
  days: z.array(z.strictObject({ day, visitors: count, ...clicks })),
  /** Messages that the link brought. */
  attributions: z.strictObject({ total: count, first_touch: count, by_confidence: byValue }),
  /** Conversations that those messages belong to. */
  conversations: count,
  platforms: byValue,
  countries: byValue,
  referrers: byValue,
  targets: byValue,
});

/** Conditions as they are stored: all that are given must hold, of a list any. */
export type When = z.output<typeof when>;
/** A chat with a business number. */
export type Chat = z.input<typeof chat>;
/** One of a link's rules: when it holds, and one place. */
export type Target = Omit<z.output<typeof target>, "whatsapp"> & { whatsapp?: Chat };
/** A link to be made, checked, every default of a condition written out. */
export type LinkBody = z.output<typeof newLink>;
/** A changed one. */
export type ChangedLink = z.output<typeof changedLink>;
/** What people write of a link, in a form or a file. */
export type NewLink = Omit<LinkBody, "targets" | "whatsapp"> & { targets?: Target[]; whatsapp?: Chat };
/** A link as its owners see it. */
export type Link = Omit<z.output<typeof link>, "targets" | "whatsapp"> & {
  targets?: Target[];
  whatsapp?: Chat;
};
/** See {@linkcode madeLink}. */
export type MadeLink = z.output<typeof madeLink>;
/** See {@linkcode linkList}. */
export type LinkList = Omit<z.output<typeof linkList>, "links"> & { links: Link[] };
/** See {@linkcode bulkResult}. */
export type BulkResult = z.output<typeof bulkResult>;
/** See {@linkcode linkStats}. */
export type LinkStats = z.output<typeof linkStats>;
