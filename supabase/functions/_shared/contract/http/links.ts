/**
 * Links over HTTP: changes, decisions about visits, and claims. `contract/links.ts` has the rest.
 *
 * Visits and claims are parsed by hand, because a schema would slow down each of them.
 *
 * @module
 */
import { z } from "zod";
import { FIELDS, LINK_STATES, type LinkField, READ_ONLY_MEMBERS } from "../link_fields.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "../link_limits.ts";
import {
  bulkResult,
  bulkResults,
  link,
  linkList,
  linksChange,
  linksChanged,
  linkStats,
  madeLink,
  newLink,
  newLinks,
  PARTS,
} from "../links.ts";

const time = z.iso.datetime({ offset: true });

/** A visitor's platform. */
export const platform = PARTS.Platform;

/** Kinds of targets. */
export const targetKind = z.enum(["web", "store", "app", "whatsapp"]);

/** Why a visit gets its target. */
export const because = z.union([z.int().min(0), z.string().regex(/^(default|flag_off|link_[a-z_]+)$/)])
  .describe(
    "The reason: the number of a target, `default` or `flag_off`; or, for a visit of the `expired_url`, the code why the " +
      "link cannot be used",
  );

/** Where a visit goes. */
export const linkDecision = z.strictObject({
  code: z.string(),
  kind: targetKind,
  url: z.string().describe("The target"),
  otherwise: z.string().optional().describe("Fallback if the app that `url` opens is missing"),
  token: z.string().regex(/^[a-z2-7]{16}$/).optional()
    .describe("Links a message or a first open to this visit"),
  because,
});
/** See {@linkcode linkDecision}. */
export type LinkDecision = z.infer<typeof linkDecision>;

/** A link's preview. */
export const linkShown = z.strictObject({
  code: z.string(),
  kind: z.literal("preview"),
  title: z.string(),
  description: z.string().optional(),
}).describe("The preview, for clients that only display the link");
/** See {@linkcode linkShown}. */
export type LinkShown = z.infer<typeof linkShown>;

/** Why a visit gets its target, in detail. */
export const linkExplanation = z.strictObject({
  code: z.string(),
  outcome: z.enum(["go", "ask", "fallback", "show", "refuse"]),
  because: because.optional(),
  kind: targetKind.optional(),
  url: z.string().optional(),
  otherwise: z.string().optional(),
  visit: z.strictObject({
    platform,
    verdict: z.enum(["human", "bot", "preview", "prefetch"]),
    reason: z.string().optional().describe("How the verdict was reached; absent for people"),
    country: z.string().optional(),
    language: z.string().optional(),
    referrer: z.string().optional(),
    visitor: z.string().optional(),
    returning: z.boolean(),
    in_app: PARTS.InAppBrowser.optional(),
    user: z.string().optional(),
  }),
  findings: z.array(z.strictObject({ what: z.string(), holds: z.boolean(), why: z.string().optional() })),
}).describe("Why a visit like this one gets its target");
/** See {@linkcode linkExplanation}. */
export type LinkExplanation = z.infer<typeof linkExplanation>;

/** The answer to a visit that asks for JSON. */
export const linkAnswer = z.union([linkDecision, linkShown, linkExplanation]);

/** The password of a link, from a form or as JSON. */
export const linkPassword = z.looseObject({ password: z.string().min(1) });

/** The type of a field in a change. The resulting link is checked as a whole, so nothing more is checked here. */
function changeOf({ kind }: LinkField): z.ZodType {
  switch (kind) {
    case "time":
      return time;
    case "integer":
      return z.int();
    case "switch":
      return z.boolean();
    case "tags":
      return z.array(z.string());
    case "group":
    case "chat":
      return z.looseObject({});
    case "rules":
      return z.array(PARTS.LinkTarget);
    default:
      return z.string();
  }
}

/** The body of `PATCH deeplinks/{code}` (RFC 7396). */
export const linkChange = z.strictObject({
  ...Object.fromEntries(FIELDS.map((field) => [field.name, changeOf(field).nullish()])),
  password: z.union([z.string(), z.boolean()]).nullish().describe(
    `New ones have ${MIN_PASSWORD} to ${MAX_PASSWORD} characters; true or false, as it was read, changes nothing`,
  ),
  state: z.enum(LINK_STATES).exclude(["deleted"]).nullish(),
  version: z.int().optional().describe("The version that was read"),
  code: z.string().optional().describe("The code that was read"),
  ...Object.fromEntries(
    READ_ONLY_MEMBERS.map((name) => [name, z.unknown().optional().describe("Ignored with `version`")]),
  ),
}).describe(
  "Members of a link, each or null. The changed link must be valid. With `version` the change is refused if somebody " +
    "else has changed the link since.",
);

/** The body of `POST deeplinks/claim`. */
export const claim = z.looseObject({
  token: z.string().optional(),
  install_referrer: z.string().optional().describe("Google Play's, complete"),
  clipboard: z.string().optional().describe("Its content"),
  fingerprint: z.looseObject({ platform }).optional(),
}).meta({
  anyOf: ["token", "install_referrer", "clipboard", "fingerprint"].map((name) => ({ required: [name] })),
});

/** The click that an app's first open comes from. */
export const claimedClick = z.strictObject({
  code: z.string(),
  confidence: z.enum(["exact", "fingerprint"]),
  clicked_at: time,
  user_id: z.string().optional().describe("`u` of the visit"),
  url: z.string().optional().describe("The link's `default_url`"),
  app_url: z.string().optional().describe("The app's address in the matching rule"),
  link: z.strictObject({
    code: z.string(),
    external_id: z.string().optional(),
    tags: z.array(z.string()),
    utm: PARTS.Utm,
  }),
});
/** See {@linkcode claimedClick}. */
export type ClaimedClick = z.infer<typeof claimedClick>;

/** Apple's association of apps with a domain. */
export const appleAppSiteAssociation = z.strictObject({
  applinks: z.looseObject({
    details: z.array(z.looseObject({
      appIDs: z.array(z.string()),
      components: z.array(z.looseObject({ "/": z.unknown() })),
    })),
  }),
});

/** Google's association of apps with a domain. */
export const assetLinks = z.array(z.strictObject({
  relation: z.tuple([z.literal("delegate_permission/common.handle_all_urls")]),
  target: z.strictObject({
    namespace: z.literal("android_app"),
    package_name: z.string(),
    sha256_cert_fingerprints: z.array(z.string()),
  }),
}));

/** Schemas of links that docs/openapi.yaml names. */
export const LINKS = {
  ...PARTS,
  AppleAppSiteAssociation: appleAppSiteAssociation,
  AssetLinks: assetLinks,
  Because: because,
  BulkResult: bulkResult,
  BulkResults: bulkResults,
  Claim: claim,
  ClaimedClick: claimedClick,
  Link: link,
  LinkAnswer: linkAnswer,
  LinkChange: linkChange,
  LinkDecision: linkDecision,
  LinkExplanation: linkExplanation,
  LinkList: linkList,
  LinkPassword: linkPassword,
  LinkShown: linkShown,
  LinkStats: linkStats,
  LinksChange: linksChange,
  LinksChanged: linksChanged,
  MadeLink: madeLink,
  NewLink: newLink,
  NewLinks: newLinks,
  TargetKind: targetKind,
} as const;
