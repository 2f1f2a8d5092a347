/** What the panel changes of a campaign that goes on after its limits stopped it. */
import { raisedLimits } from "../../admin/src/pages/campaigns/limits.ts";
import { assertEquals } from "../support/assert.ts";

const campaign = (counts: Record<string, number>) => ({ counts, bounce_limit: 0.05, complaint_limit: 0.001 });

Deno.test("raisedLimits(): only the limit that is exceeded, at twice what there is", () => {
  for (
    const [counts, limits] of [
      [{ sent: 100, bounced: 6, delivered: 94 }, { bounce_limit: 0.12 }],
      [{ sent: 1000, bounced: 10, delivered: 990, complained: 3 }, { complaint_limit: 0.0061 }],
      // Rounded to four places this share is the limit.
      [{ sent: 2999, delivered: 2999, complained: 3 }, { complaint_limit: 0.0021 }],
      [{ sent: 100, bounced: 60, delivered: 40, complained: 2 }, { bounce_limit: 1 }],
      [{ sent: 200, bounced: 60, delivered: 140, complained: 1 }, { bounce_limit: 0.6 }],
      [{ sent: 99, bounced: 50, delivered: 49 }, {}],
      [{}, {}],
    ] as const
  ) assertEquals(raisedLimits(campaign(counts)), limits, JSON.stringify(counts));
});
