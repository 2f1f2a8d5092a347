/**
 * What others' exports of links say, put as a link of ours: Bitly, Dub, Firebase Dynamic Links, and tables that people
 * make. Pure.
 *
 * Columns are known by their names in lower case, without spaces and signs; of `Deep link (link)`, as Firebase
 * documents its columns, by what is in brackets. Each value that no link of ours can hold is named in `lost`.
 *
 * @module
 */
import { columnOf, FIELDS, LINK_FIELDS, type LinkField } from "../../contract/link_fields.ts";
import { Cells, nameOf } from "./cells.ts";
import type { Row } from "./read.ts";

/** The formats, by the names that `--format` takes. */
export const FORMATS = ["csv", "bitly", "dub", "firebase"] as const;
/** One of {@link FORMATS}. */
export type Format = typeof FORMATS[number];

/** A row as a link. */
export interface Mapped {
  /** Body of `POST deeplinks`, not yet checked; its external id is always there. */
  link: Record<string, unknown> & { external_id: string };
  /** Columns with a value that found no place in it. */
  lost: string[];
  /** The host that the short link was on, where the row tells. */
  domain?: string;
  /** Why it is left out, when it is. */
  leftOut?: string;
}

interface Source {
  /** Whether a file with these columns is of this format. */
  fits(has: (...columns: string[]) => boolean): boolean;
  /** Columns that no link needs: figures, names, times. */
  ignored: readonly string[];
  map(row: Cells): { link: Record<string, unknown>; externalId?: string; short?: Short; leftOut?: string };
}

/** An address of a link as another service wrote it. */
interface Short {
  host: string;
  /** Without the slash before it; case kept. */
  path: string;
}

const SOURCES: Record<Format, Source> = {
  firebase: {
    fits: (has) => has("shortlink", "link") && (has("apn") || has("ibi")),
    // The iOS app is named in the setting deeplinks.apps, for all links of the domain.
    ignored: names("creationtimestamp name linkname amv imv efr ibi"),
    map: firebase,
  },
  dub: {
    fits: (has) => has("domain", "key", "url") || (has("shortlink", "destinationurl") && !has("customlink")),
    ignored: [
      ...names("id linkid clicks leads conversions sales saleamount revenue lastclicked createdat updatedat"),
      ...names(
        "userid user workspaceid projectid folderid tagid qrcode shortlink proxy publicstats webhookids",
      ),
      ...names("trackconversion doindex"),
    ],
    map: dub,
  },
  bitly: {
    fits: (has) =>
      has("customlink") || (has("longurl") && (has("link") || has("bitlink")) && !has("shortlink")),
    ignored: names("id created createdat datecreated createdby clientid engagements clicks scans references"),
    map: bitly,
  },
  csv: {
    fits: () => true,
    ignored: names("shortlink qrurl uses createdat createdby updatedat updatedby version"),
    map: table,
  },
};

function names(text: string): string[] {
  return text.split(" ");
}

/** The format of a file with these columns. */
export function detect(columns: readonly string[]): Format {
  const present = new Set(columns.map(nameOf));
  const has = (...wanted: string[]) => wanted.every((column) => present.has(column));
  return (Object.keys(SOURCES) as Format[]).find((format) => SOURCES[format].fits(has))!;
}

/** A row as a link. */
export async function mapRow(format: Format, row: Row): Promise<Mapped> {
  const { map, ignored } = SOURCES[format];
  const cells = new Cells(row.values);
  const { link, externalId, short, leftOut } = map(cells);
  const body = compact({ ...link, code: link.code ?? (short?.path.toLowerCase() || undefined) });
  const named = short
    ? `${format}:${short.host}/${short.path}`
    : body.code === undefined
    ? undefined
    : `${format}:${body.code}`;
  return {
    // Without a name the row is known by what it says, so that reading a file again makes nothing twice.
    link: { ...body, external_id: externalId ?? named ?? `${format}:${await hashOf(body)}` },
    lost: cells.unread(ignored),
    ...(short === undefined ? {} : { domain: short.host }),
    ...(leftOut === undefined ? {} : { leftOut }),
  };
}

function bitly(row: Cells) {
  // A link may have a custom back-half besides its own: that is the one people have printed.
  const [custom] = row.list("custom_link", "custom_bitlinks");
  const own = row.text("link", "bitlink", "id");
  return {
    short: shortOf(custom ?? own),
    link: { default_url: row.text("destination_url", "long_url"), tags: tagsOf(row) },
  };
}

function dub(row: Cells) {
  const domain = row.text("domain"), key = row.text("key");
  const short = domain !== undefined && key !== undefined
    ? { host: domain, path: key }
    : shortOf(row.text("short_link"));
  const targets: unknown[] = [];
  const ios = row.text("ios"), android = row.text("android"), geo = row.object("geo");
  // In Dub's own order: device before country.
  if (ios) targets.push({ when: { platform: "ios" }, url: ios });
  if (android) targets.push({ when: { platform: "android" }, url: android });
  for (const [country, url] of Object.entries(geo ?? {})) targets.push({ when: { country }, url });
  for (const { url, percentage } of row.objects("testVariants")) {
    targets.push({ when: { weight: percentage }, url });
  }
  const preview = row.flag("proxy")
    ? { title: row.text("title"), description: row.text("description"), image: row.text("image") }
    : undefined;
  return {
    short,
    externalId: row.text("externalId"),
    leftOut: row.text("disabledAt") === undefined ? undefined : "it is disabled there",
    link: {
      default_url: row.text("url", "destination_url"),
      targets: filled(targets),
      tags: tagsOf(row),
      expires_at: instant(row.text("expiresAt")),
      expired_url: row.text("expiredUrl"),
      password: row.text("password"),
      preview: preview && compact(preview),
      utm: utmOf(row),
    },
  };
}

/**
 * Firebase answered a tap only where the app was not installed, or could not open the link: otherwise the system handed
 * the link to the app at once, as it does here (AASA, assetlinks.json). So what is carried over is the way without the
 * app; on Android the app is tried once more, as Firebase did.
 */
function firebase(row: Cells) {
  const link = row.text("link");
  const apn = row.text("apn"), afl = row.text("afl");
  const isi = row.text("isi"), ifl = row.text("ifl");
  const targets: unknown[] = [];
  if (ifl) targets.push({ when: { platform: "ios" }, url: ifl });
  else if (isi) {
    const campaign = new URLSearchParams(
      ["at", "ct", "mt", "pt"].flatMap((name) => {
        const value = row.text(name, `iTunes connect ${name}`);
        return value === undefined ? [] : [[name, value]];
      }),
    ).toString();
    const store = `https://apps.apple.com/app/id${isi}${campaign && `?${campaign}`}`;
    targets.push({ when: { platform: "ios" }, store });
  }
  if (apn) {
    const fallback = afl ?? `https://play.google.com/store/apps/details?id=${encodeURIComponent(apn)}`;
    targets.push({ when: { platform: "android" }, app: { url: link, package: apn, fallback } });
  }
  const preview = compact({ title: row.text("st"), description: row.text("sd"), image: row.text("si") });
  return {
    short: shortOf(row.text("short_link")),
    link: {
      default_url: row.text("ofl") ?? link,
      targets: filled(targets),
      preview: Object.keys(preview).length === 0 ? undefined : preview,
      utm: utmOf(row),
      tags: row.flag("archived") ? ["archived"] : undefined,
    },
  };
}

/** Our own export, and tables that people make: columns as `LINK_FIELDS` names them. */
function table(row: Cells) {
  const state = row.text("state");
  const code = row.text("code", "short_code", "slug", "key", "back_half");
  const short = code === undefined ? shortOf(row.text("short_link", "short_url", "link")) : undefined;
  return {
    externalId: row.text("external_id"),
    short,
    leftOut: state === undefined || state === "active" ? undefined : `it is ${state}`,
    link: {
      code: code?.toLowerCase(),
      ...Object.fromEntries(FIELDS.map((field) => [field.name, valueOf(row, field)])),
      // An export says only that there is one.
      password: passwordOf(row),
    },
  };
}

/** What a row says of a field; undefined for nothing. */
function valueOf(row: Cells, field: LinkField & { name: string }): unknown {
  const columns = [columnOf(field), ...field.also ?? []];
  switch (field.kind) {
    case "group":
    case "chat":
      return row.object(field.name) ?? partsOf(row, field);
    case "time":
      return instant(row.text(...columns));
    case "integer":
      return row.number(...columns);
    case "switch":
      return row.text(...columns) === undefined ? undefined : row.flag(...columns);
    case "tags":
      return tagsOf(row);
    case "rules":
      return row.json(...columns);
    default:
      return row.text(...columns);
  }
}

/** The members of a field that have a column each. */
function partsOf(row: Cells, field: LinkField & { name: string; kind: "group" | "chat" }) {
  const members = compact(Object.fromEntries(
    Object.entries(field.parts).map((part) => {
      return [part[0], row.text(columnOf(field, part), ...part[1].also ?? [])];
    }),
  ));
  return Object.keys(members).length === 0 ? undefined : members;
}

function passwordOf(row: Cells): string | undefined {
  const value = row.text("password");
  return value === undefined || /^(true|false)$/i.test(value) ? undefined : value;
}

function tagsOf(row: Cells): string[] | undefined {
  const tags = [...row.list("tags"), ...(row.flag("archived") ? ["archived"] : [])];
  return tags.length === 0 ? undefined : tags;
}

function utmOf(row: Cells): unknown {
  return valueOf(row, { name: "utm", ...LINK_FIELDS.utm });
}

/** `https://bit.ly/abc` or `bit.ly/abc`. */
function shortOf(text: string | undefined): Short | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:https?:\/\/)?([^/?#]+)\/([^?#]*)/i.exec(text);
  if (match === null) return undefined;
  let path = match[2];
  while (path.endsWith("/")) path = path.slice(0, -1);
  return { host: match[1].toLowerCase(), path };
}

/** A time as ISO 8601, with UTC where the text names no zone; what is none stays, for the check to say so. */
function instant(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/i.test(text)
    ? text
    : `${text.replace(" ", "T")}${text.includes(":") ? "Z" : ""}`;
  const time = new Date(zoned);
  return Number.isNaN(time.getTime()) ? text : time.toISOString();
}

function compact(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function filled<T>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

async function hashOf(body: unknown): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(body)));
  return Array.from(new Uint8Array(bytes, 0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
