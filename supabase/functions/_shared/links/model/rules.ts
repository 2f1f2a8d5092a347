/**
 * What the installation allows links to do, read once per revision of the configuration.
 *
 * @module
 */
import { type Flag, type OnFlag, prepareFlags, type Segments, type Setting } from "../../flags/evaluate.ts";
import { type Limit, limitOf, LIMITS } from "../../contract/limits.ts";
import { type Allowlist, compileAllowlist } from "../../delivery/allowlist.ts";
import type { OwnCode } from "./own.ts";
import { type Apps, APPS_SETTING, appsFault, readApps } from "./apps.ts";

/**
 * The rules of one revision. The object stays the same while nothing in it changes, so results can be cached with it.
 */
export interface Rules {
  readonly flags: ReadonlyMap<string, Flag>;
  /** Hosts that links may lead to. */
  readonly allowlist: Allowlist;
  /** Whether links may lead to this machine if the allowlist names it: for the local stack. */
  readonly allowLoopback: boolean;
  /** Schemes of apps, such as "myapp". */
  readonly schemes: ReadonlySet<string>;
  /** The team's own apps. */
  readonly apps: Apps;
  /** The fault in the setting that lists them. */
  readonly appsFault: string | undefined;
  /** Business numbers: phone_number_id to digits. */
  readonly numbers: ReadonlyMap<string, string>;
  /** Origins of the admin panel, whose pages may manage links; see `panel.origins`. */
  readonly panelOrigins: ReadonlySet<string>;
  /** Request limit of one key or person that manages links. */
  readonly manageLimit: Limit;
  /** Maximum visits of one link by one network in a minute. */
  readonly visitsInMinute: number;
  /** Networks of the team, whose visits are its own: `203.0.113.0/24, 2001:db8:1::/48`; empty for none. */
  readonly ownNetworks: string;
  /** The word by which a browser of the team marks itself as one; empty for none. */
  readonly ownKey: string;
  /** Whether browsers that request privacy (Sec-GPC) are counted without distinguishing them. */
  readonly honoursGpc: boolean;
  /** Template that combines a chat's text and token. */
  readonly textTemplate: string;
  /** Where people continue from an address that leads nowhere: the value of the setting, not yet checked. */
  readonly homeUrl: string | undefined;
  /** Recognises the addresses of this installation's own links. */
  readonly ownCode?: OwnCode;
  /** Called with the result and reason of each flag that was evaluated. */
  readonly onFlag?: OnFlag;
}

/** Places the token after a blank line if the text does not place it. */
const DEFAULT_TEMPLATE = "{text}\n\n{ref}";

/** Schemes that browsers or systems execute, read or store by themselves: no setting allows them. */
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

/** The parts of the configuration that the rules are read from. */
export interface RulesSource {
  readonly settings: readonly Setting[];
  readonly segments?: Segments;
  readonly allowlist: readonly { readonly pattern: string; readonly purpose: string }[];
}

/**
 * Reads the rules from the configuration.
 *
 * Failure policy: closed. A setting that cannot be parsed allows nothing.
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
    ownKey: readOwnKey(settings.get("deeplinks.own_key")),
    honoursGpc: settings.get("deeplinks.honour_gpc") !== "false",
    textTemplate: template?.includes("{ref}") ? template : DEFAULT_TEMPLATE,
    homeUrl: settings.get("deeplinks.home_url") || undefined,
    ownCode,
  };
}

/** Parses origins, "https://admin.example.com, https://…", into a set; invalid ones are ignored. */
function readOrigins(text = ""): ReadonlySet<string> {
  return new Set(
    text.split(/[\s,]+/).filter((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
  );
}

/** A word that can stand in an address and is not guessed; others mark nobody. */
function readOwnKey(text = ""): string {
  return /^[\w-]{8,100}$/.test(text) ? text : "";
}

/** Parses "myapp, otherapp" into a set; invalid and forbidden schemes are ignored. */
function readSchemes(text = ""): ReadonlySet<string> {
  return new Set(
    text.toLowerCase().split(/[\s,]+/).filter((scheme) =>
      /^[a-z][a-z0-9+.-]{1,49}$/.test(scheme) && !NEVER.has(scheme)
    ),
  );
}
