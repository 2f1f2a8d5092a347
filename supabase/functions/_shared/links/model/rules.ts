/**
 * What the whole installation allows links to do, read once from each revision of the configuration.
 *
 * @module
 */
import { PACKAGE } from "../../contract/link_limits.ts";
import { type Flag, type OnFlag, prepareFlags, type Segments, type Setting } from "../../flags/evaluate.ts";
import { type Limit, limitOf, LIMITS } from "../../contract/limits.ts";
import { type Allowlist, compileAllowlist } from "../../delivery/allowlist.ts";
import type { OwnCode } from "./own.ts";

/** Rules of one revision. The object is the same as long as nothing in it changed, so answers can be kept with it. */
export interface Rules {
  readonly flags: ReadonlyMap<string, Flag>;
  /** Hosts that links may lead to. */
  readonly allowlist: Allowlist;
  /** Whether links may lead to this machine, where the allowlist names it: for the local stack. */
  readonly allowLoopback: boolean;
  /** Schemes of apps, such as "myapp". */
  readonly schemes: ReadonlySet<string>;
  /** The team's own apps. */
  readonly apps: Apps;
  /** Business numbers: phone_number_id to digits. */
  readonly numbers: ReadonlyMap<string, string>;
  /** Origins of the admin panel, whose pages may manage links; see `panel.origins`. */
  readonly panelOrigins: ReadonlySet<string>;
  /** Requests of one key or person that manage links. */
  readonly manageLimit: Limit;
  /** Visits of one link that one network may make in a minute. */
  readonly visitsInMinute: number;
  /** Networks whose people are the team: `203.0.113.0/24, 2001:db8:1::/48`; empty for none. */
  readonly ownNetworks: string;
  /** Whether browsers that ask for privacy (Sec-GPC) are counted without being told apart. */
  readonly honoursGpc: boolean;
  /** How text and token of a chat are put together. */
  readonly textTemplate: string;
  /** Where people go on from an address that leads nowhere, as the setting has it: not yet checked. */
  readonly homeUrl: string | undefined;
  /** Knows the addresses of this installation's own links. */
  readonly ownCode?: OwnCode;
  /** Told what each flag that was asked said, and why. */
  readonly onFlag?: OnFlag;
}

/** The team's own apps, as their platforms ask who may open links of a domain. */
export interface Apps {
  /** `app_id`: team id and bundle id, "ABCDE12345.com.example.app". */
  readonly ios: readonly { readonly app_id: string; readonly paths?: readonly string[] }[];
  /** `sha256`: fingerprints of the certificates that sign it. */
  readonly android: readonly { readonly package: string; readonly sha256: readonly string[] }[];
}

/** Where a text says nothing of the token, it comes after a blank line. */
const DEFAULT_TEMPLATE = "{text}\n\n{ref}";

/** Schemes that browsers or systems run, read or store by themselves: no setting opens them. */
const NEVER = new Set([
  ...["about", "blob", "chrome", "content", "cid", "data", "devtools", "edge", "file", "filesystem", "ftp"],
  ...[
    "http",
    "https",
    "intent",
    "jar",
    "javascript",
    "livescript",
    "mhtml",
    "mocha",
    "ms-cxh",
    "ms-appinstaller",
  ],
  ...["ms-msdt", "res", "resource", "search-ms", "vbscript", "view-source", "ws", "wss"],
]);

/** What the rules are read from: as much of the configuration. */
export interface RulesSource {
  readonly settings: readonly Setting[];
  readonly segments?: Segments;
  readonly allowlist: readonly { readonly pattern: string; readonly purpose: string }[];
}

/**
 * Reads the rules from the configuration.
 *
 * Failure policy: closed. A setting that cannot be read allows nothing.
 */
export async function readRules(
  config: RulesSource,
  numbers: Readonly<Record<string, string>>,
  ownCode?: OwnCode,
): Promise<Rules> {
  const settings = new Map(config.settings.map(({ key, value }) => [key, value]));
  const hosts = config.allowlist.filter(({ purpose }) => purpose === "redirect").map(({ pattern }) =>
    pattern
  );
  const template = settings.get("deeplinks.text_template");
  return {
    flags: prepareFlags(config.settings, config.segments),
    allowlist: await compileAllowlist(hosts),
    allowLoopback: settings.get("deeplinks.allow_loopback") === "true",
    schemes: readSchemes(settings.get("deeplinks.app_schemes")),
    apps: readApps(settings.get("deeplinks.apps")),
    numbers: new Map(Object.entries(numbers)),
    panelOrigins: readOrigins(settings.get("panel.origins")),
    manageLimit: limitOf(LIMITS.manageLinks, settings.get(LIMITS.manageLinks.setting.key)),
    visitsInMinute: limitOf(LIMITS.visits, settings.get(LIMITS.visits.setting.key)).burst,
    ownNetworks: settings.get("deeplinks.own_networks") ?? "",
    honoursGpc: settings.get("deeplinks.honour_gpc") !== "false",
    textTemplate: template?.includes("{ref}") ? template : DEFAULT_TEMPLATE,
    homeUrl: settings.get("deeplinks.home_url") || undefined,
    ownCode,
  };
}

/** Origins, "https://admin.example.com, https://…", as a set; what is no origin is left out. */
function readOrigins(text = ""): ReadonlySet<string> {
  return new Set(
    text.split(/[\s,]+/).filter((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
  );
}

/** "myapp, otherapp" as a set; what is no scheme or never one is left out. */
function readSchemes(text = ""): ReadonlySet<string> {
  return new Set(
    text.toLowerCase().split(/[\s,]+/).filter((scheme) =>
      /^[a-z][a-z0-9+.-]{1,49}$/.test(scheme) && !NEVER.has(scheme)
    ),
  );
}

function readApps(text = "{}"): Apps {
  let value: { ios?: unknown; android?: unknown };
  try {
    value = JSON.parse(text) ?? {};
  } catch {
    value = {};
  }
  return {
    ios: objects(value.ios).flatMap(({ app_id, paths }) =>
      typeof app_id === "string" && /^[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,200}$/.test(app_id)
        ? [{
          app_id,
          ...(Array.isArray(paths) ? { paths: paths.filter((path) => typeof path === "string") } : {}),
        }]
        : []
    ),
    android: objects(value.android).flatMap(({ package: name, sha256 }) => {
      const prints = (Array.isArray(sha256) ? sha256 : [sha256])
        .filter((print): print is string =>
          typeof print === "string" && /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/i.test(print)
        );
      return typeof name === "string" && PACKAGE.test(name)
        ? [{ package: name, sha256: prints.map((p) => p.toUpperCase()) }]
        : [];
    }),
  };
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
}
