/**
 * A visit of a link: the facts about a request that resolving may use. Each is read on first use, since most links need
 * few.
 *
 * @module
 */
import { wantsJson } from "./accept.ts";
import { type InAppBrowser, type Platform, PLATFORMS } from "../../contract/link_limits.ts";
import { type Agent, agentOf, type Verdict } from "../../agents/agents.ts";
import { preferredLanguage } from "./languages.ts";

/** The facts of one visit. The same facts give the same decision. */
export interface Visit {
  /** Time in Unix milliseconds. */
  readonly now: number;
  readonly platform: Platform;
  readonly firefox: boolean;
  /** The app whose in-app browser it is. */
  readonly inApp: InAppBrowser | undefined;
  readonly verdict: Verdict;
  /** What the verdict is based on; undefined for a human. */
  readonly reason: string | undefined;
  /** Two upper-case letters, if the proxy in front provides it. */
  readonly country: string | undefined;
  /** The preferred language, in lower case. */
  readonly language: string | undefined;
  /** Host of the referring page, or id of the app (`android-app://com.example.app/`), in lower case. */
  readonly referrer: string | undefined;
  /** Id in the visitor's cookie if we signed it, or the id about to be set. */
  readonly visitor: string | undefined;
  /** Whether the visitor sent the cookie. */
  readonly returning: boolean;
  /** The audience user that the link names (`?u=`). */
  readonly user: string | undefined;
  /** The query unchanged, without the question mark. */
  readonly query: string;
  /** First value of a query parameter. */
  param(name: string): string | undefined;
  /** Whether the link's password was given, or its button pressed. */
  readonly unlocked: boolean;
}

/** Parameter with which a person continues from a page that is shown to machines. */
export const GO_ON = "gl_open";

/** Parameter in which an iPad identifies itself, which its User-Agent does not do. */
export const TOUCH = "gl_platform";

/** The cookie that keeps a visitor in one arm of a test, signed by us. Only set by links that need it. */
export const VISITOR_COOKIE = "gl_visitor";

const COOKIE = new RegExp(`(?:^|;\\s*)${VISITOR_COOKIE}=([a-z2-7]{16})\\.([0-9a-f]{16})(?:;|$)`);

/** What a visit is read from. */
export interface VisitSource {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
  /** Without the question mark. */
  readonly query: string;
  readonly now: number;
  /** Header with the country. */
  readonly countryHeader: string;
  /** Whether a browser's request for privacy (Sec-GPC) is honoured. */
  readonly honoursGpc?: boolean;
  /** Whether we signed the cookie with this id. */
  isOurs(visitor: string, signature: string): boolean;
  readonly unlocked?: boolean;
  /** Overrides the platform of the User-Agent. */
  readonly platform?: Platform;
}

/** A visit read from a request, each fact on first use. */
export class RequestVisit implements Visit {
  readonly now: number;
  readonly query: string;
  readonly verdict: Verdict;
  readonly reason: string | undefined;
  readonly unlocked: boolean;
  /** The visitor's hash, once computed. */
  hash: string | undefined;
  /** Kept whole: copying each member would cost every visit, and most visits read few. */
  readonly #source: VisitSource;
  readonly #agent: Agent;
  #private: boolean | undefined;
  #params: URLSearchParams | undefined;
  #language: string | null | undefined;
  #cookie: string | null | undefined;
  #given: string | undefined;

  constructor(source: VisitSource) {
    const { method, headers, query, now, unlocked = false } = source;
    this.now = now;
    this.query = query;
    this.unlocked = unlocked;
    this.#source = source;
    this.#agent = agentOf(headers.get("user-agent"));
    const purpose = headers.get("sec-purpose") || headers.get("purpose") || headers.get("x-purpose") ||
      headers.get("x-moz");
    if (purpose !== null && /prefetch|prerender|preview|instant/i.test(purpose)) {
      this.verdict = "prefetch";
      this.reason = "purpose_header";
    } else if (method === "HEAD") {
      this.verdict = "preview";
      this.reason = "head";
    } else if (this.#agent.verdict !== "human" && this.#isAPerson()) {
      this.verdict = "human";
    } else {
      this.verdict = this.#agent.verdict;
      this.reason = this.#agent.reason;
    }
  }

  /**
   * Whether a visitor counts as a person despite the User-Agent: an app's or service's own program that asks for the
   * decision, or a person who continued from a page shown to machines.
   */
  #isAPerson(): boolean {
    return this.#agent.library && wantsJson(this.#source.headers) ||
      this.query !== "" && this.param(GO_ON) === "1" && this.#agent.verdict === "preview";
  }

  /** Whether the visitor must not be recognised again: Global Privacy Control, https://www.w3.org/TR/gpc/. */
  get isPrivate(): boolean {
    return this.#private ??= this.#source.honoursGpc !== false && this.#source.headers.get("sec-gpc") === "1";
  }

  get returning(): boolean {
    return this.#brought() !== undefined;
  }

  get visitor(): string | undefined {
    return this.#brought() ?? this.#given;
  }

  /** Assigns an id to a visitor without a cookie. */
  give(visitor: string): void {
    this.#given = visitor;
  }

  #brought(): string | undefined {
    if (this.#cookie === undefined) {
      const header = this.isPrivate ? null : this.#source.headers.get("cookie");
      const [, visitor, signature] = (header === null ? null : COOKIE.exec(header)) ?? [];
      this.#cookie = visitor !== undefined && this.#source.isOurs(visitor, signature) ? visitor : null;
    }
    return this.#cookie ?? undefined;
  }

  /**
   * A caller that wants JSON may state its platform, since its User-Agent is that of a library: `?platform=ios`. So may
   * an iPad that identifies itself as a Mac: `?gl_platform=ios`.
   */
  get platform(): Platform {
    if (this.#source.platform !== undefined) return this.#source.platform;
    if (this.query === "" || !this.query.includes("platform=")) return this.#agent.platform;
    const stated = this.#agent.maybeIpad && this.param(TOUCH) === "ios"
      ? "ios"
      : wantsJson(this.#source.headers)
      ? this.param("platform")
      : undefined;
    return PLATFORMS.find((platform) => platform === stated) ?? this.#agent.platform;
  }

  /** Represents the browser in a visitor's hash. */
  get agentDigest(): string {
    return this.#agent.digest;
  }

  /** Whether a Mac may be an iPad and has not identified itself yet. */
  get maybeIpad(): boolean {
    return this.#agent.maybeIpad && this.param(TOUCH) === undefined;
  }

  get inApp(): InAppBrowser | undefined {
    return this.#agent.inApp;
  }

  get firefox(): boolean {
    return this.#agent.firefox;
  }

  get country(): string | undefined {
    const value = this.#source.headers.get(this.#source.countryHeader);
    // Cloudflare sends XX for unknown and T1 for Tor.
    return value !== null && value !== "XX" && /^[A-Z]{2}$/i.test(value) ? value.toUpperCase() : undefined;
  }

  get language(): string | undefined {
    if (this.#language === undefined) {
      this.#language = preferredLanguage(this.#source.headers.get("accept-language")) ?? null;
    }
    return this.#language ?? undefined;
  }

  get referrer(): string | undefined {
    const value = this.#source.headers.get("referer");
    return value === null
      ? undefined
      : /^(?:https?|(?:android|ios)-app):\/\/([a-z0-9._-]{1,253})(?=[:\/?#]|$)/i.exec(value)?.[1]
        .toLowerCase();
  }

  get user(): string | undefined {
    if (this.query === "") return undefined;
    const user = this.param("u");
    return user !== undefined && /^[!-~]{1,128}$/.test(user) ? user : undefined;
  }

  param(name: string): string | undefined {
    if (this.query === "") return undefined;
    return (this.#params ??= new URLSearchParams(this.query)).get(name) ?? undefined;
  }
}
