/** Limits of a campaign that stopped by itself. */
import type { Campaign } from "../../../../supabase/functions/_shared/contract/answers/campaigns.ts";

/** Limits that `start_campaign` takes. */
export interface Limits {
  bounce_limit?: number;
  complaint_limit?: number;
}

/**
 * The limits that would stop it again at once, at twice the share that there is now; a limit that was kept stays. By counts,
 * since shares are rounded, and from the numbers on from which `private.campaign_fault` looks at them.
 */
export function raisedLimits(
  { counts, bounce_limit, complaint_limit }: Pick<Campaign, "counts" | "bounce_limit" | "complaint_limit">,
): Limits {
  const n = (what: string) => counts[what] ?? 0;
  const twice = (part: number, whole: number) => Math.min(1, Math.ceil(20_000 * part / whole) / 10_000);
  const [bounced, sent, complained, delivered] = [n("bounced"), n("sent"), n("complained"), n("delivered")];
  return {
    ...(sent >= 100 && bounced > sent * bounce_limit ? { bounce_limit: twice(bounced, sent) } : {}),
    ...(delivered >= 100 && complained >= 2 && complained > delivered * complaint_limit
      ? { complaint_limit: twice(complained, delivered) }
      : {}),
  };
}
