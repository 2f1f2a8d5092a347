/**
 * The HTTP shapes of links: what callers send, and what `deeplinks` answers.
 *
 * `links/model/places.ts` decides whether an address is allowed; the schemas do not.
 *
 * @module
 */
import { z } from "zod";
import { fieldSchemas } from "./link_field_schemas.ts";
import { FIELDS, LINK_STATES } from "./link_fields.ts";
import { instant, line, some, storable, url } from "./link_values.ts";
import {
  IN_APP_BROWSERS,
  LIMITS,
  MAX_BULK,
  MAX_PASSWORD,
  MIN_PASSWORD,
  PACKAGE,
  PLATFORMS,
} from "./link_limits.ts";
import { CHOSEN_CODE, LINK_CODE } from "./names.ts";
import { EMPTY, notEmpty, WINDOW } from "./window_schema.ts";
import { COUNTRY_CODES } from "./words/countries.ts";

const platform = z.enum(PLATFORMS);

// `meta` adds as JSON Schema what zod cannot express there, such as case-insensitive patterns.
const country = z.string().toUpperCase().refine((code) => COUNTRY_CODES.includes(code), {
  error: ({ input }) => `is not a country as ISO 3166 codes them, like "${input === "UK" ? "GB" : "DE"}"`,
}).meta({ pattern: "^[A-Za-z]{2}$" });
const language = z.string()
  .regex(/^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/, 'is not a language like "pt-BR"').toLowerCase();
const host = z.string().toLowerCase()
  .regex(/^([a-z0-9_-]+\.)*[a-z0-9_-]+$/, 'is not a host like "news.example.com"').max(253)
  .meta({ pattern: "^([A-Za-z0-9_-]+\\.)*[A-Za-z0-9_-]+$" });

/** The app of an in-app browser; `other` is the web view of an app without a name here. */
const inAppBrowser = z.enum(IN_APP_BROWSERS);

const when = z.strictObject({
  platform: some(platform).optional(),
  country: some(country).optional().describe("ISO 3166 (and XK for Kosovo), as reported by the proxy"),
  language: some(language).optional().describe("The most preferred language; `pt` includes `pt-BR`"),
  referrer: some(host).optional().describe(
    "Host of the referring page, or a parent domain; or the id of the app, such as `com.google.android.gm`",
  ),
  query: z.record(line(100), z.union([z.literal(true), some(storable(200))])).optional()
    .describe("Parameters and their values; true accepts any value"),
  date: z.strictObject({ from: instant.optional(), until: instant.optional() })
    .refine(
      ({ from, until }) => from === undefined || until === undefined || from < until,
      "ends before it begins",
    )
    .optional(),
  time: z.strictObject(WINDOW).refine(notEmpty, EMPTY).optional()
    .describe("A daily time window in a time zone; past midnight if `to` is before `from`"),
  in_app: z.union([z.boolean(), some(inAppBrowser)]).optional()
    .describe("In-app browsers: true for any, false for none, or the named ones"),
  visitor: z.enum(["new", "returning"]).optional(),
  weight: z.number().min(0).max(100).refine(
    (n) => Math.abs(n * 100 - Math.round(n * 100)) < 1e-6,
    "goes in steps of 0.01",
  )
    .optional()
    .describe("Percent of visitors, in steps of 0.01; a visitor always gets the same target"),
}).describe("All conditions must hold. In a list, one value is enough.");

const chat = z.strictObject({
  phone_number_id: line(64),
  text: storable(LIMITS.text, `at most ${LIMITS.text} characters`).refine(
    (text) => !/\[ref:/i.test(text),
    "must not hold a token; write {ref} where it is to stand",
  ).default("").meta({
    not: { pattern: "\\[[Rr][Ee][Ff]:" },
    description: "The prepared message; `{ref}` is replaced by the token that comes back with the message",
  }),
}).describe("A WhatsApp chat with one of your business numbers");

const app = z.strictObject({
  url: url.describe("A universal link, or a custom scheme from the setting `deeplinks.app_schemes`"),
  package: z.string().regex(PACKAGE, 'is not a package like "com.example.app"').optional()
    .describe("Android package, one from the setting `deeplinks.apps`"),
  fallback: url.optional().describe("Target without the app"),
});

const PLACES = ["url", "store", "app", "whatsapp"] as const;

const target = z.strictObject({
  when: when.optional(),
  url: url.optional(),
  store: url.optional().describe("An app's page in a store"),
  app: app.optional(),
  whatsapp: chat.optional(),
}).refine(
  (target) => PLACES.filter((place) => target[place] !== undefined).length === 1,
  `needs exactly one of ${PLACES.join(", ")}`,
).meta({
  oneOf: PLACES.map((place) => ({ required: [place] })),
  description: "One rule with exactly one target",
});

/** The percentage of all visitors that a rule takes; 0 if it has any condition besides its weight. */
function shareOfAll({ when: { weight, ...others } = {} }: z.output<typeof target>): number {
  const isForAll = Object.values(others).every((condition) => condition === undefined);
  return weight !== undefined && isForAll ? weight : 0;
}

/** The members of every link: those with hand-written schemas, and all others from `LINK_FIELDS`. */
const members = {
  ...fieldSchemas,
  targets: z.array(target).max(LIMITS.targets).refine(
    (targets) => targets.reduce((sum, target) => sum + shareOfAll(target), 0) < 100.001,
    "divide more than 100 of 100 visitors by weight",
  ).optional().describe("In order; the first match decides"),
  whatsapp: chat.optional().describe("If no target matches, before `default_url`"),
};

/** In the order of `LINK_FIELDS`, so that errors are listed in the order of the form. */
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

/** A new link: the body of `POST deeplinks`. */
export const newLink = z.strictObject({
  ...shape,
  password: password.optional(),
  code: z.string().toLowerCase().regex(CHOSEN_CODE, "3 to 64 of a-z, 0-9, - and _").optional().meta({
    pattern: CHOSEN_CODE.source.replaceAll("a-z", "A-Za-z"),
    description: "A custom code; by default 8 generated characters",
  }),
}).refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" })
  .meta({ anyOf: [{ required: ["default_url"] }, { required: ["whatsapp"] }] });

/** New links: the body of `POST deeplinks/bulk`. Each link is checked separately. */
export const newLinks = z.looseObject({
  links: z.array(newLink).max(MAX_BULK),
  check: z.boolean().optional().describe("Tells what would become of each link, and creates none"),
});

/** The same change of many links: the body of `PATCH deeplinks/bulk`. */
export const linksChange = z.strictObject({
  codes: z.array(
    z.string().toLowerCase().regex(LINK_CODE).meta({ pattern: LINK_CODE.source.replaceAll("a-z", "A-Za-z") }),
  ).min(1).max(MAX_BULK),
  state: z.enum(LINK_STATES).optional().describe(
    "`deleted` deletes them; another state restores deleted ones",
  ),
  add_tags: shape.tags.unwrap().optional().describe("Tags that each of them has afterwards"),
  remove_tags: shape.tags.unwrap().optional().describe("Tags that none of them has afterwards"),
});

/** The answer of `PATCH deeplinks/bulk`: one result per code, in the given order. */
export const linksChanged = z.strictObject({
  results: z.array(z.union([
    z.strictObject({ status: z.literal(200), code: z.string().regex(LINK_CODE) }),
    z.strictObject({
      status: z.literal([404, 409, 422]),
      error: z.enum(["link_not_found", "conflict", "invalid_request", "url_not_allowed"]),
      detail: z.string().optional(),
    }),
  ])).max(MAX_BULK),
});
/** See {@linkcode linksChanged}. */
export type LinksChanged = z.output<typeof linksChanged>;

/** The complete link after a change. */
export const changedLink = z.strictObject({
  ...shape,
  password: password.optional(),
  state: z.enum(LINK_STATES).exclude(["deleted"]).optional(),
}).refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" });

const made = {
  code: z.string().regex(LINK_CODE),
  url: z.url().describe("Its address"),
  qr_url: z.url(),
};
const time = z.iso.datetime({ offset: true });
const count = z.int().min(0);

/** A link that was just created. */
export const madeLink = z.strictObject(made);

/** A link as its owners see it. Members that are not set and have no default are absent. */
export const link = z.strictObject({
  ...shape,
  ...made,
  targets: shape.targets.unwrap(),
  utm: shape.utm.unwrap(),
  tags: shape.tags.unwrap(),
  pass_query: shape.pass_query.unwrap(),
  fingerprint: shape.fingerprint.unwrap(),
  confirm: shape.confirm.unwrap(),
  // The database writes times in another format.
  starts_at: time.optional(),
  expires_at: time.optional(),
  uses: count.describe("Uses so far; counted only with `max_uses`"),
  state: z.enum(LINK_STATES),
  password: z.boolean().describe("Whether it has one"),
  version: z.int().min(1),
  created_at: time,
  created_by: z.string().describe("`key:` and a key's name, or a user's id"),
  updated_at: time,
  updated_by: z.string(),
}).describe("A link as its owners see it");

/** One page of a list. */
export const linkList = z.strictObject({
  links: z.array(link),
  cursor: z.string().optional().describe("Absent on the last page"),
});

/** The errors in a link. */
export const linkFaults = z.array(z.strictObject({
  path: z.string().meta({ examples: ["targets[0].url"] }),
  message: z.string(),
})).describe("The errors by member");
/** See {@linkcode linkFaults}. */
export type LinkFaults = z.infer<typeof linkFaults>;

/** The result for one link of a bulk request. */
export const bulkResult = z.union([
  z.strictObject({ ...made, status: z.literal([200, 201]) }),
  z.strictObject({
    status: z.literal([200, 201]).describe("201: it would be created; 200: it exists"),
    checked: z.literal(true),
  }).describe("With `check`"),
  z.strictObject({
    status: z.literal([409, 422, 503]),
    error: z.enum([
      "invalid_request",
      "url_not_allowed",
      "code_reserved",
      "code_taken",
      "external_id_taken",
      "no_code_found",
    ]),
    detail: z.string().optional(),
    fields: linkFaults.optional(),
  }),
]);

/** The answer of `POST deeplinks/bulk`. */
export const bulkResults = z.strictObject({ results: z.array(bulkResult).max(MAX_BULK) });

const clicks = {
  human: count,
  bot: count,
  preview: count.describe("Previews by messengers, and HEAD"),
  prefetch: count,
  own: count.describe("By people in the team's networks"),
};
const clickCounts = z.strictObject(clicks);
const day = z.iso.date();
const byValue = z.record(z.string(), count)
  .describe("Clicks of people by value; the empty string means unknown");

/** See {@linkcode bulkResults}. */
export type BulkResults = z.output<typeof bulkResults>;

/** Daily figures of a link, by the days of `zone`. */
export const linkStats = z.strictObject({
  code: z.string(),
  uses: count,
  max_uses: z.int().nullable(),
  zone: z.string().describe("The time zone of the days: the setting `team.zone`"),
  from: day,
  to: day,
  clicks: clickCounts,
  visitors: count.describe("People, each counted once a day"),
  days: z.array(z.strictObject({ day, visitors: count, ...clicks })),
  attributions: z.strictObject({
    total: count,
    first_touch: count,
    by_confidence: z.record(z.string(), count),
  })
    .describe("Messages attributed to it"),
  conversations: count.describe("Conversations with those messages"),
  platforms: byValue,
  countries: byValue,
  referrers: byValue,
  targets: byValue,
  rules: z.record(z.string(), count).describe(
    "By the number of the target that took the visit, from 0; `default`, `fallback` and `preview` for none",
  ),
  sources: z.record(z.string(), count).describe("By `qr` (the QR code) and `link`"),
});

/** Schemas of links that docs/openapi.yaml names. */
export const PARTS = {
  App: app,
  ByValue: byValue,
  Chat: chat,
  ClickCounts: clickCounts,
  HostName: host,
  InAppBrowser: inAppBrowser,
  Instant: instant,
  LanguageTag: language,
  LinkTarget: target,
  LinkUrl: url,
  Platform: platform,
  Utm: fieldSchemas.utm.unwrap(),
  When: when,
} as const;

/** Conditions as stored: all given ones must hold; of a list, one value is enough. */
export type When = z.output<typeof when>;
/** A chat with a business number. */
export type Chat = z.input<typeof chat>;
/** One of a link's rules: its conditions and one target. */
export type Target = Omit<z.output<typeof target>, "whatsapp"> & { whatsapp?: Chat };
/** A checked new link, with all defaults of its conditions. */
export type LinkBody = z.output<typeof newLink>;
/** A checked link after a change. */
export type ChangedLink = z.output<typeof changedLink>;
/** A link as people write it in a form or a file. */
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
