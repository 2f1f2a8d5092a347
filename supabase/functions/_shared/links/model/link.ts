/**
 * A link in an isolate's memory: small, since there are thousands, and ready to be resolved.
 *
 * @module
 */
import type { LINK_STATES } from "../../contract/link_fields.ts";
import type { Chat, LinkBody, Target as TargetRow } from "../../contract/links.ts";
import { compileWhen, type Test } from "./when.ts";
import {
  type ChatAddress,
  chatAddress,
  checkApp,
  checkPackage,
  checkWeb,
  isPlay,
  isStore,
  withParams,
  withReferrer,
} from "./urls.ts";
import type { Rules } from "./rules.ts";

/** A link as `get_links` returns it; fields with their default value are omitted. */
export interface LinkRow {
  readonly code: string;
  readonly default_url?: string;
  readonly targets?: readonly TargetRow[];
  readonly whatsapp?: Chat;
  /** Unix milliseconds. */
  readonly starts_at?: number;
  readonly expires_at?: number;
  readonly expired_url?: string;
  readonly max_uses?: number;
  readonly used_up?: boolean;
  readonly confirm?: boolean;
  readonly utm?: Utm;
  readonly pass_query?: boolean;
  readonly flag_key?: string;
  readonly preview?: Preview;
  readonly fingerprint?: boolean;
  readonly state?: LinkState;
  readonly password?: boolean;
}

/** Whether a link may be used at all. */
export type LinkState = typeof LINK_STATES[number];
/** Campaign parameters, without their prefix. */
export type Utm = NonNullable<LinkBody["utm"]>;
/** What a messenger shows. */
export type Preview = NonNullable<LinkBody["preview"]>;

/** A place that a link leads to. */
export type Target = WebTarget | AppTarget | ChatTarget;

/** Caches whether a link may lead to this place, for as long as the rules are the same. */
abstract class Permitted {
  #rules: Rules | undefined;
  #ok = false;

  /** Whether the rules allow this place now. */
  permitted(rules: Rules): boolean {
    if (this.#rules !== rules) {
      this.#ok = this.check(rules);
      this.#rules = rules;
    }
    return this.#ok;
  }

  protected abstract check(rules: Rules): boolean;
}

/** A page, or an app's page in a store. */
export class WebTarget extends Permitted {
  /** The stored address; once the check has allowed it, the address that the check returned. */
  url: string;
  /** Code of the link of this installation that this leads to. */
  own: string | undefined;
  readonly #stored: string;

  constructor(readonly kind: "web" | "store", stored: string, readonly utm?: Utm) {
    super();
    this.#stored = this.url = stored;
  }

  protected check(rules: Rules): boolean {
    const check = checkWeb(this.#stored, rules);
    if (check.ok) this.url = this.utm === undefined ? check.url : withUtm(check.url, this.utm);
    this.own = check.ok ? rules.ownCode?.(check.url) : undefined;
    return check.ok;
  }
}

/** An app. */
export class AppTarget extends Permitted {
  readonly kind = "app";
  readonly fallback: WebTarget | undefined;
  url: string;
  /** Code of the link of this installation that this leads to. */
  own: string | undefined;
  readonly #stored: string;

  constructor(stored: string, readonly packageName: string | undefined, fallback: string | undefined) {
    super();
    this.#stored = this.url = stored;
    this.fallback = fallback === undefined ? undefined : new WebTarget("store", fallback);
  }

  /** Whether browsers open the address like any page: a universal link. */
  get universal(): boolean {
    return this.url.startsWith("https:");
  }

  protected check(rules: Rules): boolean {
    const check = checkApp(this.#stored, rules);
    if (check.ok) this.url = check.url;
    this.own = check.ok ? rules.ownCode?.(check.url) : undefined;
    return check.ok && (this.packageName === undefined || checkPackage(this.packageName, rules)) &&
      (this.fallback === undefined || this.fallback.permitted(rules));
  }
}

/** A chat with one of our numbers. */
export class ChatTarget extends Permitted {
  readonly kind = "whatsapp";
  readonly own = undefined;
  address: ChatAddress | undefined;

  constructor(readonly numberId: string, readonly text: string) {
    super();
  }

  protected check(rules: Rules): boolean {
    const number = rules.numbers.get(this.numberId);
    this.address = number === undefined ? undefined : chatAddress(number, this.text, rules.textTemplate);
    return this.address !== undefined;
  }
}

/** One rule, compiled. */
export interface Rule {
  readonly tests: readonly Test[];
  /** Percentage of the visitors; undefined for all. */
  readonly weight: number | undefined;
  readonly target: Target;
}

/** A link, ready to be resolved. */
export class Link {
  readonly code: string;
  readonly state: LinkState;
  readonly startsAt: number;
  readonly expiresAt: number;
  readonly limited: boolean;
  /** Whether people must press a button before they continue, so that only people use the link. */
  readonly confirm: boolean;
  /** Also set when the database grants no further use. */
  usedUp: boolean;
  readonly password: boolean;
  readonly flagKey: string | undefined;
  readonly rules: readonly Rule[];
  readonly chat: ChatTarget | undefined;
  readonly web: WebTarget | undefined;
  readonly expired: WebTarget | undefined;
  readonly passQuery: boolean;
  /** Whether a visitor must be recognised: for shares, or to distinguish new from returning. */
  readonly asksForVisitor: boolean;
  /**
   * Whether a rule matches iPhones and iPads, or Macs, but not both: then the link must know whether a Mac is an iPad.
   */
  readonly partsApple: boolean;
  readonly preview: Preview | undefined;
  readonly fingerprint: boolean;

  constructor(row: LinkRow) {
    // A store is recognised by its address.
    const web = (kind: "web" | "store", url: string) =>
      new WebTarget(kind === "store" || isStore(url) ? "store" : "web", url, row.utm);
    this.code = row.code;
    this.state = row.state ?? "active";
    this.startsAt = row.starts_at ?? 0;
    this.expiresAt = row.expires_at ?? Infinity;
    this.limited = row.max_uses !== undefined;
    this.confirm = row.confirm ?? false;
    this.usedUp = row.used_up ?? false;
    this.password = row.password ?? false;
    this.flagKey = row.flag_key;
    this.rules = row.targets === undefined ? NONE : row.targets.flatMap((target) => ruleOf(target, web));
    this.chat = row.whatsapp && chatOf(row.whatsapp);
    this.web = row.default_url === undefined ? undefined : web("web", row.default_url);
    this.expired = row.expired_url === undefined ? undefined : new WebTarget("web", row.expired_url);
    this.passQuery = row.pass_query ?? false;
    this.asksForVisitor = this.rules.some(({ weight, tests }) =>
      weight !== undefined || tests.some(({ name }) => name === "visitor")
    );
    this.partsApple = row.targets?.some(partsApple) ?? false;
    this.preview = row.preview;
    this.fingerprint = row.fingerprint ?? false;
  }
}

const NONE: readonly Rule[] = [];

function partsApple({ when }: TargetRow): boolean {
  const platforms: unknown = when?.platform;
  return Array.isArray(platforms) && platforms.includes("ios") !== platforms.includes("macos");
}

function ruleOf(row: TargetRow, web: (kind: "web" | "store", url: string) => WebTarget): Rule[] {
  const target = row.url !== undefined
    ? web("web", row.url)
    : row.store !== undefined
    ? web("store", row.store)
    : row.app !== undefined
    ? new AppTarget(row.app.url, row.app.package, row.app.fallback)
    : row.whatsapp !== undefined
    ? chatOf(row.whatsapp)
    : undefined;
  if (target === undefined) return [];
  const { weight } = row.when ?? {};
  return [{ tests: compileWhen(row.when ?? {}), weight, target }];
}

function chatOf({ phone_number_id, text = "" }: Chat): ChatTarget {
  return new ChatTarget(phone_number_id, text);
}

function withUtm(url: string, utm: Utm): string {
  const params = Object.entries(utm).map(([name, value]): [string, string] => [`utm_${name}`, value]);
  return isPlay(url) ? withReferrer(url, params) : withParams(url, params);
}
