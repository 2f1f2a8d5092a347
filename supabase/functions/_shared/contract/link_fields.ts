/**
 * The one list of a link's fields. The body that `deeplinks` takes, the form, tables and filters of the panel, the options
 * and output of `gatelink links`, the columns of its files and the schemas of docs/openapi.yaml are made from it; tests
 * hold the database and docs/links.md to it.
 *
 * A field of an existing kind needs no other code. Schemas and editors of `chat` and `rules` are written by hand.
 *
 * @module
 */
import { LIMITS } from "./link_limits.ts";

/** Where the panel's form shows a field: at the top, in one of its sections, or in an editor of the field's own. */
export type Section = "top" | "limits" | "campaign" | "preview" | "programs" | "own";

/** The texts and the CSV column of a field, or of a part of one. */
interface Described {
  /** The label of its input. */
  readonly label: string;
  /** The hint below the label. */
  readonly help?: string;
  readonly placeholder?: string;
  readonly section?: Section;
  /** Column of a CSV. @default {its name; for a part, the field's name and its own} */
  readonly column?: string;
  /** Other names that an import accepts for the column. */
  readonly also?: readonly string[];
  /** Whether its input has several lines. */
  readonly tall?: boolean;
}

/** One part of a field that has several. */
export interface LinkPart extends Described {
  readonly kind: "text" | "url";
  /** Maximum length in characters. */
  readonly max: number;
}

/** The kind of a field's values. */
type Kind =
  /** `text` is one line; `lines` may be several. */
  | { readonly kind: "text" | "lines" | "flag"; readonly max: number }
  | { readonly kind: "url" | "time" | "switch" | "tags" | "rules" }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "group" | "chat"; readonly parts: Readonly<Record<string, LinkPart>> };

/** One field of a link. */
export type LinkField = Kind & Described & {
  /** Its name in a list of facts. @default {the label} */
  readonly fact?: string;
  /** Precedes its value in the summary of a closed section of the form. Without it, the summary leaves the field out. */
  readonly brief?: string;
  /** The text in a list of facts for a switch that is on. */
  readonly on?: string;
  /** Whether it decides where a visit goes. If so, isolates read it (`get_links`); other fields are for the team only. */
  readonly visits: boolean;
  /** Option of `gatelink links add`, and its help text. */
  readonly option?: readonly [flags: string, help: string];
  /** Whether lists show it. */
  readonly listed?: boolean;
  /** How a filter compares it: the whole value, or a part, ignoring case. */
  readonly filter?: Matching;
};

/** How a filter compares. */
export type Matching = "whole" | "part";

const URL_MAX = 2000, WORD = 200;

/** The fields in the order of forms, files and documents. See the module. */
export const LINK_FIELDS = {
  title: {
    kind: "text",
    max: 120,
    label: "Title for the team",
    fact: "Title",
    help: "A name for your team. Visitors never see it.",
    section: "top",
    visits: false,
    option: ["--title <title>", "a name for the team; visitors never see it"],
    listed: true,
    filter: "part",
  },
  note: {
    kind: "lines",
    max: 500,
    label: "Note for the team",
    fact: "Note",
    section: "top",
    also: ["notes", "description", "comment", "comments"],
    visits: false,
    option: ["--note <note>", "a note for the team; visitors never see it"],
    filter: "part",
  },
  external_id: {
    kind: "text",
    max: WORD,
    label: "External id",
    help: "Your own identifier. Must be unique.",
    brief: "external id",
    section: "programs",
    visits: false,
    option: ["--external-id <id>", "your own id; repeating the command returns the same link"],
    filter: "whole",
  },
  default_url: {
    kind: "url",
    label: "Page",
    section: "own",
    also: ["url", "destination_url", "destination", "long_url", "target_url"],
    visits: true,
  },
  whatsapp: {
    kind: "chat",
    label: "WhatsApp chat",
    section: "own",
    parts: {
      phone_number_id: {
        kind: "text",
        max: 64,
        label: "Your number",
        column: "whatsapp_number",
        also: ["whatsapp_number_id"],
      },
      text: { kind: "text", max: LIMITS.text, label: "Message text", tall: true },
    },
    visits: true,
  },
  targets: {
    kind: "rules",
    label: "Targets for some visitors",
    section: "own",
    visits: true,
    option: ["--target <json>", "a rule; the first that matches decides"],
  },
  starts_at: {
    kind: "time",
    label: "Starts at",
    fact: "Starts",
    brief: "from",
    section: "limits",
    visits: true,
    option: ["--starts <time>", "start: a time, or a duration from now, like 2h"],
  },
  expires_at: {
    kind: "time",
    label: "Ends at",
    fact: "Ends",
    brief: "until",
    section: "limits",
    visits: true,
    option: ["--expires <time>", "end: a time, or a duration from now, like 30d"],
  },
  max_uses: {
    kind: "integer",
    min: 1,
    max: LIMITS.uses,
    label: "Maximum uses",
    fact: "Uses",
    help: "Counts visits by people, not by bots and previews. 1 makes a one-time link.",
    brief: "at most",
    section: "limits",
    visits: true,
    option: ["--max-uses <n>", "maximum number of human visits"],
  },
  confirm: {
    kind: "switch",
    label: "Confirm with a button",
    fact: "Confirmation",
    on: "by a button",
    help: "Visitors first see a page with a button, so that link scanners do not use the link up.",
    brief: "confirmation",
    section: "limits",
    visits: true,
    option: ["--confirm", "show a button first, so that programs that scan links take no use"],
  },
  expired_url: {
    kind: "url",
    label: "Page when unavailable",
    fact: "When unavailable",
    help:
      "Used before the start, after the end, when used up or turned off. If empty, visitors see the reason.",
    placeholder: "https://www.example.com/over",
    section: "limits",
    visits: true,
    option: ["--expired-url <url>", "target while the link cannot be used"],
  },
  tags: {
    kind: "tags",
    label: "Tags",
    section: "top",
    visits: false,
    option: ["--tag <tag>", "for lists and routes; repeatable"],
    listed: true,
  },
  utm: {
    kind: "group",
    label: "Campaign parameters",
    fact: "Campaign",
    brief: "",
    section: "campaign",
    parts: {
      campaign: {
        kind: "text",
        max: WORD,
        label: "Campaign",
        placeholder: "spring",
        section: "top",
        also: ["campaign"],
      },
      source: { kind: "text", max: WORD, label: "Source", placeholder: "poster" },
      medium: { kind: "text", max: WORD, label: "Medium", placeholder: "print" },
      term: { kind: "text", max: WORD, label: "Term" },
      content: { kind: "text", max: WORD, label: "Content" },
    },
    visits: true,
    option: ["--utm <name=value>", "source, medium, campaign, term or content; repeatable"],
  },
  pass_query: {
    kind: "switch",
    label: "Pass URL parameters on",
    fact: "URL parameters",
    on: "passed on to pages",
    help: "Parameters in the opened link are added to the page's URL.",
    brief: "passed through",
    section: "campaign",
    visits: true,
    option: ["--pass-query", "pass the visit's query on to the page"],
  },
  preview: {
    kind: "group",
    label: "Link preview",
    brief: "",
    section: "preview",
    parts: {
      title: { kind: "text", max: WORD, label: "Title" },
      description: { kind: "text", max: 500, label: "Description", tall: true },
      image: {
        kind: "url",
        max: URL_MAX,
        label: "Image URL",
        placeholder: "https://www.example.com/card.png",
      },
    },
    visits: true,
    option: [
      "--preview <name=value>",
      "preview in messengers: title, description or image; repeatable",
    ],
  },
  flag_key: {
    kind: "flag",
    max: WORD,
    label: "Only for visitors with this flag on",
    fact: "Flag",
    help: "Everybody else goes to the link's page. Checked in addition to deeplinks.enabled.",
    brief: "flag",
    section: "programs",
    visits: true,
    option: ["--flag <key>", "visitors for whom this flag is off only get the url"],
  },
  fingerprint: {
    kind: "switch",
    label: "Match an app's first open by network and platform",
    fact: "First open of the app",
    on: "matched by network and platform",
    help: "An estimate for installs without a referrer. Never used for shared or private addresses.",
    brief: "fingerprint",
    section: "programs",
    visits: true,
    option: ["--fingerprint", "allow matching an app's first open by network and device, which is a guess"],
  },
} as const satisfies Record<string, LinkField>;

/** Name of a field. */
export type FieldName = keyof typeof LINK_FIELDS;

/** Name of a field that decides where a visit goes. */
export type DecidingName = {
  [Name in FieldName]: (typeof LINK_FIELDS)[Name]["visits"] extends true ? Name : never;
}[FieldName];

/** The fields in their order, each with its name. */
export const FIELDS: readonly (LinkField & { readonly name: FieldName })[] = Object.entries(LINK_FIELDS)
  .map(([name, field]) => ({ name: name as FieldName, ...field as LinkField }));

/** A filter of lists: `GET deeplinks?<name>=`. */
export interface LinkFilter {
  readonly name: string;
  readonly label: string;
  readonly matching: Matching;
}

/** Filters of lists, besides the state. */
export const LINK_FILTERS: readonly LinkFilter[] = [
  { name: "search", label: "Anything", matching: "part" },
  { name: "tag", label: "Tag", matching: "whole" },
  { name: "campaign", label: "Campaign", matching: "whole" },
  { name: "code", label: "Code", matching: "whole" },
  ...FIELDS.flatMap(({ name, label, filter }) =>
    filter === undefined ? [] : [{ name, label, matching: filter }]
  ),
];

/** Members of a link that callers can read but not write. */
export const READ_ONLY_MEMBERS = [
  "url",
  "qr_url",
  "uses",
  "created_at",
  "created_by",
  "updated_at",
  "updated_by",
] as const;

/** States by which lists of links are filtered. */
export const LINK_STATES = ["active", "disabled", "blocked", "deleted"] as const;

/** The column of a CSV that holds a field, or a part of one. */
export function columnOf(
  field: { name: string; column?: string },
  part?: [name: string, part: Described],
): string {
  if (part === undefined) return field.column ?? field.name;
  return part[1].column ?? `${field.name}_${part[0]}`;
}

/** Columns of the fields in a CSV, in order. */
export const LINK_COLUMNS: readonly string[] = FIELDS.flatMap((field) =>
  field.kind === "group" || field.kind === "chat"
    ? Object.entries(field.parts).map((part) => columnOf(field, part))
    : [columnOf(field)]
);
