/**
 * The function with its real dependencies.
 *
 * @module
 */
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { type Rpc, rpc as sharedRpc } from "../_shared/db/client.ts";
import { type Config, createConfigLoader, loadConfig } from "../_shared/db/config.ts";
import { count, countFlag, counting, refusalCounter } from "../_shared/db/counters.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { requireRate } from "../_shared/gates/rate_limit.ts";
import type { ProblemCode } from "../_shared/http/problem.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { createClicks } from "../_shared/links/clicks/clicks.ts";
import { createOrphans } from "../_shared/links/limits/orphans.ts";
import { hashPassword } from "../_shared/links/model/passwords.ts";
import { LINKS_FLAG } from "../_shared/links/answer/resolve.ts";
import { createOwnCode } from "../_shared/links/model/own.ts";
import { LinkStore } from "../_shared/links/store/store.ts";
import { log } from "../_shared/log/log.ts";
import { observe } from "../_shared/rollouts/observe.ts";
import { createOutcomes } from "../_shared/rollouts/outcomes.ts";
import type { TeamRole } from "../_shared/contract/states.ts";
import { type Authorise, createAuthorise } from "../_shared/gates/team.ts";
import type { Handler } from "../_shared/serve/serve.ts";
import { createClaim } from "./claim.ts";
import { createExplain } from "./explain.ts";
import { createQr } from "./qr.ts";
import { createHandler } from "./routes.ts";
import { createVisitRecorder } from "./record_visit.ts";
import { createLists } from "./lists.ts";
import { createManage } from "./manage.ts";
import { createUnlock } from "./unlock.ts";
import { createVisits } from "./visits.ts";
import { createWellKnown } from "./well_known.ts";

/** Dependencies of {@linkcode createDeeplinks}. */
export interface DeeplinksDeps {
  rpc: Rpc;
  loadConfig(): Promise<Config>;
  authorise: Authorise;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Unix milliseconds. */
  date(): number;
}

/** The function. */
export interface Deeplinks {
  handler: Handler;
  /** Resolves once all clicks and outcomes recorded so far are written. */
  flush(): Promise<void>;
  store: LinkStore;
}

/** Assembles the function with its real dependencies, except those that `deps` replaces. */
export function createDeeplinks(deps: Partial<DeeplinksDeps> = {}): Deeplinks {
  const { rpc = sharedRpc, authorise = createAuthorise(), date = Date.now } = deps;
  const { LINK_DOMAIN, LINK_HTML, AUDIENCE_SECRET, CLIENT_IP_HEADER, COUNTRY_HEADER, SUPABASE_URL } = env(
    "SUPABASE_URL",
    "LINK_DOMAIN",
    "LINK_HTML",
    "AUDIENCE_SECRET",
    "CLIENT_IP_HEADER",
    "COUNTRY_HEADER",
  );

  const countHit = counting("cache", "links hit"), countMiss = counting("cache", "links miss");
  const store = new LinkStore({
    rpc,
    loadConfig: deps.loadConfig ?? loadConfig,
    // One that holds nothing yet has to ask.
    loadFreshConfig: () => createConfigLoader(rpc)(),
    waitUntil,
    now: deps.now,
    onStale: (error, ageMs) =>
      log.warn("the links in use are not up to date", { error, age_ms: Math.round(ageMs) }),
    ownCode: createOwnCode(LINK_DOMAIN, [new URL(SUPABASE_URL).host]),
    onFlag: countFlag,
    onAsked: (hit) => hit ? countHit() : countMiss(),
  });
  const clicks = createClicks({
    rpc,
    waitUntil,
    onLost: (n, error) => {
      count("clicks_lost", "", n);
      log.error("clicks were lost", { n, error });
    },
    onDelayed: (error) => log.warn("clicks could not be written and will be sent again", { error }),
  });
  const orphans = createOrphans({
    rpc,
    waitUntil,
    onError: (error) => log.warn("a visit of an unknown code was not counted", { error }),
  });
  // Concurrent visits of limited links take their uses in one call, in order of arrival.
  const takeUse = groupCommit<string, boolean>({
    maxItems: 1000,
    maxQueued: 10_000,
    commit: async (codes) => {
      const wanted = new Map<string, number>();
      for (const code of codes) wanted.set(code, (wanted.get(code) ?? 0) + 1);
      const answer = await rpc("take_uses", { p_wanted: Object.fromEntries(wanted) });
      const granted = new Map(Object.entries(answer));
      return codes.map((code) => {
        const left = granted.get(code) ?? 0;
        granted.set(code, left - 1);
        return left > 0;
      });
    },
  });

  const outcomes = createOutcomes({
    send: (outcomes, evaluated) => rpc("record_outcomes", { p_outcomes: outcomes, p_evaluated: evaluated }),
  });

  const ready = async () => {
    await store.ready();
    return { rules: store.rules, keys: store.keys };
  };
  const killedNow = everySecond(() => killed(LINKS_FLAG));
  const kept = createVisitRecorder({
    store,
    clicks,
    observe: (flags, keys, visitor, outcome) => observe(flags, keys, visitor, outcome, { into: outcomes }),
    clientIpHeader: CLIENT_IP_HEADER,
    audienceSecrets: AUDIENCE_SECRET,
    killed: killedNow,
    now: date,
  });
  const servesHtml = (request: Request) =>
    LINK_HTML === undefined
      ? LINK_DOMAIN !== undefined && request.url.replace(/^https?:\/\//, "").startsWith(`${LINK_DOMAIN}/`)
      : LINK_HTML === "true";
  /**
   * Whether pages can be served for the links that a request creates: whether the domain in their addresses serves
   * HTML.
   */
  const printsPages = (request: Request) =>
    LINK_HTML === undefined
      ? LINK_DOMAIN !== undefined && new URL(request.url).host === LINK_DOMAIN.replace(/\/.*/, "")
      : LINK_HTML === "true";
  // Counted in the same way as thrown refusals.
  const refused = (code: ProblemCode) => count(refusalCounter("deeplinks"), code);
  const visits = createVisits({
    store,
    orphans,
    kept,
    explain: createExplain({
      store,
      requireSecretKey: (headers) => void requireKey(headers),
      killed: killedNow,
    }),
    takeUse,
    killed: killedNow,
    countryHeader: COUNTRY_HEADER,
    servesHtml,
    refused,
    urlOf,
    now: date,
  });
  const unlock = createUnlock({
    kept,
    withLink: visits.withLink,
    unlocked: visits.unlocked,
    refusalPage: visits.refusalPage,
    takePasswordAttempt: (code, client) =>
      rpc("take_password_attempt", { p_code: code, p_client: client ?? null }),
    settlePasswordAttempt: (code, client, right) =>
      rpc("settle_password_attempt", { p_code: code, p_client: client ?? null, p_right: right })
        .catch((error) => log.warn("how a password was could not be written down", { error })),
    refused,
    servesHtml,
  });

  /** A link's address: on the link domain if there is one, else on the host of the request. */
  function urlOf(request: Request, code: string): { url: string; qr_url: string } {
    const { host } = new URL(request.url);
    // A proxy in front of the function uses http to reach it; every host except this machine is public and uses https.
    const own = (host: string) => `${/^(localhost|127\.|\[::1\])/.test(host) ? "http" : "https"}://${host}`;
    const functions = `${own(host)}/functions/v1/deeplinks/${code}`;
    return {
      url: LINK_DOMAIN === undefined ? functions : `${own(LINK_DOMAIN)}/${code}`,
      qr_url: `${functions}/qr.svg`,
    };
  }

  const gate = (role: TeamRole) => (headers: Headers) => authorise(headers, role);
  const limit = async (actor: string) => await requireRate((await ready()).rules.manageLimit, actor, 1, rpc);

  const handler = createHandler({
    gates: { viewer: gate("viewer"), operator: gate("operator") },
    killed: () => killed(LINKS_FLAG),
    root: visits.root,
    lost: visits.refusalPage,
    panelOrigins: async () => (await ready()).rules.panelOrigins,
    handlers: {
      visit: visits.visit,
      unlock,
      ...createQr({ withLink: visits.withLink, urlOf }),
      ...createWellKnown(async () => (await ready()).rules),
      claim: createClaim({
        rpc,
        ready,
        addressOf: kept.addressOf,
        limitClaims: async (client) => void await requireRate(limitOf(LIMITS.claims), client, 1, rpc),
        clicksWritten: clicks.written,
        now: date,
      }),
      ...createLists({ rpc, zone: async () => (await ready()).keys.zone, urlOf, limit }),
      ...createManage({
        rpc,
        rules: async () => (await ready()).rules,
        freshRules: () => store.renew(),
        forget: (codes) => store.forget(codes),
        hashPassword,
        printsPages,
        ownCodeOf: (request) =>
          createOwnCode(LINK_DOMAIN, [new URL(SUPABASE_URL).host, new URL(request.url).host]),
        urlOf,
        limit,
      }),
    },
  });
  const flush = async () => {
    await clicks.settled();
    await outcomes.flush();
  };
  return { handler, flush, store };
}

/**
 * Evaluates a check once a second, by the time passed in: reading the environment costs as much as a tenth of a visit.
 */
function everySecond(ask: () => boolean): (now: number) => boolean {
  let answer = false, asked = 0;
  return (now) => {
    if (Math.abs(now - asked) >= 1000) {
      answer = ask();
      asked = now;
    }
    return answer;
  };
}
