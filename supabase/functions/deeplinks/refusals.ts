/**
 * Addresses that lead nowhere: the root, unknown codes, and links that cannot be used. People get a page with a way on.
 *
 * @module
 */
import { LINK_CODE } from "../_shared/contract/names.ts";
import { forAnyOrigin } from "../_shared/http/cors.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import { CODE_PARAM, type CodeField, type WaysOn } from "../_shared/links/answer/pages.ts";
import { siteOf } from "../_shared/links/answer/ways_out.ts";
import { homeOf } from "../_shared/links/model/home.ts";
import type { LinkStore } from "../_shared/links/store/store.ts";
import { wantsHtml, wantsJson } from "../_shared/links/visitor/accept.ts";
import { typedCode } from "../_shared/links/visitor/code.ts";
import { redirect, refusalAnswer, rootPage } from "./answers.ts";
import type { VisitCall } from "./routes.ts";

/** Dependencies of {@linkcode createRefusals}. */
export interface RefusalDeps {
  store: LinkStore;
  /** Whether HTML reaches the visitor as HTML. */
  servesHtml(request: Request): boolean;
  /** Counts a refusal that is answered as a page. */
  refused(code: ProblemCode): void;
  /** The link's public address: a proxy may stand in front of the requested one. */
  urlOf(request: Request, code: string): { url: string };
}

/** Creates the answers to visits of addresses that lead nowhere. */
export function createRefusals(deps: RefusalDeps) {
  const { store } = deps;

  /** A refusal. An SDK on a page of another origin must be able to read the reason. */
  function refusal(call: VisitCall, error: unknown, code: string): Response {
    if (wantsJson(call.request.headers)) throw forAnyOrigin(error);
    const answer = refusalPage(call, error, code);
    if (answer === undefined) throw error;
    return answer;
  }

  /**
   * A refusal as a page, for people where one can be served; undefined otherwise.
   *
   * @param code The code in the address, if it has one.
   */
  function refusalPage({ request, context }: VisitCall, error: unknown, code = ""): Response | undefined {
    if (!(error instanceof Problem) || !wantsHtml(request.headers)) return undefined;
    const home = homeOf(store.rules);
    const answer = deps.servesHtml(request)
      ? refusalAnswer(error, { home, site: siteFor(error, code), field: fieldFor(request, code) }, request)
      : home !== undefined && LEADS_HOME.has(error.code)
      ? redirect(302, home, context)
      : undefined;
    if (answer !== undefined) deps.refused(error.code);
    return answer;
  }

  /** The site of a link that has ended. */
  function siteFor({ code: reason }: Problem, code: string): WaysOn["goOn"] {
    if (!HAS_ENDED.has(reason)) return undefined;
    const link = store.peek(code);
    return link == null ? undefined : siteOf(link, store.rules);
  }

  function fieldFor(request: Request, code: string): CodeField {
    return { action: deps.urlOf(request, "").url, code: LINK_CODE.test(code) ? code : "" };
  }

  /** The root of the links for people; undefined if there is nothing to show. */
  async function root(call: VisitCall): Promise<Response | undefined> {
    const { request, context, query } = call;
    if (!wantsHtml(request.headers)) return undefined;
    await store.ready();
    const typed = query === "" ? null : new URLSearchParams(query).get(CODE_PARAM);
    if (typed !== null) {
      const code = typedCode(typed);
      return LINK_CODE.test(code)
        ? redirect(302, deps.urlOf(request, code).url, context)
        : refusalPage(call, new Problem("link_not_found"));
    }
    const home = homeOf(store.rules);
    if (home !== undefined) return redirect(302, home, context);
    return deps.servesHtml(request) ? rootPage(request, fieldFor(request, "")) : undefined;
  }

  return { refusal, refusalPage, root };
}

/** Refusals that redirect people to the team's page if no page can be served here. */
const LEADS_HOME: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "not_found",
  ...["link_not_found", "link_deleted", "link_disabled", "link_blocked"] as const,
  ...["link_not_started", "link_expired", "link_used_up"] as const,
]);

/** Refusals of links that worked once: their pages offer the site that the link led to. */
const HAS_ENDED: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "link_deleted",
  "link_expired",
  "link_used_up",
]);
