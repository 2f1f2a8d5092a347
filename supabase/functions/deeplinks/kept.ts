/**
 * What is kept of a visit: its click, and for the guard of rollouts how it went.
 *
 * Hot path: each visit comes by here once. A visitor stands for a hash, never for an address.
 *
 * @module
 */
import type { Flag } from "../_shared/flags/evaluate.ts";
import type { Click } from "../_shared/links/click_lines.ts";
import type { Clicks } from "../_shared/links/clicks.ts";
import type { Link } from "../_shared/links/link.ts";
import { type Because, LINKS_FLAG } from "../_shared/links/resolve.ts";
import type { LinkStore } from "../_shared/links/store.ts";
import type { RequestVisit } from "../_shared/links/visit.ts";
import { hashOf, isOwnAddress, networkOf } from "../_shared/links/visitors.ts";
import { armOf } from "../_shared/rollouts/observe.ts";
import type { Outcome } from "../_shared/rollouts/outcomes.ts";
import type { Call } from "./handler.ts";

/** What keeping needs. */
export interface KeptDeps {
  store: LinkStore;
  clicks: Clicks;
  /** Counts for the guard of rollouts how it went for a visitor under the flags that had a say in it. */
  observe(flags: ReadonlyMap<string, Flag>, keys: string[], visitor: string, outcome: Outcome): void;
  /** Header with the visitor's address that nobody can forge; undefined where there is none. */
  clientIpHeader: string | undefined;
  /** Whether the kill switch is on, at this time in Unix milliseconds. */
  killed(now: number): boolean;
  now(): number;
}

/** Makes what writes down visits. */
export function createKept(deps: KeptDeps) {
  const { store, clicks } = deps;

  /** Of a list (x-forwarded-for) the last: what the nearest proxy added, and not what a visitor made up. */
  function addressOf({ headers }: Request): string | undefined {
    const value = deps.clientIpHeader === undefined ? null : headers.get(deps.clientIpHeader);
    return value === null ? undefined : value.slice(value.lastIndexOf(",") + 1).trim();
  }

  /** Network of the visitor, where its address can be trusted. */
  function networkOfCall({ request }: Call): string | undefined {
    return networkOf(addressOf(request) ?? "");
  }

  /** What stands for a network in the database. */
  function clientOf(network: string | undefined): string | undefined {
    return network && hashOf(store.keys, deps.now(), "client", network);
  }

  /** Takes the click of a visit that was sent on or shown the link. */
  function record(
    { request }: Call,
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
    if (token !== undefined) {
      click.o = token;
      // So that an app's first open learns where the click was going.
      if (typeof because === "number" && kind !== "whatsapp") click.n = String(because);
    }
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
    if (visit.verdict !== "human" || deps.killed(visit.now)) return;
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

  return { addressOf, networkOfCall, clientOf, record, went };
}

/** See {@linkcode createKept}. */
export type Kept = ReturnType<typeof createKept>;
