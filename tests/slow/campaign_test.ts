/** A campaign of 10,000 with scanners that click everything, Apple's prefetch, bounces and replies: figures as planted. */
import { assertEquals } from "../support/assert.ts";
import { planted, playCampaign } from "../support/campaign_crowd.ts";
import { edgeTest } from "../support/edge.ts";

edgeTest("a campaign to 10,000 readers of every kind: figures as planted", async (edge) => {
  const { counts, state } = await playCampaign(edge, 10_000);
  assertEquals(counts, planted(10_000));
  assertEquals(state, "done");
});
