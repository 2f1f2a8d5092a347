/**
 * Schemas of a link's fields, made from `LINK_FIELDS`, except for `chat` and `rules`, whose schemas are written by hand.
 *
 * @module
 */
import { z } from "zod";
import { FIELDS, LINK_FIELDS, type LinkField } from "./link_fields.ts";
import { LIMITS } from "./link_limits.ts";
import { instant, line, lines, url } from "./link_values.ts";

const tags = z.array(line(60)).max(LIMITS.tags).transform((tags) => [...new Set(tags)]);

/** The schema for each kind of field. */
interface ByKind {
  text: z.ZodString;
  lines: z.ZodString;
  flag: z.ZodString;
  url: z.ZodString;
  time: typeof instant;
  integer: z.ZodNumber;
  switch: z.ZodBoolean;
  tags: typeof tags;
}

type SchemaOf<Field> = Field extends { kind: "group"; parts: infer Parts }
  ? z.ZodObject<{ [Part in keyof Parts]: z.ZodOptional<z.ZodString> }, z.core.$strict>
  : Field extends { kind: infer Kind extends keyof ByKind } ? ByKind[Kind]
  : never;

type Fields = typeof LINK_FIELDS;
type ByHand = {
  [Name in keyof Fields]: Fields[Name]["kind"] extends "chat" | "rules" ? Name : never;
}[keyof Fields];

function schemaOf(field: LinkField): z.ZodType | undefined {
  switch (field.kind) {
    case "text":
    case "flag":
      return line(field.max);
    case "lines":
      return lines(field.max);
    case "url":
      return url;
    case "time":
      return instant;
    case "integer":
      return z.int().min(field.min).max(field.max);
    case "switch":
      return z.boolean();
    case "tags":
      return tags;
    case "group": {
      const parts = Object.entries(field.parts);
      return z.strictObject(Object.fromEntries(parts.map(([name, { max }]) => [name, line(max).optional()])));
    }
    case "chat":
    case "rules":
      return undefined;
  }
}

/** Descriptions of fields for docs/openapi.yaml. Not in `LINK_FIELDS`, because the panel's first page loads that. */
const DESCRIPTIONS: Readonly<Partial<Record<keyof Fields, string>>> = {
  title: "A name for the team; visitors do not see it",
  note: "For the team; no visitor sees it",
  default_url: "Target if no rule matches, and for every visit while the flag is off",
  expires_at: "Later than `starts_at`",
  expired_url: "Target while the link cannot be used",
  confirm: "Whether people press a button before they go on; only where pages can be served",
  max_uses: "Maximum number of visits by people",
  utm: "Added to web targets",
  pass_query: "Whether pages, stores and apps get the visit's parameters",
  flag_key: "Another flag, besides `deeplinks.enabled`",
  preview: "What a messenger shows",
  fingerprint: "Whether a first open may be matched by network and platform, which is a guess",
  external_id: "Your own id for it",
};

/** The schemas by field name; each field is optional. */
export const fieldSchemas = Object.fromEntries(
  FIELDS.flatMap((field) => {
    const schema = schemaOf(field)?.optional();
    const description = DESCRIPTIONS[field.name];
    if (schema === undefined) return [];
    return [[field.name, description === undefined ? schema : schema.describe(description)]];
  }),
) as { [Name in Exclude<keyof Fields, ByHand>]: z.ZodOptional<SchemaOf<Fields[Name]>> };
