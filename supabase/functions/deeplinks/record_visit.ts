/**
 * Records visits: the click, and the outcome for the guard of rollouts.
 *
 * Hot path: called once per visit. A visitor is represented by a hash, never by an address.
 *
 * @module
 */
import { isSignedAudience } from "../_shared/gates/audience.ts";
import type { Flag } from "../_shared/flags/evaluate.ts";
import { clientAddress as clientAddressOf } from "../_shared/http/client_address.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Click } from "../_shared/links/clicks/lines.ts";
import type { Clicks } from "../_shared/links/clicks/clicks.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { type Because, LINKS_FLAG } from "../_shared/links/answer/resolve.ts";
import { Pace } from "../_shared/links/limits/visit_rate.ts";
import { Repeats } from "../_shared/links/clicks/repeats.ts";
import type { LinkStore } from "../_shared/links/store/store.ts";
import { isInNetworks, isMarked, OWN_PARAM, ownCookie } from "../_shared/links/visitor/own.ts";
import { randomToken } from "../_shared/crypto/tokens.ts";
import type { RequestVisit } from "../_shared/links/visitor/visit.ts";
import { hashOf, isOwnAddress, networkOf, siteOf } from "../_shared/links/visitor/hashes.ts";
import { armOf } from "../_shared/rollouts/observe.ts";
import type { Outcome } from "../_shared/rollouts/outcomes.ts";
import type { VisitCall } from "./routes.ts";

/** Dependencies of {@linkcode createVisitRecorder}. */
export interface VisitRecorderDeps {
  store: LinkStore;
  clicks: Clicks;
  /** Counts a visitor's outcome under the flags that were involved, for the guard of rollouts. */
  observe(flags: ReadonlyMap<string, Flag>, keys: string[], visitor: string, outcome: Outcome): void;
  /** Header with the visitor's address that cannot be forged; undefined if there is none. */
  clientIpHeader: string | undefined;
  /** Secrets of the services that may sign audience ids for the team. */
  audienceSecrets: readonly string[];
  /** Whether the kill switch is on at this time, in Unix milliseconds. */
  killed(now: number): boolean;
  now(): number;
}

/** Maximum number of visits per site and minute whose outcomes count, unless the team signed the visitor's id. */
const BELIEVED_PER_SITE = 20;
/** Maximum number of sites per minute; further sites are ignored, so that strangers cannot fill the memory. */
const MAX_SITES = 1000;

/** Creates the recorder of visits. */
export function createVisitRecorder(deps: VisitRecorderDeps) {
  const { store, clicks } = deps;
  const pace = new Pace();
  const repeats = new Repeats();

  const addressOf = (request: Request) => clientAddressOf(request, deps.clientIpHeader);

  /** The visitor's address, looked up once. */
  function addressOfCall(call: VisitCall): string | undefined {
    if (call.address === undefined) call.address = addressOf(call.request) || null;
    return call.address ?? undefined;
  }

  /** The visitor's network, if its address can be trusted. */
  function networkOfCall(call: VisitCall): string | undefined {
    return networkOf(addressOfCall(call) ?? "");
  }

  /** The site that the visitor's password guesses are charged to, if its address can be trusted. */
  function siteOfCall(call: VisitCall): string | undefined {
    return siteOf(addressOfCall(call) ?? "");
  }

  /**
   * Charges a visit of a link to the rate limit of its network. Failure policy: open if the address cannot be trusted.
   *
   * @throws {Problem} `rate_limited`
   */
  function keepPace(call: VisitCall, { code }: Link): void {
    const network = clientAddress(call);
    if (network === undefined) return;
    const waitMs = pace.take(deps.now(), network, code, store.rules.visitsInMinute);
    if (waitMs > 0) {
      throw new Problem("rate_limited", { headers: { "retry-after": String(Math.ceil(waitMs / 1000)) } });
    }
  }

  /** The hash that represents a network in the database. */
  function clientOf(network: string | undefined): string | undefined {
    return network && hashOf(store.keys, deps.now(), "client", network);
  }

  /** Records the click of a visit that was redirected or shown the link. */
  function record(
    call: VisitCall,
    link: Link,
    visit: RequestVisit,
    kind: NonNullable<Click["k"]>,
    token: string | undefined,
    because?: Because,
  ): void {
    const click: Click = { code: link.code, t: visit.now, p: visit.platform };
    if (kind !== "web") click.k = kind;
    const { country, referrer, user } = visit;
    if (country !== undefined) click.y = country;
    if (referrer !== undefined) click.f = referrer;
    if (user !== undefined) click.u = user;
    if (token !== undefined) click.o = token;
    if (typeof because === "number") click.n = String(because);
    if (isFromQr(visit.query)) click.q = "1";
    let who: string | undefined = visit.verdict;
    if (visit.verdict !== "human") {
      click.v = visit.verdict;
      click.r = visit.reason;
    } else {
      who = visitorOf(call, visit);
      // Visitors who ask for privacy are distinguished in memory only, to bound the rows.
      if (!visit.isPrivate) click.h = who;
      if (isOwn(call, visit)) click.v = "own";
      const address = link.fingerprint && !visit.isPrivate ? addressOfCall(call) : undefined;
      if (address !== undefined && token !== undefined && kind !== "whatsapp" && isOwnAddress(address)) {
        click.g = fingerprintOf(visit.now, address, visit.platform);
      }
    }
    // Without an address, people cannot be distinguished.
    if (who !== undefined) {
      const row = repeats.take(click, who, visit.reason ?? user);
      if (row !== undefined) return clicks.again(row);
    }
    clicks.record(click);
  }

  /** Whether a person belongs to the team: by the browser's cookie, or by the network. */
  function isOwn(call: VisitCall, visit: RequestVisit): boolean {
    const { ownNetworks, ownKey } = store.rules;
    if (ownKey !== "") {
      const isOurs = markOf(visit) === undefined
        ? isMarked(store.cookieKey, ownKey, call.request.headers.get("cookie"))
        : visit.param(OWN_PARAM) !== "off";
      if (isOurs) return true;
    }
    if (ownNetworks === "") return false;
    const address = addressOfCall(call);
    return address !== undefined && isInNetworks(ownNetworks, address);
  }

  /** The cookie by which this visit marks its browser as the team's, or no longer; undefined for other visits. */
  function markOf(visit: RequestVisit): string | undefined {
    const { ownKey } = store.rules;
    if (ownKey === "" || !visit.query.includes(OWN_PARAM)) return undefined;
    const param = visit.param(OWN_PARAM);
    return param === undefined ? undefined : ownCookie(store.cookieKey, ownKey, param);
  }

  /**
   * The id of a visitor without a cookie. All visits of one network and browser on one day share it, since in-app
   * browsers lose cookies; it differs from the hash stored with clicks. Random if there is no address that can be
   * trusted.
   */
  function visitorIdFor(call: VisitCall, visit: RequestVisit): string {
    const network = clientAddress(call);
    const hash = network && hashOf(store.keys, visit.now, "visitor id", network, visit.agentDigest);
    return hash === undefined || hash === "" ? randomToken() : idOf(hash);
  }

  /** The token that a person's visit passes on: that of the row that counts the visit, else a new one. */
  function tokenFor(call: VisitCall, link: Link, visit: RequestVisit): string {
    const who = visitorOf(call, visit);
    const row = who === undefined ? undefined : repeats.rowOf(visit.now, link.code, who, visit.user);
    return row?.o ?? randomToken();
  }

  /** Number of outcomes of each site in the minute `believedIn`. */
  let believed = new Map<string, number>();
  let believedIn = 0;

  /**
   * The visitor that a visit's outcome counts for; undefined if the visitor may be invented. An id in the address needs
   * the signature of one of the team's services. A signed cookie or the day's hash of an address is also accepted, but
   * anybody with one connection can obtain any number of them, so only a few per site count in a minute. If no address
   * can be trusted, all visitors are one site.
   */
  function believedVisitor(call: VisitCall, visit: RequestVisit): string | undefined {
    const { user } = visit;
    if (user === undefined && visit.isPrivate) return undefined;
    if (user !== undefined) {
      return isSignedAudience(deps.audienceSecrets, user, visit.param("gl_sig") ?? "") ? user : undefined;
    }
    const who = visit.visitor ?? visitorOf(call, visit);
    return who !== undefined && isWithinShare(payingSite(call), visit.now) ? who : undefined;
  }

  /** The site of a visit, as one paid connection. An IPv4 address is one site, and is not parsed for each visit. */
  function payingSite(call: VisitCall): string {
    const address = addressOfCall(call) ?? "";
    return address.includes(":") ? siteOf(address) ?? "" : address;
  }

  function isWithinShare(site: string, now: number): boolean {
    const minute = Math.floor(now / 60_000);
    if (minute !== believedIn) {
      believed = new Map();
      believedIn = minute;
    }
    const taken = believed.get(site) ?? 0;
    if (taken >= BELIEVED_PER_SITE || (taken === 0 && believed.size >= MAX_SITES)) return false;
    believed.set(site, taken + 1);
    return true;
  }

  /**
   * Counts the outcome of a visit. Only people count, and only our own failures: a blocked, ended or used-up link is
   * not a failure of the feature.
   */
  function went(call: VisitCall, link: Link, visit: RequestVisit, failed: boolean): void {
    if (visit.verdict !== "human" || deps.killed(visit.now)) return;
    const { rules: { flags } } = store;
    const who = believedVisitor(call, visit);
    if (who === undefined) return;
    // The link's own flag only counts for visitors for whom links are enabled at all.
    const own = link.flagKey !== undefined && armOf(flags, LINKS_FLAG, who) === "on" ? [link.flagKey] : [];
    deps.observe(flags, [LINKS_FLAG, ...own], who, { failed, latencyMs: deps.now() - visit.now });
  }

  /** The hash that represents the visitor on this day; undefined without an address that can be trusted. */
  function visitorOf(call: VisitCall, visit: RequestVisit): string | undefined {
    if (visit.hash !== undefined) return visit.hash;
    const network = clientAddress(call);
    if (network === undefined) return undefined;
    return visit.hash = hashOf(store.keys, visit.now, network, visit.agentDigest);
  }

  /** The visitor's network. An IPv4 address is one; parsing it would cost more than all the rest. */
  function clientAddress(call: VisitCall): string | undefined {
    const address = addressOfCall(call);
    return address?.includes(":") ? networkOf(address) ?? address : address;
  }

  /** What an app's first open has in common with the click before it: network, platform and day. */
  function fingerprintOf(now: number, address: string, platform: string): string | undefined {
    return hashOf(store.keys, now, "fingerprint", networkOf(address) ?? "", platform);
  }

  return {
    addressOf,
    networkOfCall,
    siteOfCall,
    clientOf,
    keepPace,
    tokenFor,
    visitorIdFor,
    markOf,
    record,
    went,
  };
}

/** Whether the visit came from a QR code: our codes carry `?src=qr`. */
function isFromQr(query: string): boolean {
  return query.includes("src=qr") && /(?:^|&)src=qr(?:&|$)/.test(query);
}

/** A hash, 16 hex digits, in the form of a random id. */
function idOf(hash: string): string {
  let id = "";
  for (const digit of hash) id += "abcdefghijklmnop"[parseInt(digit, 16)];
  return id;
}

/** See {@linkcode createVisitRecorder}. */
export type VisitRecorder = ReturnType<typeof createVisitRecorder>;
