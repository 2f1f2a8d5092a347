/** Where a link would lead on each platform, computed by the code that decides at each visit. */
import type { InAppBrowser } from "../../../../supabase/functions/_shared/contract/link_limits.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import type { NewLink, Target } from "../../../../supabase/functions/_shared/contract/links.ts";
import { Link, type LinkRow, type Rule } from "../../../../supabase/functions/_shared/links/model/link.ts";
import { placeOf } from "../../../../supabase/functions/_shared/links/answer/address.ts";
import { LINKS_FLAG, resolve } from "../../../../supabase/functions/_shared/links/answer/resolve.ts";
import { readRules, type Rules } from "../../../../supabase/functions/_shared/links/model/rules.ts";
import type { Visit } from "../../../../supabase/functions/_shared/links/visitor/visit.ts";
import { shareOf } from "../../../../supabase/functions/_shared/links/model/when.ts";
import { client } from "../../data/client.ts";
import { allRows, MAX_ROWS, unwrap } from "../../data/query.ts";
import { PLATFORM_NAMES, type WaNumber } from "./words.ts";

/** What the installation allows links to do, and its business numbers. */
export interface PreviewContext {
  rules: Rules;
  numbers: WaNumber[];
}

/** Reads the context. @throws {Refusal} */
export async function readPreviewContext(): Promise<PreviewContext> {
  const [settings, allowlist, numbers] = await Promise.all([
    // Flags, of which there can be thousands, decide nothing here.
    unwrap(
      client().from("settings").select("key,value,metadata,version").not("key", "like", "%.enabled").limit(
        MAX_ROWS,
      ),
    ),
    allRows<Pick<Row<"destination_allowlist">, "pattern" | "purpose">>((db, last) => {
      const rows = db.from("destination_allowlist").select("pattern,purpose").eq("purpose", "redirect")
        .order("pattern").limit(MAX_ROWS);
      return last ? rows.gt("pattern", last.pattern) : rows;
    }),
    unwrap(client().from("wa_numbers").select("id,display_number").order("id").limit(MAX_ROWS)),
  ]);
  // Previews the link for people who have the links feature: a rollout of it in progress is unrelated to the
  // link.
  const on = { key: LINKS_FLAG, value: "true", metadata: {}, version: 1 };
  const read = [...settings.filter(({ key }) => key !== LINKS_FLAG), on];
  const config = { settings: read, allowlist };
  const dialled = numbers.flatMap(({ id, display_number }) => display_number ? [[id, display_number]] : []);
  return { rules: await readRules(config, Object.fromEntries(dialled)), numbers };
}

/** An imagined visitor, apart from the platform. */
export interface Visitor {
  country?: string;
  language?: string;
  referrer?: string;
  /** Without the question mark. */
  query?: string;
  returning?: boolean;
  /** The app whose in-app browser is used. */
  inApp?: InAppBrowser;
  /** ISO time; the current time without it. */
  at?: string;
}

/** Where a share of the visitors goes. */
export interface PreviewPlace {
  /** Percent of the visitors; 100 for all. */
  share: number;
  /** The redirect's target; undefined if the visit is refused. */
  location: string | undefined;
  /** The target of visitors without the app that `location` opens. */
  otherwise?: string;
  /** The reason: "rule 2", "no rule applies", or what is wrong. */
  why: string;
}

export interface PreviewRow {
  platform: string;
  name: string;
  places: PreviewPlace[];
}

/** A visit by a human on this platform. */
function visitOf(
  platform: string,
  { country, language, referrer, query = "", returning, inApp, at }: Visitor,
): Visit {
  const parameters = new URLSearchParams(query);
  return {
    now: at ? Date.parse(at) : Date.now(),
    platform: platform as Visit["platform"],
    firefox: false,
    inApp,
    verdict: "human",
    reason: undefined,
    country,
    language: language?.toLowerCase() ?? "en",
    referrer: referrer?.toLowerCase(),
    visitor: "",
    returning: returning ?? false,
    user: undefined,
    query,
    param: (name) => parameters.get(name) ?? undefined,
    unlocked: true,
  };
}

const leadsNowhere = ({ url, store, app, whatsapp }: Target) =>
  !whatsapp && [url, store, app?.url].every((address) => !address?.trim());

/** Where each platform would be sent. Pure, except for the current time if the visitor has none. */
export function preview(body: NewLink, rules: Rules, visitor: Visitor = {}): PreviewRow[] {
  const { default_url, targets = [], whatsapp, utm, pass_query } = body;
  const row = { code: "preview", default_url: default_url || undefined, targets, whatsapp, utm, pass_query };
  const link = new Link(row as LinkRow);
  return Object.entries(PLATFORM_NAMES).map(([platform, name]) => {
    const visit = visitOf(platform, visitor);
    const places = divide(link.rules, visit).map(({ share, id }) => ({
      share,
      ...placeFor(link, targets, { ...visit, visitor: id }, rules),
    }));
    return { platform, name, places };
  });
}

function placeFor(link: Link, targets: Target[], visit: Visit, rules: Rules): Omit<PreviewPlace, "share"> {
  const decision = resolve(link, visit, rules, false);
  const rule = link.rules.findIndex(({ tests }) => tests.every((test) => test.holds(visit)));
  if (decision.outcome !== "go") {
    const nowhere = targets[rule] !== undefined && leadsNowhere(targets[rule]);
    return {
      location: undefined,
      why: nowhere ? `rule ${rule + 1} has no target yet` : "refused: the host is not on the allowlist",
    };
  }
  const { location, otherwise, ways } = placeOf(decision.target, link, visit, rules, undefined);
  const why = typeof decision.because === "number" ? `rule ${decision.because + 1}` : "no rule applies";
  return ways === undefined
    ? { location, otherwise, why }
    : { location: ways.app, otherwise: location === ways.app ? undefined : location, why };
}

/**
 * Divides the visitors by the rules with a share: each part in percent, with an example visitor in it. A
 * visitor's place is a hash, so visitors are tried until one falls into the part.
 */
function divide(rules: readonly Rule[], visit: Visit): { share: number; id: string }[] {
  const ends: number[] = [];
  let taken = 0, rest = true;
  for (const { tests, weight } of rules) {
    if (!tests.every((test) => test.holds(visit))) continue;
    if (weight === undefined) break;
    taken = Math.min(100, taken + (Number(weight) || 0));
    ends.push(taken);
    rest = taken < 100;
  }
  if (rest) ends.push(100);
  const parts: { share: number; id: string }[] = [];
  ends.forEach((end, index) => {
    const begin = ends[index - 1] ?? 0;
    if (end <= begin) return;
    let n = 0;
    while (n < MOST_TRIED && !isWithin(shareOfVisitor(n), begin, end)) n++;
    parts.push({ share: Math.round((end - begin) * 100) / 100, id: `v${n}` });
  });
  return parts;
}

/** Most visitors tried: more than enough to meet each of the 10,000 places. */
const MOST_TRIED = 200_000;
const shares: number[] = [];
const shareOfVisitor = (n: number) => shares[n] ??= shareOf("preview", `v${n}`);

const isWithin = (share: number, begin: number, end: number) => share >= begin && share < end;
