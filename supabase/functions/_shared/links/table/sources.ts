/**
 * The formats of files of links, detected by their columns, and the mapping of their rows to our links. Pure.
 *
 * Columns are compared by name in lower case, without spaces and punctuation; for `Deep link (link)`, as Firebase
 * documents its columns, the name in brackets is used. Each value that our links cannot store is named in `lost`. A row
 * whose link has several addresses becomes several links, so that each address keeps working.
 *
 * @module
 */
import { FIELDS } from "../../contract/link_fields.ts";
import { Cells, nameOf } from "./cells.ts";
import type { DateOrder } from "./dates.ts";
import { compact, passwordOf, type Short, shortOf, valueOf } from "./fields.ts";
import type { Row } from "./read.ts";
import { bitly, dub, firebase, kutt, rebrandly, shortio, tinyurl, type Told, yourls } from "./services.ts";

/** The formats; these are the values of `--format`. */
export const FORMATS = [
  "csv",
  "bitly",
  "dub",
  "firebase",
  "kutt",
  "rebrandly",
  "shortio",
  "tinyurl",
  "yourls",
] as const;
/** One of {@link FORMATS}. */
export type Format = typeof FORMATS[number];

/** A link of a row. */
export interface Mapped {
  /** Body of `POST deeplinks`, not yet checked; always has an external id. */
  link: Record<string, unknown> & { external_id: string };
  /** Columns whose values could not be mapped; only on the first of a row's links. */
  lost: string[];
  /** The host of the short link, if the row names it. */
  domain?: string;
  /** Why it is skipped, if it is. */
  leftOut?: string;
  /** What in the row is ambiguous; the link must then not be created. */
  fault?: string;
  /** Whether one of its times had no zone and was taken as UTC. */
  assumedUtc?: true;
}

/** Options for reading rows. */
export interface MapOptions {
  /** Order of day and month in dates that are not ISO; without it such dates are faults. */
  dates?: DateOrder;
  /** Whether links get new codes: then a missing code is not a fault. */
  newCodes?: boolean;
}

interface Source {
  /** Whether a file with these columns has this format. */
  fits(has: (...columns: string[]) => boolean): boolean;
  /** Columns that say nothing new: parts of the address, and the service's own switches. */
  ignored: readonly string[];
  map(row: Cells): Told & { code?: string };
}

/** Ids of other services, which mean nothing here. */
const IDS = names(
  "id idstring linkid clientid userid ownerid workspace workspaceid projectid folderid domainid tagid qrcode qrurl",
);

/** Figures: nothing is lost where they are zero. */
const FIGURES = names(
  "clicks totalclicks humanclicks uniqueclicks clickscount clickcount visits visitcount visitscount scans engagements " +
    "leads conversions sales saleamount revenue hits views uses",
);

/** What our own export says about a link's record; a link that is created from it has a record of its own. */
const OWN_RECORD = names("createdat createdby updatedat updatedby version");

const SOURCES: Record<Format, Source> = {
  firebase: {
    fits: (has) => has("shortlink", "link") && (has("apn") || has("ibi")),
    // The setting deeplinks.apps names the iOS app for all links of the domain.
    ignored: names("amv imv efr ibi"),
    map: firebase,
  },
  dub: {
    fits: (has) => has("domain", "key", "url") || (has("shortlink", "destinationurl") && !has("customlink")),
    ignored: names(
      "shortlink publicstats webhookids trackconversion doindex programid partnerid tenantid dashboardid",
    ),
    map: dub,
  },
  rebrandly: {
    fits: (has) => has("slashtag"),
    ignored: names("shorturl shortlink link domainid domainname favourite integrated https linktype scripts"),
    map: rebrandly,
  },
  shortio: {
    fits: (has) => has("originalurl") && (has("path") || has("shorturl") || has("secureshorturl")),
    ignored: names(
      "path domain shorturl secureshorturl slug source icon redirecttype ttl haspassword lcpath splitpercent",
    ),
    map: shortio,
  },
  tinyurl: {
    fits: (has) => has("tinyurl") || (has("alias") && (has("url") || has("longurl")) && !has("code")),
    ignored: names("alias domain shorturl analytics"),
    map: tinyurl,
  },
  yourls: {
    fits: (has) =>
      has("keyword") && (has("url") || has("longurl")) || has("shorturl", "url", "timestamp", "clicks"),
    ignored: names("keyword"),
    map: yourls,
  },
  kutt: {
    fits: (has) => has("target") && (has("link") || has("address") || has("shortlink")),
    ignored: names("address domain uuid"),
    map: kutt,
  },
  bitly: {
    fits: (has) =>
      ["customlink", "customlinks", "custombitlinks", "custombackhalves"].some((column) => has(column)) ||
      (has("longurl") && (has("link") || has("bitlink")) && !has("shortlink")),
    ignored: names("references"),
    map: bitly,
  },
  csv: {
    fits: () => true,
    ignored: names("shortlink shorturl"),
    map: table,
  },
};

function names(text: string): string[] {
  return text.split(" ");
}

/** Detects the format of a file by its columns. */
export function detect(columns: readonly string[]): Format {
  const present = new Set(columns.map(nameOf));
  const has = (...wanted: string[]) => wanted.every((column) => present.has(column));
  return (Object.keys(SOURCES) as Format[]).find((format) => SOURCES[format].fits(has))!;
}

/** Maps a row to one or more links. */
export async function mapRow(
  format: Format,
  row: Row,
  { dates, newCodes = false }: MapOptions = {},
): Promise<Mapped[]> {
  if (row.fault !== undefined) {
    return [{ link: { external_id: `row ${row.place}` }, lost: [], fault: `the row ${row.fault}` }];
  }
  const { map, ignored } = SOURCES[format];
  const cells = new Cells(row.values, dates);
  const told = map(cells);
  const addresses = distinct(told.shorts);
  // With new codes, one link suffices.
  const shorts = newCodes ? addresses.slice(0, 1) : addresses;
  const code = told.code ?? (shorts.length === 0 ? undefined : "");
  if (code === undefined && format !== "csv" && !newCodes) {
    cells.faults.push("it has no short link whose code could be kept");
  }
  const shared = {
    ...(told.leftOut === undefined ? {} : { leftOut: told.leftOut }),
    ...(cells.faults.length === 0 ? {} : { fault: cells.faults.join("; ") }),
    ...(cells.assumedUtc ? { assumedUtc: true as const } : {}),
  };
  const lost = cells.unread([
    ...IDS,
    ...ignored,
    ...FIGURES.filter((name) => cells.isZero(name)),
    ...(isOwnExport(cells) ? OWN_RECORD : []),
  ]);
  const links = await Promise.all(
    (shorts.length === 0 ? [undefined] : shorts).map((short) => linkOf(format, told, short)),
  );
  return links.map((link, index) => ({
    link,
    lost: index === 0 ? lost : [],
    ...(shorts[index]?.host ? { domain: shorts[index].host } : {}),
    ...shared,
  }));
}

/** Whether a row was written by our own export. */
function isOwnExport(row: Cells): boolean {
  return ["code", "short_link", "state", "uses", "created_at"].every((column) => row.has(column));
}

async function linkOf(format: Format, told: Told & { code?: string }, short: Short | undefined) {
  const body = compact({ ...told.link, code: (told.code ?? short?.path)?.toLowerCase() });
  const named = short?.host
    ? `${format}:${short.host}/${short.path}`
    : body.code === undefined
    ? undefined
    : `${format}:${body.code}`;
  // A row without a name gets an id derived from its contents, so that a repeated import creates no duplicates.
  return { ...body, external_id: told.externalId ?? named ?? `${format}:${await hashOf(body)}` };
}

/** The distinct addresses: codes that differ only in case are the same. */
function distinct(shorts: readonly (Short | undefined)[]): Short[] {
  const found = new Map<string, Short>();
  for (const short of shorts) {
    if (short === undefined || short.path === "") continue;
    const key = `${short.host}/${short.path.toLowerCase()}`;
    if (!found.has(key)) found.set(key, short);
  }
  return [...found.values()];
}

/** Our own export, and tables made by hand: columns as `LINK_FIELDS` names them. */
function table(row: Cells): Told & { code?: string } {
  const state = row.text("state");
  const code = row.text("code", ...CODES);
  const short = code === undefined ? shortOf(row.text("short_link", "short_url", "link")) : undefined;
  return {
    externalId: row.text("external_id"),
    shorts: [short],
    code,
    leftOut: state === undefined || state === "active" ? undefined : `it is ${state}`,
    link: {
      ...Object.fromEntries(FIELDS.map((field) => [field.name, valueOf(row, field)])),
      // An export says only that there is a password.
      password: passwordOf(row),
    },
  };
}

/** Column names for a code in tables. */
const CODES = [
  "short_code",
  "slug",
  "custom_slug",
  "key",
  "keyword",
  "back_half",
  "alias",
  "path",
  "short_id",
  "hash",
];

async function hashOf(body: unknown): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(body)));
  return Array.from(new Uint8Array(bytes, 0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
