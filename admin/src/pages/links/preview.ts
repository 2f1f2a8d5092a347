/** Where a link would lead on each platform: by the very code that decides at each visit. */
import { Link, type LinkRow } from "../../../../supabase/functions/_shared/links/link.ts";
import { placeOf } from "../../../../supabase/functions/_shared/links/place.ts";
import { LINKS_FLAG, resolve } from "../../../../supabase/functions/_shared/links/resolve.ts";
import {
  readRules,
  type Rules,
  type RulesSource,
} from "../../../../supabase/functions/_shared/links/rules.ts";
import type { Visit } from "../../../../supabase/functions/_shared/links/visit.ts";
import { client } from "../../data/client.ts";
import { unwrap } from "../../data/query.ts";
import type { NewLink, WaNumber } from "./types.ts";
import { PLATFORM_NAMES } from "./words.ts";

/** What the installation allows links to do, and its numbers. @throws {Refusal} */
export async function readGround(): Promise<{ rules: Rules; numbers: WaNumber[] }> {
  const [settings, allowlist, numbers] = await Promise.all([
    unwrap<RulesSource["settings"]>(client().from("settings").select("key,value,metadata,version")),
    unwrap<RulesSource["allowlist"]>(
      client().from("destination_allowlist").select("pattern,purpose"),
    ),
    unwrap<WaNumber[]>(client().from("wa_numbers").select("id,display_number").order("id")),
  ]);
  // What the link says, for whoever has links: a rollout of the feature under way is not the link's doing.
  const on = { key: LINKS_FLAG, value: "true", metadata: {}, version: 1 };
  const read = [...settings.filter(({ key }) => key !== LINKS_FLAG), on];
  const config = { settings: read, allowlist };
  const dialled = numbers.flatMap(({ id, display_number }) => display_number ? [[id, display_number]] : []);
  return { rules: await readRules(config, Object.fromEntries(dialled)), numbers };
}

export interface PreviewRow {
  platform: string;
  name: string;
  /** Where a visitor with it is sent; undefined when it is refused. */
  location: string | undefined;
  /** Why: "rule 2", "the default", or what is wrong. */
  why: string;
}

/** A first visit of a human with this platform, now, from nowhere in particular. */
const visitOf = (platform: string): Visit => ({
  now: Date.now(),
  platform: platform as Visit["platform"],
  firefox: false,
  verdict: "human",
  reason: undefined,
  country: undefined,
  language: "en",
  referrer: undefined,
  visitor: "aaaaaaaaaaaaaaaa",
  returning: false,
  user: undefined,
  query: "",
  param: () => undefined,
  unlocked: true,
});

/** What each platform would be sent to. Pure. */
export function preview(body: NewLink, rules: Rules): PreviewRow[] {
  const { default_url, targets, whatsapp, utm } = body;
  const link = new Link({ code: "preview", default_url, targets, whatsapp, utm } as LinkRow);
  return Object.entries(PLATFORM_NAMES).map(([platform, name]) => {
    const visit = visitOf(platform);
    const decision = resolve(link, visit, rules, false);
    if (decision.outcome !== "go") {
      const code = "code" in decision ? decision.code : "";
      return {
        platform,
        name,
        location: undefined,
        why: code === "link_blocked" ? "the place is not allowed: its host is not on the allowlist" : code,
      };
    }
    return {
      platform,
      name,
      location: placeOf(decision.target, link, visit, rules, undefined).location,
      why: typeof decision.because === "number" ? `rule ${decision.because + 1}` : "no rule takes it",
    };
  });
}
