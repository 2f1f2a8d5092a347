/**
 * Links as people write them: the check of a body, and of every address in it.
 *
 * @module
 */
import { z } from "zod";
import { COUNTRY_CODES } from "../../contract/words/countries.ts";
import { EMPTY, notEmpty, WINDOW } from "../../contract/window_schema.ts";
import { PLATFORMS } from "../visitor/agents.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "./passwords.ts";
import { PACKAGE, type Rules } from "./rules.ts";
import { checkApp, checkPackage, checkWeb, type UrlCheck } from "./urls.ts";

/** Limits of one link: more than any real one needs. */
export const LIMITS = { targets: 50, list: 200, tags: 50, text: 1000 } as const;

const NOT_STORABLE = "is not valid Unicode, or has a NUL";

/** Postgres keeps no NUL and no lone half of a surrogate pair; the latter cannot stand in an address either. */
function isStorable(text: string): boolean {
  try {
    encodeURIComponent(text);
    return !text.includes("\0");
  } catch {
    return false;
  }
}

const line = (max: number) =>
  z.string().trim().min(1, "must not be empty").max(max, `at most ${max} characters`).regex(
    /^\P{Cc}*$/u,
    "has control characters",
  ).refine(isStorable, NOT_STORABLE);
/** One, or a list of them. */
const some = <T extends z.ZodType>(item: T) =>
  z.union([item.transform((one) => [one]), z.array(item).min(1, "must not be empty").max(LIMITS.list)]);
const url = line(2000);
const instant = z.iso.datetime({ offset: true, error: 'is not a time like "2026-11-21T09:00:00Z"' })
  .transform((text) => new Date(text).toISOString())
  .refine((text) => /^(?!0000)\d{4}-/.test(text), "is not in the years 1 to 9999");
const words = z.string().max(LIMITS.text, `at most ${LIMITS.text} characters`)
  .refine(isStorable, NOT_STORABLE);

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
  query: z.record(
    line(100),
    z.union([z.literal(true), some(z.string().max(200).refine(isStorable, NOT_STORABLE))]),
  ).optional(),
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
  text: words.refine(
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

/** Of 100 visitors so many as a rule takes of all of them: one with another condition besides its weight leaves some out. */
function shareOfAll({ when: { weight, ...others } = {} }: z.output<typeof target>): number {
  const isForAll = Object.values(others).every((condition) => condition === undefined);
  return weight !== undefined && isForAll ? weight : 0;
}

const shape = {
  default_url: url.optional(),
  targets: z.array(target).max(LIMITS.targets).refine(
    (targets) => targets.reduce((sum, target) => sum + shareOfAll(target), 0) < 100.001,
    "divide more than 100 of 100 visitors by weight",
  ).optional(),
  whatsapp: chat.optional(),
  starts_at: instant.optional(),
  expires_at: instant.optional(),
  expired_url: url.optional(),
  max_uses: z.int().min(1).max(1_000_000_000).optional(),
  utm: z.strictObject({
    source: line(200).optional(),
    medium: line(200).optional(),
    campaign: line(200).optional(),
    term: line(200).optional(),
    content: line(200).optional(),
  }).optional(),
  pass_query: z.boolean().optional(),
  tags: z.array(line(60)).max(LIMITS.tags).transform((tags) => [...new Set(tags)]).optional(),
  flag_key: line(200).optional(),
  preview: z.strictObject({
    title: line(200).optional(),
    description: line(500).optional(),
    image: url.optional(),
  })
    .optional(),
  fingerprint: z.boolean().optional(),
  external_id: line(200).optional(),
  password: z.string().min(MIN_PASSWORD, `at least ${MIN_PASSWORD} characters`).max(
    MAX_PASSWORD,
    `at most ${MAX_PASSWORD} characters`,
  )
    .optional(),
};

interface Whole {
  default_url?: string;
  whatsapp?: unknown;
  starts_at?: string;
  expires_at?: string;
}

const leadsSomewhere = (link: Whole) => link.default_url !== undefined || link.whatsapp !== undefined;
const opensBeforeItCloses = ({ starts_at, expires_at }: Whole) =>
  starts_at === undefined || expires_at === undefined || starts_at < expires_at;

/** A link to be made. */
export const newLink = z.strictObject({
  ...shape,
  code: z.string().toLowerCase().regex(/^[a-z0-9][a-z0-9_-]{2,63}$/, "3 to 64 of a-z, 0-9, - and _")
    .optional(),
}).refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" });

/** A link after a change: the whole of it. */
export const changedLink = z.strictObject({
  ...shape,
  state: z.enum(["active", "disabled", "blocked"]).optional(),
})
  .refine(leadsSomewhere, 'needs "default_url" or "whatsapp"')
  .refine(opensBeforeItCloses, { path: ["expires_at"], message: "is not after starts_at" });

/** A link as a body holds it, checked, every default of a condition written out. */
export type LinkBody = z.output<typeof newLink>;
/** A changed one. */
export type ChangedLink = z.output<typeof changedLink>;

/** One place that a link may not lead to. */
export interface Disallowed {
  /** Such as `targets[0].url`. */
  readonly path: string;
  readonly why: string;
}

/** Checks every address of a link against the rules and writes it as browsers do. Gives what is not allowed. */
export function checkPlaces(link: LinkBody | ChangedLink, rules: Rules): Disallowed[] {
  const faults: Disallowed[] = [];
  const keep = (path: string, check: UrlCheck, given: string): string => {
    if (check.ok) return check.url;
    faults.push({ path, why: check.why });
    return given;
  };
  const number = (path: string, id: string) => {
    if (!rules.numbers.has(id)) faults.push({ path, why: "is not one of the business numbers" });
  };
  if (link.default_url !== undefined) {
    link.default_url = keep("default_url", checkWeb(link.default_url, rules), link.default_url);
  }
  if (link.expired_url !== undefined) {
    link.expired_url = keep("expired_url", checkWeb(link.expired_url, rules), link.expired_url);
  }
  if (link.whatsapp !== undefined) number("whatsapp.phone_number_id", link.whatsapp.phone_number_id);
  link.targets?.forEach((target, index) => {
    const path = `targets[${index}]`;
    if (target.url !== undefined) target.url = keep(`${path}.url`, checkWeb(target.url, rules), target.url);
    if (target.store !== undefined) {
      target.store = keep(`${path}.store`, checkWeb(target.store, rules), target.store);
    }
    if (target.whatsapp !== undefined) {
      number(`${path}.whatsapp.phone_number_id`, target.whatsapp.phone_number_id);
    }
    if (target.app !== undefined) {
      const { app } = target;
      app.url = keep(`${path}.app.url`, checkApp(app.url, rules), app.url);
      if (app.fallback !== undefined) {
        app.fallback = keep(`${path}.app.fallback`, checkWeb(app.fallback, rules), app.fallback);
      }
      if (app.package !== undefined && !checkPackage(app.package, rules)) {
        faults.push({
          path: `${path}.app.package`,
          why: "is not one of the apps in the setting deeplinks.apps",
        });
      }
    }
  });
  const { image } = link.preview ?? {};
  if (image !== undefined) link.preview!.image = keep("preview.image", checkWeb(image, rules), image);
  return faults;
}
