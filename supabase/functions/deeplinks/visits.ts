/**
 * Visits of links: found, decided, answered.
 *
 * Hot path: 30,000 visits a second on less than a core. A visit of a link that is in memory waits for nothing, parses
 * no URL and makes no promise; what a link does not ask for is not read.
 *
 * @module
 */
import { wantsHtml, wantsJson } from "../_shared/links/visitor/accept.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { LINK_CODE } from "../_shared/contract/names.ts";
import { placeOf, wantsToken } from "../_shared/links/answer/address.ts";
import type { Orphans } from "../_shared/links/limits/orphans.ts";
import { type Decision, needsVisitor, refuse, resolve } from "../_shared/links/answer/resolve.ts";
import type { LinkStore } from "../_shared/links/store/store.ts";
import { isOurVisitor, signedVisitor } from "../_shared/links/visitor/cookies.ts";
import { GO_ON, RequestVisit, VISITOR_COOKIE } from "../_shared/links/visitor/visit.ts";
import type { LinkDecision } from "../_shared/contract/http/links.ts";
import { appPage, previewPage } from "../_shared/links/answer/pages.ts";
import { jsonAnswer, page, passwordForm, redirect, refusalAnswer, shown } from "./answers.ts";
import { forAnyOrigin } from "../_shared/http/cors.ts";
import type { Explain } from "./explain.ts";
import type { VisitCall } from "./routes.ts";
import type { VisitRecorder } from "./record_visit.ts";

/** What visits need. */
export interface VisitDeps {
  store: LinkStore;
  orphans: Orphans;
  kept: VisitRecorder;
  explain: Explain;
  /** Takes one use of a link with a limit; false when none is left. */
  takeUse(code: string): Promise<boolean>;
  /** Whether the kill switch is on, at this time in Unix milliseconds. */
  killed(now: number): boolean;
  countryHeader: string;
  /** Whether HTML gets to the visitor as HTML. */
  servesHtml(request: Request): boolean;
  /** Counts a refusal that is answered as a page. */
  refused(code: ProblemCode): void;
  /** The link's address as people know it: a proxy may stand in front of the one that was asked. */
  urlOf(request: Request, code: string): { url: string };
  now(): number;
}

/** How a visit is to be answered. */
interface How {
  readonly unlocked: boolean;
  /** 302; 303 after a POST, so that the browser goes on with GET. */
  readonly status: 302 | 303;
}

const PLAIN: How = { unlocked: false, status: 302 };
const UNLOCKED: How = { unlocked: true, status: 303 };

/** Makes the answers to visits. */
export function createVisits(deps: VisitDeps) {
  const { store, orphans, kept, killed } = deps;
  const { record, went } = kept;
  const isOurs = (visitor: string, signature: string) => isOurVisitor(store.cookieKey, visitor, signature);

  function visit(call: VisitCall, code: string): Response | Promise<Response> {
    try {
      const answered = withLink(call, code, (link) => answer(call, link, PLAIN));
      return answered instanceof Promise ? answered.catch((error) => refusal(call, error)) : answered;
    } catch (error) {
      return refusal(call, error);
    }
  }

  /** An SDK on a page of another origin has to be able to read why not. */
  function refusal(call: VisitCall, error: unknown): Response {
    if (wantsJson(call.request.headers)) throw forAnyOrigin(error);
    const answer = refusalPage(call, error);
    if (answer === undefined) throw error;
    return answer;
  }

  /** People get a page where one can be served; undefined for all others. */
  function refusalPage({ request }: VisitCall, error: unknown): Response | undefined {
    if (!(error instanceof Problem) || !wantsHtml(request.headers) || !deps.servesHtml(request)) {
      return undefined;
    }
    const answer = refusalAnswer(error);
    if (answer !== undefined) deps.refused(error.code);
    return answer;
  }

  /** Hands on the link as soon as it is there: at once when it is in memory. */
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
    // Browsers and robots themselves ask for such things as /favicon.ico.
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
    // A code that is known to be nobody's costs nothing more: a misprint has many visitors, and teaches nobody anything.
    throw unknown(code, link === null ? undefined : kept.networkOfCall(call));
  }

  /** Counts a visit of a code that no link has. Only who tried what a link could have been called is charged for it. */
  function unknown(code: string, network: string | undefined): Problem {
    orphans.visited(code, network, kept.clientOf(network));
    return new Problem("link_not_found");
  }

  function answer(call: VisitCall, link: Link, how: How): Response | Promise<Response> {
    const { request: { method, headers }, query } = call;
    const visit = new RequestVisit({
      method,
      headers,
      query,
      now: deps.now(),
      countryHeader: deps.countryHeader,
      isOurs,
      honoursGpc: store.rules.honoursGpc,
      unlocked: how.unlocked,
    });
    if (query !== "" && visit.param("explain") === "1") return deps.explain(call, link, visit);
    try {
      return sendOn(call, link, visit, how);
    } catch (error) {
      if (!(error instanceof Problem)) went(call, link, visit, true);
      throw error;
    }
  }

  function sendOn(call: VisitCall, link: Link, visit: RequestVisit, how: How): Response | Promise<Response> {
    const { rules } = store;
    const isNew = needsVisitor(link, rules) && visit.verdict === "human" && visit.visitor === undefined;
    if (isNew) visit.give(kept.visitorIdFor(call, visit));
    const decision = resolve(link, visit, rules, killed(visit.now));
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
        (nonce) => {
          const { url } = deps.urlOf(request, link.code);
          return previewPage(link.preview ?? {}, url, `?${goOnQuery(visit.query)}`, nonce);
        },
      );
    }
    const { target } = decision;
    const token = wantsToken(target, visit) ? kept.tokenFor(call, link, visit) : undefined;
    const place = placeOf(target, link, visit, store.rules, token, asJson);
    if (decision.outcome === "go") {
      record(call, link, visit, place.kind, token, decision.because);
      went(call, link, visit, false);
    } else {
      record(call, link, visit, "fallback", token);
    }
    const cookie = isNew && !visit.isPrivate
      ? `${VISITOR_COOKIE}=${
        signedVisitor(store.cookieKey, visit.visitor!)
      }; Path=/; Max-Age=15552000; SameSite=Lax; HttpOnly` +
        (deps.urlOf(request, link.code).url.startsWith("https:") ? "; Secure" : "")
      : undefined;
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
    const { otherwise } = place;
    if (otherwise !== undefined && visit.verdict === "human" && deps.servesHtml(request)) {
      return page(200, (nonce) => appPage(place.location, otherwise, nonce), cookie);
    }
    return redirect(how.status, place.location, call.context, cookie);
  }

  /** The answer to whoever gave the password of a link, or came by POST to one that has none. */
  function unlocked(call: VisitCall, link: Link): Response | Promise<Response> {
    return answer(call, link, UNLOCKED);
  }

  return { visit, unlocked, withLink, refusalPage };
}

/** The query of whoever goes on from what is only shown: their own, and that they do. */
function goOnQuery(query: string): string {
  return `${query === "" ? "" : `${query}&`}${GO_ON}=1`;
}
