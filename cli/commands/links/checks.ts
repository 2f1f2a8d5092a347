/** Finds problems of links and their domain, from stored data and from the answers of addresses. Pure. */
import { imageSize } from "image-size";
import {
  appleAppSiteAssociation,
  assetLinks,
} from "../../../supabase/functions/_shared/links/model/domain.ts";
import type { Apps } from "../../../supabase/functions/_shared/links/model/apps.ts";
import type { Rules } from "../../../supabase/functions/_shared/links/model/rules.ts";
import { checkPlaces } from "../../../supabase/functions/_shared/links/model/places.ts";
import type { Link, LinkBody } from "../../../supabase/functions/_shared/contract/links.ts";
import type { Probe } from "./probe.ts";

/** A finding. A problem breaks a link for some visitors; a warning may. */
export interface Finding {
  level: "problem" | "warning";
  what: string;
  /** How to fix it. */
  advice: string;
}

const problem = (what: string, advice: string): Finding => ({ level: "problem", what, advice });
const warning = (what: string, advice: string): Finding => ({ level: "warning", what, advice });

/** Whether visits of a link lead anywhere; other links need no check. */
export function isOpen(link: Link, now: number): boolean {
  return link.state === "active" && (link.expires_at === undefined || Date.parse(link.expires_at) > now) &&
    (link.max_uses === undefined || link.uses < link.max_uses);
}

/** Checks a link against the rules: each disallowed place, and an unknown flag. */
export function checkLink(link: Link, rules: Rules): Finding[] {
  const findings = checkPlaces(structuredClone(link) as unknown as LinkBody, rules)
    .map(({ path, why }) => problem(`${path} ${why}`, adviceOn(why)));
  if (link.flag_key !== undefined && !rules.flags.has(link.flag_key)) {
    findings.push(
      warning(
        `its flag ${link.flag_key} is not in the settings, so it is off`,
        "Add the setting, or remove flag_key from the link.",
      ),
    );
  }
  return findings;
}

function adviceOn(why: string): string {
  if (why.includes("allowlist")) {
    return "gatelink allowlist add HOST --for redirect, or change the link's target.";
  }
  if (why.includes("scheme")) {
    return "Add the scheme to the setting deeplinks.app_schemes, or change the link.";
  }
  if (why.includes("deeplinks.apps")) return "Add the app to the setting deeplinks.apps.";
  if (why.includes("business numbers")) return "Change the link to a number of this project.";
  return "Change the link.";
}

/** Statuses that reveal more about how a page treats programs than about the page. */
const SHY = new Set([401, 403, 405, 406, 408, 418, 425, 429, 451, 503]);

/** Checks a page that links lead to. `own` is the host of the links themselves. */
export function checkPage(page: Probe, own: string | undefined): Finding[] {
  const { status, hops, error } = page;
  const last = hops.at(-1);
  if (own !== undefined && hops.some(({ to }) => new URL(to).host === own)) {
    return [
      problem(`sends visitors back to a link (${last!.to})`, "Set the link's target to the final address."),
    ];
  }
  if (error !== undefined) return [problem(error, "Repair the page, or change the link's target.")];
  const findings: Finding[] = [];
  if (SHY.has(status!)) {
    findings.push(
      warning(`answers ${status} to a program`, "Open it in a browser to check whether people can see it."),
    );
  } else if (status! >= 400) {
    findings.push(problem(`answers ${status}`, "Repair the page, or change the link's target."));
  }
  if (hops.some(({ to }) => to.startsWith("http:") && !isLocal(to))) {
    findings.push(
      warning(`goes through http: (${last!.to})`, "Set the link's target to the final https address."),
    );
  } else if (hops.length > 1) {
    findings.push(
      warning(
        `redirects ${hops.length} times, to ${last!.to}`,
        "Set the link's target to that address: each redirect costs time.",
      ),
    );
  } else if (hops.length === 1 && (hops[0].status === 301 || hops[0].status === 308)) {
    findings.push(warning(`has moved permanently to ${last!.to}`, "Set the link's target to that address."));
  }
  return findings;
}

function isLocal(url: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/.test(url);
}

/** WhatsApp's limits for a preview image; other messengers allow more. */
const IMAGE = { bytes: 600_000, width: 300, ratio: 4 };
/** Bytes of an image that must be read to check it. */
export const IMAGE_BYTES = IMAGE.bytes + 1;

/** Checks a preview image. */
export function checkImage(image: Probe): Finding[] {
  const { status, headers, bytes, cut, error } = image;
  if (error !== undefined) return [problem(`the image cannot be fetched: ${error}`, "Change preview.image.")];
  if (status !== 200) return [problem(`the image answers ${status}`, "Change preview.image.")];
  const advice = `Use a JPEG or PNG of at least ${IMAGE.width} pixels, under ${IMAGE.bytes / 1000} kB.`;
  const type = headers.get("content-type") ?? "none";
  if (!/^image\//.test(type)) return [problem(`the file is ${type}, not an image`, advice)];
  if (/^image\/svg/.test(type)) return [warning("the image is SVG, which messengers do not show", advice)];
  if (cut) {
    return [
      warning(`the image has more than ${IMAGE.bytes / 1000} kB, which WhatsApp does not show`, advice),
    ];
  }
  let size: { width: number; height: number };
  try {
    size = imageSize(bytes);
  } catch {
    return [problem(`the image is not a readable ${type}`, advice)];
  }
  const { width, height } = size;
  if (width < IMAGE.width || width / height > IMAGE.ratio) {
    return [
      warning(`the image has ${width} x ${height} pixels, which WhatsApp does not show large`, advice),
    ];
  }
  return [];
}

/** The required contents of the domain's two files, by path. */
export const DOMAIN_FILES = {
  "/.well-known/apple-app-site-association": {
    asks: "Apple",
    of: (apps: Apps) => apps.ios.length,
    expected: appleAppSiteAssociation,
  },
  "/.well-known/assetlinks.json": {
    asks: "Google",
    of: (apps: Apps) => apps.android.length,
    expected: assetLinks,
  },
} as const;

/** Maximum size of the file that Apple reads, in bytes. */
export const DOMAIN_FILE_BYTES = 128 * 1024;

/** Checks one of the domain's files against the setting deeplinks.apps. `answer` must not have followed redirects. */
export function checkDomainFile(path: keyof typeof DOMAIN_FILES, answer: Probe, apps: Apps): Finding[] {
  const { asks, expected } = DOMAIN_FILES[path];
  const advice = "See docs/deploy.md, Link domain.";
  const wrong = (what: string) => [problem(`${path} ${what}`, advice)];
  const { status, headers, bytes, cut, error } = answer;
  if (error !== undefined) return wrong(`cannot be fetched: ${error}`);
  if (status! >= 300 && status! < 400) return wrong(`is a redirect, and ${asks} follows none`);
  if (status !== 200) return wrong(`answers ${status}`);
  const type = headers.get("content-type") ?? "none";
  if (!/^application\/json\b/.test(type)) return wrong(`is ${type}, and must be application/json`);
  if (cut) return wrong("has more than 128 KiB");
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return wrong("is not JSON");
  }
  const missing = apps && missingApps(expected(apps), found);
  return missing.length === 0 ? [] : wrong(
    `does not name ${
      missing.join(", ")
    } as the setting deeplinks.apps does: it is another file, or an old one`,
  );
}

/** Expected apps that the served file does not name, or names without one of their certificates. */
function missingApps(expected: unknown, found: unknown): string[] {
  const named = appsOf(found);
  return [...appsOf(expected)].filter(([name, prints]) => {
    const there = named.get(name);
    return there === undefined || prints.some((print) => !there.includes(print));
  }).map(([name]) => name);
}

interface Shape {
  applinks?: { details?: { appID?: string; appIDs?: string[] }[] };
  target?: { package_name?: string; sha256_cert_fingerprints?: string[] };
}

/** The apps in either file, with their certificates if it names them. */
function appsOf(file: unknown): Map<string, string[]> {
  const statements = Array.isArray(file) ? file as Shape[] : [];
  const details = (file as Shape | null)?.applinks?.details;
  return new Map([
    ...statements.map(({ target }) =>
      [target?.package_name ?? "", target?.sha256_cert_fingerprints ?? []] as [string, string[]]
    ),
    ...(Array.isArray(details) ? details : []).flatMap(({ appID, appIDs = [] }) =>
      [...appIDs, ...(appID === undefined ? [] : [appID])].map((id) => [id, []] as [string, string[]])
    ),
  ]);
}

/** The part of a link that needs a page of ours, which only a domain that serves HTML can show. */
export function needsHtml(link: Link): string | undefined {
  if (link.password) return "asks for a password";
  if (link.confirm) return "asks with a button";
  if (link.preview !== undefined) return "has a preview";
  const own = link.targets?.some(({ app }) => app?.fallback !== undefined && !/^https:/i.test(app.url));
  return own ? "opens an app by a custom scheme" : undefined;
}
