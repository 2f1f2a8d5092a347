/**
 * Visits of links: found, decided, answered, and the click written afterwards.
 *
 * Hot path: 30,000 visits a second on less than a core. A visit of a link that is in memory waits for nothing, parses
 * no URL and makes no promise; what a link does not ask for is not read.
 *
 * @module
 */
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Flag } from "../_shared/flags/evaluate.ts";
import type { Click } from "../_shared/links/click_lines.ts";
import type { Clicks } from "../_shared/links/clicks.ts";
import type { Link } from "../_shared/links/link.ts";
import { isPassword } from "../_shared/links/passwords.ts";
import { placeOf, wantsToken } from "../_shared/links/place.ts";
import type { Orphans } from "../_shared/links/orphans.ts";
import {
  type Decision,
  type Finding,
  LINKS_FLAG,
  needsVisitor,
  refuse,
  resolve,
} from "../_shared/links/resolve.ts";
import type { LinkStore } from "../_shared/links/store.ts";
import { randomToken } from "../_shared/links/tokens.ts";
import { RequestVisit, VISITOR_COOKIE } from "../_shared/links/visit.ts";
import { armOf } from "../_shared/rollouts/observe.ts";
import type { Outcome } from "../_shared/rollouts/outcomes.ts";
import { hashOf, isOwnAddress, networkOf } from "../_shared/links/visitors.ts";
import type { Call } from "./handler.ts";
import { forAnyOrigin } from "./cors.ts";
import { jsonAnswer, page, passwordForm, redirect, shown } from "./answers.ts";
import { appPage, previewPage } from "../_shared/links/pages.ts";

/** What visits need. */
export interface VisitDeps {
  store: LinkStore;
  clicks: Clicks;
  orphans: Orphans;
  /** Takes one use of a link with a limit; false when none is left. */
  takeUse(code: string): Promise<boolean>;
  /** Takes a guess at a link's password. */
  takePasswordAttempt(code: string, client: string | undefined): Promise<PasswordAttempt>;
  killed(feature: string): boolean;
  /** Throws a Problem unless the request carries a secret key. */
  requireSecretKey(headers: Headers): void;
  /** Counts for the guard of rollouts how it went for a visitor under the flags that had a say in it. */
  observe(flags: ReadonlyMap<string, Flag>, keys: string[], visitor: string, outcome: Outcome): void;
  /** Header with the visitor's address that nobody can forge; undefined where there is none. */
  clientIpHeader: string | undefined;
  countryHeader: string;
  /** Whether HTML gets to the visitor as HTML. */
  servesHtml(request: Request): boolean;
  /** The link's address as people know it: a proxy may stand in front of the one that was asked. */
  urlOf(request: Request, code: string): { url: string };
  now(): number;
}

/** What `take_password_attempt` gives. */
export interface PasswordAttempt {
  allowed: boolean;
  retry_after_ms: number;
  hash: string | null;
}

/** How a visit is to be answered. */
interface How {
  readonly unlocked: boolean;
  /** 302; 303 after a POST, so that the browser goes on with GET. */
  readonly status: 302 | 303;
}

const PLAIN: How = { unlocked: false, status: 302 };
const UNLOCKED: How = { unlocked: true, status: 303 };
/** What a code can be. */
const CODE = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** A form with one password. */
const MAX_FORM_BYTES = 4096;

/** Makes the answers to visits. */
export function createVisits(deps: VisitDeps) {
  const { store, clicks, orphans } = deps;

  function visit(call: Call, code: string): Response | Promise<Response> {
    try {
      const answered = withLink(call, code, (link) => answer(call, link, PLAIN));
      return answered instanceof Promise ? answered.catch((error) => refusal(call, error)) : answered;
    } catch (error) {
      return refusal(call, error);
    }
  }

  /** An SDK on a page of another origin has to be able to read why not. */
  function refusal({ request }: Call, error: unknown): never {
    throw wantsJson(request) ? forAnyOrigin(error) : error;
  }

  /** Hands on the link as soon as it is there: at once when it is in memory. */
  function withLink(
    call: Call,
    code: string,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response> {
    const waiting = store.ready();
    if (waiting !== undefined) return waiting.then(() => withLink(call, code, then));
    const network = orphans.limiting() ? networkOf(addressOf(call.request) ?? "") : undefined;
    const refusedFor = orphans.refusedFor(network);
    if (refusedFor > 0) {
      throw new Problem("rate_limited", { headers: { "retry-after": String(Math.ceil(refusedFor / 1000)) } });
    }
    const link = store.peek(code);
    if (link === undefined && !CODE.test(code)) return found(call, code, undefined, then);
    if (link === undefined) return store.load(code).then((link) => found(call, code, link, then));
    return found(call, code, link, then);
  }

  function found(
    call: Call,
    code: string,
    link: Link | null | undefined,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response> {
    if (link != null) return then(link);
    // A code that is known to be nobody's costs nothing more: a misprint has many visitors, and teaches nobody anything.
    const network = link === null ? undefined : networkOf(addressOf(call.request) ?? "");
    orphans.visited(code, network, network && hashOf(store.keys, deps.now(), "client", network));
    throw new Problem("link_not_found");
  }

  /** Of a list (x-forwarded-for) the last: what the nearest proxy added, and not what a visitor made up. */
  function addressOf({ headers }: Request): string | undefined {
    const value = deps.clientIpHeader === undefined ? null : headers.get(deps.clientIpHeader);
    return value === null ? undefined : value.slice(value.lastIndexOf(",") + 1).trim();
  }

  function answer(call: Call, link: Link, how: How): Response | Promise<Response> {
    const { request: { method, headers }, query } = call;
    const { rules } = store;
    const visit = new RequestVisit({
      method,
      headers,
      query,
      now: deps.now(),
      countryHeader: deps.countryHeader,
      unlocked: how.unlocked,
    });
    if (query !== "" && visit.param("explain") === "1") return explain(call, link, visit);
    const isNew = needsVisitor(link, rules) && visit.verdict === "human" && visit.visitor === undefined;
    if (isNew) visit.give(randomToken());
    const decision = resolve(link, visit, rules, killedNow(visit.now));
    if (decision.outcome === "go" && link.limited) {
      // Before the answer: of those who come at once no more may pass than there are uses left.
      return deps.takeUse(link.code).then((granted) => {
        if (granted) return respond(call, link, visit, decision, how, isNew);
        link.usedUp = true;
        return respond(call, link, visit, refuse(link, rules, "link_used_up"), how, false);
      }, (error) => {
        went(call, link, visit, true);
        throw error;
      });
    }
    return respond(call, link, visit, decision, how, isNew);
  }

  let killed = false, killedRead = 0;

  /** The kill switch, read once a second: reading the environment costs as much as a tenth of a visit. */
  function killedNow(now: number): boolean {
    if (Math.abs(now - killedRead) >= 1000) {
      killed = deps.killed(LINKS_FLAG);
      killedRead = now;
    }
    return killed;
  }

  function respond(
    call: Call,
    link: Link,
    visit: RequestVisit,
    decision: Decision,
    how: How,
    isNew: boolean,
  ): Response {
    const { request } = call;
    if ("code" in decision && decision.code === "link_blocked") went(call, link, visit, true);
    const asJson = wantsJson(request);
    if (decision.outcome === "refuse") {
      if (decision.code === "link_password_required" && !asJson && deps.servesHtml(request)) {
        return passwordForm(false);
      }
      throw new Problem(decision.code);
    }
    if (
      decision.outcome === "show" ||
      (link.preview !== undefined && visit.verdict === "preview" && !asJson && deps.servesHtml(request))
    ) {
      record(call, link, visit, "preview", undefined);
      return shown(
        link,
        asJson,
        deps.servesHtml(request),
        (nonce) => previewPage(link.preview ?? {}, deps.urlOf(request, link.code).url, nonce),
      );
    }
    const { target } = decision;
    const token = wantsToken(target, visit) ? randomToken() : undefined;
    const place = placeOf(target, link, visit, store.rules, token);
    record(call, link, visit, decision.outcome === "fallback" ? "fallback" : place.kind, token);
    if (decision.outcome === "go") went(call, link, visit, false);
    const cookie = isNew
      ? `${VISITOR_COOKIE}=${visit.visitor}; Path=/; Max-Age=15552000; SameSite=Lax; HttpOnly`
      : undefined;
    if (asJson) {
      const because = decision.outcome === "fallback" ? decision.code : decision.because;
      return jsonAnswer({
        code: link.code,
        kind: place.kind,
        url: place.location,
        otherwise: place.otherwise,
        token,
        because,
      }, cookie);
    }
    const { otherwise } = place;
    if (otherwise !== undefined && visit.verdict === "human" && deps.servesHtml(request)) {
      return page(200, (nonce) => appPage(place.location, otherwise, nonce), cookie);
    }
    return redirect(how.status, place.location, call.context, cookie);
  }

  function record(
    { request }: Call,
    link: Link,
    visit: RequestVisit,
    kind: NonNullable<Click["k"]>,
    token: string | undefined,
  ): void {
    const click: Click = { code: link.code, t: visit.now, p: visit.platform };
    if (kind !== "web") click.k = kind;
    const { country, referrer, user } = visit;
    if (country !== undefined) click.y = country;
    if (referrer !== undefined) click.f = referrer;
    if (user !== undefined) click.u = user;
    if (token !== undefined) click.o = token;
    if (visit.verdict !== "human") {
      click.v = visit.verdict;
      click.r = visit.reason;
    } else {
      click.h = visitorOf(request, visit);
      const address = link.fingerprint ? addressOf(request) : undefined;
      if (address !== undefined && token !== undefined && kind !== "whatsapp" && isOwnAddress(address)) {
        click.g = fingerprintOf(visit.now, address, visit.platform);
      }
    }
    clicks.record(click);
  }

  /**
   * How a visit went. Only people count, and only what the feature can help: a link that has ended is no failure of it.
   * Where the flag is on for a part, each of them has an id; else the day's hash stands for the person.
   */
  function went({ request }: Call, link: Link, visit: RequestVisit, failed: boolean): void {
    if (visit.verdict !== "human" || killedNow(visit.now)) return;
    const { rules: { flags } } = store;
    const who = visit.user ?? visit.visitor ?? visitorOf(request, visit);
    if (who === undefined) return;
    // Under its own flag a link goes for those whom links work for at all.
    const own = link.flagKey !== undefined && armOf(flags, LINKS_FLAG, who) === "on" ? [link.flagKey] : [];
    deps.observe(flags, [LINKS_FLAG, ...own], who, { failed, latencyMs: deps.now() - visit.now });
  }

  /** What stands for the visitor on this day; undefined without an address that can be trusted. */
  function visitorOf(request: Request, visit: RequestVisit): string | undefined {
    if (visit.hash !== undefined) return visit.hash;
    const address = addressOf(request);
    if (address === undefined || address === "") return undefined;
    return visit.hash = hashOf(store.keys, visit.now, address, visit.agentDigest);
  }

  /** What an app's first open has in common with the click before it: network, platform, and the day. */
  function fingerprintOf(now: number, address: string, platform: string): string | undefined {
    return hashOf(store.keys, now, "fingerprint", networkOf(address) ?? "", platform);
  }

  /** Why a visit like this one would go where it would go. Counts nothing, takes nothing, tells no token. */
  function explain({ request }: Call, link: Link, visit: RequestVisit): Response {
    deps.requireSecretKey(request.headers);
    const trace: Finding[] = [];
    const decision = resolve(
      link,
      visit,
      store.rules,
      deps.killed(LINKS_FLAG),
      (finding) => trace.push(finding),
    );
    const place = "target" in decision
      ? placeOf(decision.target, link, visit, store.rules, undefined)
      : undefined;
    const { platform, verdict, reason, country, language, referrer, visitor, returning, user } = visit;
    return jsonAnswer({
      code: link.code,
      outcome: decision.outcome,
      because: "because" in decision ? decision.because : "code" in decision ? decision.code : undefined,
      kind: place?.kind,
      url: place?.location,
      otherwise: place?.otherwise,
      visit: { platform, verdict, reason, country, language, referrer, visitor, returning, user },
      findings: trace,
    });
  }

  /** `POST /{code}` with a form or JSON `{"password"}`. */
  function unlock(call: Call, code: string): Response | Promise<Response> {
    return withLink(call, code, async (link) => {
      const { request } = call;
      const password = await passwordOf(request);
      if (!link.password) return await answer(call, link, UNLOCKED);
      const network = networkOf(addressOf(request) ?? "");
      const client = network && hashOf(store.keys, deps.now(), "client", network);
      const attempt = await deps.takePasswordAttempt(code, client);
      if (!attempt.allowed || attempt.hash === null) {
        throw new Problem("rate_limited", {
          headers: { "retry-after": String(Math.ceil(attempt.retry_after_ms / 1000) || 1) },
        });
      }
      if (await isPassword(password, attempt.hash)) return await answer(call, link, UNLOCKED);
      if (isForm(request) && deps.servesHtml(request)) return passwordForm(true);
      throw new Problem("link_password_wrong");
    });
  }

  return { visit, unlock, withLink, fingerprintOf, addressOf };
}

function wantsJson({ headers }: Request): boolean {
  return headers.get("accept")?.includes("application/json") ?? false;
}

function isForm({ headers }: Request): boolean {
  return headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") ?? false;
}

async function passwordOf(request: Request): Promise<string> {
  const text = new TextDecoder().decode(await readBody(request, MAX_FORM_BYTES));
  let password: unknown;
  if (isForm(request)) {
    password = new URLSearchParams(text).get("password");
  } else {
    try {
      password = (JSON.parse(text) as { password?: unknown } | null)?.password;
    } catch (cause) {
      throw new Problem("invalid_json", { cause });
    }
  }
  if (typeof password !== "string" || password === "") {
    throw new Problem("invalid_request", { detail: "`password` is missing." });
  }
  return password;
}
