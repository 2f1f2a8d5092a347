/**
 * Maps links from the exports and APIs of other services to ours. Pure.
 *
 * @module
 */
import type { Cells } from "./cells.ts";
import {
  compact,
  filled,
  passwordOf,
  type Short,
  shortOf,
  tagsOf,
  utmOf,
  withoutEnd,
  wordsOf,
} from "./fields.ts";

/** A row of another service. */
export interface Told {
  /** Members of `POST deeplinks` except the code. */
  link: Record<string, unknown>;
  /** The team's own id for the link, if the service stores one. */
  externalId?: string;
  /** Every address that leads there. */
  shorts: (Short | undefined)[];
  /** Why it should not be created. */
  leftOut?: string;
}

/** Bitly: a link has its own address and any number of custom back-halves. All of them may be in circulation. */
export function bitly(row: Cells): Told {
  const own = row.text("link", "bitlink", "id");
  const custom = [
    ...row.list("custom_link", "custom_links"),
    ...row.list("custom_bitlinks", "custom_back_halves"),
  ].flatMap((links) => links.split(/\s+/));
  return {
    shorts: [...custom, own].map(shortOf),
    link: {
      default_url: row.text("destination_url", "long_url"),
      ...wordsOf(row, ["title"], ["note", "notes"]),
      tags: tagsOf(row),
    },
  };
}

export function dub(row: Cells): Told {
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
    shorts: [addressOf(row, "domain", row.text("key")) ?? shortOf(row.text("short_link"))],
    externalId: row.text("externalId"),
    leftOut: row.text("disabledAt") === undefined ? undefined : "it is disabled there",
    link: {
      default_url: row.text("url", "destination_url"),
      ...wordsOf(row, preview ? [] : ["title"], ["comments"]),
      targets: filled(targets),
      tags: tagsOf(row),
      expires_at: row.time("expiresAt"),
      expired_url: row.text("expiredUrl"),
      password: passwordOf(row),
      preview: preview && compact(preview),
      utm: utmOf(row),
    },
  };
}

/**
 * Firebase answered a tap only if the app was not installed or could not open the link; otherwise the system passed the
 * link to the app directly, as it does here (AASA, assetlinks.json). So the route without the app is carried over; on
 * Android the app is tried once more, as Firebase did.
 */
export function firebase(row: Cells): Told {
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
    shorts: [shortOf(row.text("short_link"))],
    link: {
      default_url: row.text("ofl") ?? link,
      ...wordsOf(row, ["link_name", "name"], []),
      targets: filled(targets),
      preview: Object.keys(preview).length === 0 ? undefined : preview,
      utm: utmOf(row),
      tags: row.flag("archived") ? ["archived"] : undefined,
    },
  };
}

export function yourls(row: Cells): Told {
  return {
    shorts: [shortOf(row.text("short_url")) ?? named(row.text("keyword"))],
    link: { default_url: row.text("url", "long_url"), ...wordsOf(row, ["title"], []), tags: tagsOf(row) },
  };
}

export function rebrandly(row: Cells): Told {
  const domain = row.object("domain")?.fullName;
  const status = row.text("status");
  return {
    shorts: [
      typeof domain === "string"
        ? addressAt(domain, row.text("slashtag"))
        : addressOf(row, "domain", row.text("slashtag")) ??
          shortOf(row.text("short_url", "short_link", "link")) ??
          named(row.text("slashtag")),
    ],
    leftOut: status === undefined || /^active$/i.test(status) ? undefined : `it is ${status} there`,
    link: {
      default_url: row.text("destination", "destination_url", "long_url"),
      ...wordsOf(row, ["title"], ["description", "notes", "note"]),
      pass_query: row.flag("forward_parameters"),
      tags: tagsOf(row),
    },
  };
}

export function tinyurl(row: Cells): Told {
  const whole = shortOf(row.text("tiny_url", "short_url"));
  return {
    shorts: [whole ?? addressOf(row, "domain", row.text("alias")) ?? named(row.text("alias"))],
    leftOut: row.flag("deleted") ? "it is deleted there" : undefined,
    link: {
      default_url: row.text("url", "long_url", "original_url", "destination"),
      ...wordsOf(row, ["title", "name"], ["description", "notes", "note"]),
      expires_at: row.time("expires_at"),
      tags: tagsOf(row),
    },
  };
}

export function kutt(row: Cells): Told {
  const whole = shortOf(row.text("link", "short_link", "short_url"));
  return {
    shorts: [whole ?? addressOf(row, "domain", row.text("address")) ?? named(row.text("address"))],
    leftOut: row.flag("banned") ? "it is banned there" : undefined,
    link: {
      default_url: row.text("target", "long_url"),
      ...wordsOf(row, ["title"], ["description"]),
      expires_at: row.time("expire_in", "expires_at"),
      password: passwordOf(row),
      tags: tagsOf(row),
    },
  };
}

export function shortio(row: Cells): Told {
  const targets: unknown[] = [];
  const ios = row.text("iphone_url", "ios_url"), android = row.text("android_url");
  if (ios) targets.push({ when: { platform: "ios" }, url: ios });
  if (android) targets.push({ when: { platform: "android" }, url: android });
  const split = row.text("split_url"), percent = row.number("split_percent");
  if (split) targets.push({ when: { weight: percent }, url: split });
  return {
    shorts: [
      shortOf(row.text("secure_short_url", "short_url", "short_link")) ??
        addressOf(row, "domain", row.text("path")) ?? named(row.text("path", "slug")),
    ],
    link: {
      default_url: row.text("original_url", "long_url", "url"),
      ...wordsOf(row, ["title"], ["description", "notes", "note"]),
      targets: filled(targets),
      expires_at: row.stamp("expires_at"),
      expired_url: row.text("expired_url"),
      max_uses: row.number("clicks_limit"),
      password: passwordOf(row),
      tags: tagsOf(row),
      utm: utmOf(row),
    },
  };
}

/** An address whose host is in a separate column. */
function addressOf(row: Cells, column: string, path: string | undefined): Short | undefined {
  const host = row.text(column);
  return host === undefined ? undefined : addressAt(host, path);
}

function addressAt(host: string, path: string | undefined): Short | undefined {
  return path === undefined ? undefined : {
    host: withoutEnd(host.toLowerCase().replace(/^https?:\/\//, "")),
    path: path.replace(/^\/+/, ""),
  };
}

/** A code whose host is in no column. */
function named(path: string | undefined): Short | undefined {
  return path === undefined ? undefined : { host: "", path: path.replace(/^\/+/, "") };
}
