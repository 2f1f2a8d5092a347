/**
 * Visits of links: finds the link, decides, answers.
 *
 * Hot path: 30,000 visits a second on less than one core. A visit of a link in memory waits for nothing, parses no URL
 * and creates no promise; facts that the link does not need are not read.
 *
 * @module
 */
import { wantsJson } from "../_shared/links/visitor/accept.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { LINK_CODE } from "../_shared/contract/names.ts";
import { placeOf, wantsToken } from "../_shared/links/answer/address.ts";
import type { Orphans } from "../_shared/links/limits/orphans.ts";
import { type Decision, needsVisitor, refuse, resolve } from "../_shared/links/answer/resolve.ts";
import { isOurVisitor, visitorCookie } from "../_shared/links/visitor/cookies.ts";
import { GO_ON, RequestVisit, TOUCH } from "../_shared/links/visitor/visit.ts";
import type { LinkDecision } from "../_shared/contract/http/links.ts";
import { appPage, confirmPage, inAppPage, previewPage, touchPage } from "../_shared/links/answer/pages.ts";
import { wordsFor } from "../_shared/links/answer/page_words.ts";
import { waysOut } from "../_shared/links/answer/ways_out.ts";
import type { Platform } from "../_shared/contract/link_limits.ts";
import { jsonAnswer, page, passwordForm, redirect, shown } from "./answers.ts";
import { createRefusals, type RefusalDeps } from "./refusals.ts";
import type { Explain } from "./explain.ts";
import type { VisitCall } from "./routes.ts";
import type { VisitRecorder } from "./record_visit.ts";

/** Dependencies of {@linkcode createVisits}. */
export interface VisitDeps extends RefusalDeps {
  orphans: Orphans;
  kept: VisitRecorder;
  explain: Explain;
  /** Takes one use of a link with a limit; false if none is left. */
  takeUse(code: string): Promise<boolean>;
  /** Whether the kill switch is on at this time, in Unix milliseconds. */
  killed(now: number): boolean;
  countryHeader: string;
  now(): number;
}

/** How to answer a visit. */
interface How {
  readonly unlocked: boolean;
  /** 302; 303 after a POST, so that the browser continues with GET. */
  readonly status: 302 | 303;
}

const PLAIN: How = { unlocked: false, status: 302 };
const UNLOCKED: How = { unlocked: true, status: 303 };

/** Creates the handlers of visits. */
export function createVisits(deps: VisitDeps) {
  const { store, orphans, kept, killed } = deps;
  const { record, went } = kept;
  const { refusal, refusalPage, root } = createRefusals(deps);
  const isOurs = (visitor: string, signature: string) => isOurVisitor(store.cookieKey, visitor, signature);

  function visit(call: VisitCall, code: string): Response | Promise<Response> {
    try {
      const answered = withLink(call, code, (link) => answer(call, link, PLAIN));
      return answered instanceof Promise ? answered.catch((error) => refusal(call, error, code)) : answered;
    } catch (error) {
      return refusal(call, error, code);
    }
  }

  /** Calls back with the link once it is loaded: synchronously if it is in memory. */
  function withLink(
    call: VisitCall,
    code: string,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response> {
    const waiting = store.ready();
    if (waiting !== undefined) return waiting.then(() => withLink(call, code, then));
    const network = orphans.limiting() ? kept.networkOfCall(call) : undefined;
    const refusedFor = orphans.refusedFor(network);
    if (refusedFor > 0) {
      throw new Problem("rate_limited", { headers: { "retry-after": String(Math.ceil(refusedFor / 1000)) } });
    }
    const link = store.peek(code);
    // Browsers and robots request paths such as /favicon.ico by themselves.
    if (link === undefined && !LINK_CODE.test(code)) throw unknown(code, undefined);
    if (link === undefined) return store.load(code).then((link) => found(call, code, link, then));
    return found(call, code, link, then);
  }

  function found(
    call: VisitCall,
    code: string,
    link: Link | null | undefined,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response> {
    if (link != null) {
      kept.keepPace(call, link);
      return then(link);
    }
    // A code known to be unused is not charged: a misprint has many visitors, and reveals nothing to them.
    throw unknown(code, link === null ? undefined : kept.networkOfCall(call));
  }

  /** Counts a visit of a code that no link has. Only visitors who tried a possible code are charged. */
  function unknown(code: string, network: string | undefined): Problem {
    orphans.visited(code, network, kept.clientOf(network));
    return new Problem("link_not_found");
  }

  function answer(call: VisitCall, link: Link, how: How): Response | Promise<Response> {
    const visit = visitOf(call, how.unlocked);
    const { query } = call;
    if (query !== "" && visit.param("explain") === "1") return deps.explain(call, link, visit);
    try {
      return sendOn(call, link, visit, how);
    } catch (error) {
      if (!(error instanceof Problem)) went(call, link, visit, true);
      throw error;
    }
  }

  /** @param platform Overrides the platform of the User-Agent. */
  function visitOf(
    { request: { method, headers }, query }: VisitCall,
    unlocked: boolean,
    platform?: Platform,
  ): RequestVisit {
    const { countryHeader } = deps;
    return new RequestVisit({
      method,
      headers,
      query,
      now: deps.now(),
      countryHeader,
      isOurs,
      honoursGpc: store.rules.honoursGpc,
      unlocked,
      platform,
    });
  }

  /** Asks for the device if a Mac and an iPad go to different places; undefined if that does not matter. */
  function touchAnswer(call: VisitCall, link: Link, visit: RequestVisit): Response | undefined {
    const { request } = call;
    if (visit.verdict !== "human" || !visit.maybeIpad || !canAsk(request)) return undefined;
    const [ipad, mac] = (["ios", "macos"] as const).map((platform) =>
      resolve(link, visitOf(call, true, platform), store.rules, killed(visit.now))
    );
    const isSame = "target" in ipad ? "target" in mac && ipad.target === mac.target : !("target" in mac);
    if (isSame) return undefined;
    const [asIpad, asMac] = ["ios", "macos"].map((platform) => `?${withParam(visit.query, TOUCH, platform)}`);
    return page(200, (nonce) => touchPage(asIpad, asMac, wordsOf(request), nonce));
  }

  /** Whether the visitor can be asked by a page. */
  function canAsk(request: Request): boolean {
    return !wantsJson(request.headers) && deps.servesHtml(request);
  }

  function sendOn(call: VisitCall, link: Link, visit: RequestVisit, how: How): Response | Promise<Response> {
    const { rules } = store;
    const touch = link.partsApple && !how.unlocked ? touchAnswer(call, link, visit) : undefined;
    if (touch !== undefined) return touch;
    const isNew = needsVisitor(link, rules) && visit.verdict === "human" && visit.visitor === undefined;
    if (isNew) visit.give(kept.visitorIdFor(call, visit));
    const decided = resolve(link, visit, rules, killed(visit.now));
    if (decided.outcome === "ask" && canAsk(call.request)) {
      return page(200, (nonce) => confirmPage(link.preview ?? {}, wordsOf(call.request), nonce));
    }
    // An app asks after its user has decided. Failure policy: open if pages can no longer be served, since a link that
    // nobody can use is worse than one that a program uses up.
    const decision: Decision = decided.outcome === "ask" ? { ...decided, outcome: "go" } : decided;
    if (decision.outcome === "go" && link.limited) {
      // Taken before the answer, so that no more concurrent visits pass than there are uses left.
      return deps.takeUse(link.code).then((granted) => {
        if (granted) return respond(call, link, visit, decision, how, isNew);
        link.usedUp = true;
        return respond(call, link, visit, refuse(link, visit, rules, "link_used_up"), how, false);
      }, (error) => {
        went(call, link, visit, true);
        throw error;
      });
    }
    return respond(call, link, visit, decision, how, isNew);
  }

  function respond(
    call: VisitCall,
    link: Link,
    visit: RequestVisit,
    decision: Decision,
    how: How,
    isNew: boolean,
  ): Response {
    const { request } = call;
    const asJson = wantsJson(request.headers);
    if (decision.outcome === "refuse") {
      if (decision.code === "link_password_required" && !asJson && deps.servesHtml(request)) {
        return passwordForm(false, request);
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
        (nonce) => {
          const { url } = deps.urlOf(request, link.code);
          const goOn = `?${withParam(visit.query, GO_ON, "1")}`;
          return previewPage(link.preview ?? {}, url, goOn, wordsOf(request), nonce);
        },
      );
    }
    const { target } = decision;
    const isTracked = decision.outcome === "go" && wantsToken(target, link, visit);
    const token = isTracked ? kept.tokenFor(call, link, visit) : undefined;
    const place = placeOf(target, link, visit, store.rules, token, asJson);
    if (decision.outcome === "go") {
      record(call, link, visit, place.kind, token, decision.because);
      went(call, link, visit, false);
    } else {
      record(call, link, visit, "fallback", token);
    }
    const cookie = cookieFor(call, visit, isNew);
    if (asJson) {
      const because = decision.outcome === "fallback" ? decision.code : decision.because;
      return jsonAnswer(
        {
          code: link.code,
          kind: place.kind,
          url: place.location,
          otherwise: place.otherwise,
          token,
          because,
        } satisfies LinkDecision,
        cookie,
      );
    }
    const { otherwise, ways, byTap } = place;
    if (ways !== undefined && deps.servesHtml(request)) {
      const out = waysOut(ways, place, visit, link, deps.urlOf(request, link.code).url);
      return page(200, (nonce) => inAppPage(out, wordsOf(request), nonce), cookie);
    }
    if (otherwise !== undefined && visit.verdict === "human" && deps.servesHtml(request)) {
      return page(200, (nonce) => appPage(place.location, otherwise, wordsOf(request), nonce, byTap), cookie);
    }
    return redirect(how.status, place.location, call.context, cookie);
  }

  /** The cookie that an answer sets: for a browser of the team, or for a new visitor. */
  function cookieFor({ request }: VisitCall, visit: RequestVisit, isNew: boolean): string | undefined {
    const cookie = kept.markOf(visit) ??
      (isNew && !visit.isPrivate ? visitorCookie(store.cookieKey, visit.visitor!) : undefined);
    if (cookie === undefined) return undefined;
    return deps.urlOf(request, "").url.startsWith("https:") ? `${cookie}; Secure` : cookie;
  }

  /** The answer to a visitor who gave the password of a link, or who sent a POST to a link without one. */
  function unlocked(call: VisitCall, link: Link): Response | Promise<Response> {
    return answer(call, link, UNLOCKED);
  }

  return { visit, unlocked, withLink, refusalPage, root };
}

const wordsOf = ({ headers }: Request) => wordsFor(headers.get("accept-language"));

/** A query with one more parameter. */
function withParam(query: string, name: string, value: string): string {
  return `${query === "" ? "" : `${query}&`}${name}=${value}`;
}
