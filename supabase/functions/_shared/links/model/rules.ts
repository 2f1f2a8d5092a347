/**
 * What the whole installation allows links to do, read once from each revision of the configuration.
 *
 * @module
 */
import { type Flag, type OnFlag, prepareFlags, type Segments, type Setting } from "../../flags/evaluate.ts";
import { type Limit, limitOf, LIMITS } from "../../contract/limits.ts";
import { type Allowlist, compileAllowlist } from "../../delivery/allowlist.ts";
import type { OwnCode } from "./own.ts";
import { type Apps, APPS_SETTING, appsFault, readApps } from "./apps.ts";

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
  /** What is wrong with the setting that lists them. */
  readonly appsFault: string | undefined;
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
    apps: readApps(settings.get(APPS_SETTING)),
    appsFault: appsFault(settings.get(APPS_SETTING) ?? "{}"),
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
