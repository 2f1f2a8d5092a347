/**
 * `deno task openapi` writes the schemas of docs/openapi.yaml from the contract, and from the channels for messages in their
 * shapes. Everything else in the document is written by hand. With `--check` it changes nothing, and its exit code is 1
 * when the document is not current.
 */
import { Document, isPair, visit } from "yaml";
import { z } from "zod";
import { join, ROOT } from "../../lib/paths.ts";
import { task } from "../../lib/task.ts";
import { MAIL } from "../../supabase/functions/_shared/channels/email/outbound/described.ts";
import { SMS } from "../../supabase/functions/_shared/channels/sms/outbound/described.ts";
import { WHATSAPP } from "../../supabase/functions/_shared/channels/whatsapp/outbound/described.ts";
import { ACCOUNTS } from "../../supabase/functions/_shared/contract/http/accounts.ts";
import { DESTINATIONS } from "../../supabase/functions/_shared/contract/http/destinations.ts";
import { EVENTS } from "../../supabase/functions/_shared/contract/http/events.ts";
import { FLAGS } from "../../supabase/functions/_shared/contract/http/flags.ts";
import { GRAPH } from "../../supabase/functions/_shared/contract/http/graph.ts";
import { INCIDENTS } from "../../supabase/functions/_shared/contract/http/incidents.ts";
import { REPORTS } from "../../supabase/functions/_shared/contract/http/reports.ts";
import { LINKS } from "../../supabase/functions/_shared/contract/http/links.ts";
import { MEDIA } from "../../supabase/functions/_shared/contract/http/media.ts";
import { MAILS } from "../../supabase/functions/_shared/contract/http/mails.ts";
import { MASKED } from "../../supabase/functions/_shared/contract/http/masking.ts";
import { MAIL_HTTP } from "../../supabase/functions/_shared/contract/http/mail.ts";
import { CAMPAIGNS_HTTP } from "../../supabase/functions/_shared/contract/http/campaigns.ts";
import { MAILBOXES_HTTP } from "../../supabase/functions/_shared/contract/http/mailboxes.ts";
import { MESSAGES } from "../../supabase/functions/_shared/contract/http/messages.ts";
import { ONCALL_HTTP } from "../../supabase/functions/_shared/contract/http/oncall.ts";
import { TELEGRAM_HTTP } from "../../supabase/functions/_shared/contract/http/telegram.ts";
import { SMS_HTTP } from "../../supabase/functions/_shared/contract/http/sms.ts";
import { TRAFFIC_HTTP } from "../../supabase/functions/_shared/contract/http/traffic.ts";
import { OPERATION } from "../../supabase/functions/_shared/contract/http/operation.ts";
import { NUMBERS } from "../../supabase/functions/_shared/contract/http/numbers.ts";
import { TEAM } from "../../supabase/functions/_shared/contract/http/team.ts";
import { TEMPLATES } from "../../supabase/functions/_shared/contract/http/templates.ts";
import { PROBLEMS } from "../../supabase/functions/_shared/contract/http/problem.ts";

/** Where the document is. */
export const OPENAPI: string = join(ROOT, "docs", "openapi.yaml");

/** What the document names, in its order. */
const GROUPS: readonly Readonly<Record<string, z.ZodType>>[] = [
  PROBLEMS,
  LINKS,
  FLAGS,
  MESSAGES,
  EVENTS,
  WHATSAPP,
  MAIL,
  MAIL_HTTP,
  CAMPAIGNS_HTTP,
  MAILBOXES_HTTP,
  SMS,
  SMS_HTTP,
  ONCALL_HTTP,
  TELEGRAM_HTTP,
  TRAFFIC_HTTP,
  DESTINATIONS,
  MAILS,
  MEDIA,
  MASKED,
  GRAPH,
  OPERATION,
  INCIDENTS,
  REPORTS,
  ACCOUNTS,
  NUMBERS,
  TEMPLATES,
  TEAM,
];

const BEGIN =
  "  # Made by `deno task openapi` from here to the end: change supabase/functions/_shared/contract instead.\n";

type Json = null | boolean | number | string | Json[] | JsonObject;
interface JsonObject {
  [name: string]: Json;
}

/** Members of a schema that come first, for readers; the others follow in zod's order. */
const FIRST = ["$ref", "description", "type", "required"];

/** Formats that say all that zod's pattern beside them does. */
const FORMATS: readonly Json[] = ["date", "date-time", "uuid"];

/** A schema as people write one: without what JSON Schema takes for granted, and with null among its types. */
function tidied(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(tidied);
  if (!isObject(schema)) return schema;
  const whole = orNull(schema);
  const members = Object.entries(whole)
    .filter(([name, value]) => !isIdle(name, value, whole))
    .toSorted(([a], [b]) => rankOf(a) - rankOf(b));
  return Object.fromEntries(members.map(([name, value]) => [
    name,
    // These have names of their own.
    name === "properties" && isObject(value) ? eachTidied(value) : tidied(value),
  ]));
}

function eachTidied(schemas: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, tidied(schema)]));
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function rankOf(name: string): number {
  const rank = FIRST.indexOf(name);
  return rank === -1 ? FIRST.length : rank;
}

/** `anyOf` of a schema and null as one schema, where it has a type. */
function orNull({ anyOf, ...outer }: JsonObject): JsonObject {
  if (!Array.isArray(anyOf)) return { ...outer, ...(anyOf === undefined ? {} : { anyOf }) };
  const [one, other] = anyOf;
  const isNull = anyOf.length === 2 && isObject(other) && other.type === "null";
  if (!isNull || !isObject(one) || typeof one.type !== "string") return { ...outer, anyOf };
  const { type, enum: values, ...inner } = one;
  return {
    ...inner,
    ...outer,
    type: [type, "null"],
    ...(Array.isArray(values) ? { enum: [...values, null] } : {}),
  };
}

/** Whether a member of a schema says nothing. */
function isIdle(name: string, value: Json, { format }: JsonObject): boolean {
  switch (name) {
    case "$schema":
    case "$id":
      return true;
    case "minimum":
    case "maximum":
      return Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER;
    case "pattern":
      return FORMATS.includes(format);
    case "additionalProperties":
    case "properties":
      return isObject(value) && Object.keys(value).length === 0;
    case "propertyNames":
      return isObject(value) && Object.keys(value).length === 1 && value.type === "string";
    default:
      return false;
  }
}

/** The schemas by their names, as JSON Schema; one that names another refers to it. */
export function schemas(): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  for (const [name, schema] of GROUPS.flatMap((group) => Object.entries(group))) {
    registry.add(schema, { id: name });
  }
  const made = z.toJSONSchema(registry, { io: "input", uri: (name) => `#/components/schemas/${name}` });
  return eachTidied(made.schemas as unknown as JsonObject);
}

/** Columns that a line of the document has at most. */
const WIDTH = 120;

/** The schemas as they stand in the document: what fits in a line stands in one. */
export function schemasAsYaml(): string {
  const document = new Document({ schemas: schemas() }, { aliasDuplicateObjects: false, compat: "yaml-1.1" });
  visit(document, {
    Collection: (_, node, path) => {
      const keys = path.filter(isPair).map(({ key }) => String(key));
      const value = JSON.stringify(node.toJSON());
      // Quotes go, blanks come.
      const length = value.replaceAll('"', "").length + (value.match(/[,:{}]/g) ?? []).length;
      if (keys.length > 1 && 2 * path.length + keys.at(-1)!.length + length < WIDTH) node.flow = true;
    },
  });
  const text = document.toString({ lineWidth: WIDTH - 2 });
  return text.replaceAll(/^(?=.)/gm, "  ");
}

/** The document with the schemas in their place. @throws Error when it has no place for them */
export function withSchemas(document: string, schemas: string): string {
  const begin = document.indexOf(BEGIN);
  if (begin === -1) throw new Error(`docs/openapi.yaml lacks the line "${BEGIN.trim()}"`);
  return document.slice(0, begin + BEGIN.length) + schemas;
}

if (import.meta.main) {
  const program = task("openapi", "Write the schemas of docs/openapi.yaml from the contract.")
    .option("--check", "change nothing; exit code 1 when the document is not current");
  const { check } = program.parse(Deno.args, { from: "user" }).opts<{ check?: true }>();
  const before = await Deno.readTextFile(OPENAPI);
  const after = withSchemas(before, schemasAsYaml());
  if (!check) {
    await Deno.writeTextFile(OPENAPI, after);
  } else if (before !== after) {
    console.error("docs/openapi.yaml is not current: run `deno task openapi`.");
    Deno.exit(1);
  }
}
