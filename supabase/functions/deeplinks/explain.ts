/**
 * Explains where a visit would go and why, for the people who made the link.
 *
 * @module
 */
import type { LinkExplanation } from "../_shared/contract/http/links.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { placeOf } from "../_shared/links/answer/address.ts";
import { type Finding, resolve } from "../_shared/links/answer/resolve.ts";
import type { LinkStore } from "../_shared/links/store/store.ts";
import type { RequestVisit } from "../_shared/links/visitor/visit.ts";
import { jsonAnswer } from "./answers.ts";
import type { VisitCall } from "./routes.ts";

/** Dependencies of {@linkcode createExplain}. */
export interface ExplainDeps {
  store: LinkStore;
  /** Throws a Problem unless the request carries a secret key. */
  requireSecretKey(headers: Headers): void;
  /** Whether the kill switch is on at this time, in Unix milliseconds. */
  killed(now: number): boolean;
}

/** Answers `GET /{code}?explain=1`. */
export type Explain = (call: VisitCall, link: Link, visit: RequestVisit) => Response;

/**
 * Creates the handler that explains where a visit like this one would go. It counts nothing, takes no use and reveals
 * no token.
 */
export function createExplain({ store, requireSecretKey, killed }: ExplainDeps): Explain {
  return ({ request }, link, visit) => {
    requireSecretKey(request.headers);
    const trace: Finding[] = [];
    const decision = resolve(
      link,
      visit,
      store.rules,
      killed(visit.now),
      (finding) => trace.push(finding),
    );
    const place = "target" in decision
      ? placeOf(decision.target, link, visit, store.rules, undefined)
      : undefined;
    const { platform, verdict, reason, country, language, referrer, visitor, returning, user, inApp } = visit;
    const explanation: LinkExplanation = {
      code: link.code,
      outcome: decision.outcome,
      because: "because" in decision ? decision.because : "code" in decision ? decision.code : undefined,
      kind: place?.kind,
      url: place?.location,
      otherwise: place?.otherwise,
      visit: {
        platform,
        verdict,
        reason,
        country,
        language,
        referrer,
        visitor,
        returning,
        user,
        in_app: inApp,
      },
      findings: trace,
    };
    return jsonAnswer(explanation);
  };
}
