/** A campaign through the functions, with readers of every kind: the figures are as planted. */
import { assertEquals } from "../support/assert.ts";
import { planted, playCampaign } from "../support/campaign_crowd.ts";
import { edgeTest } from "../support/edge.ts";

edgeTest("a campaign to 180 readers of every kind: figures as planted", async (edge) => {
  const { counts, state, links } = await playCampaign(edge, 180);
  assertEquals(counts, planted(180));
  assertEquals(state, "done");
  assertEquals((links as { link: string }[]).map(({ link }) => link).sort(), [
    "https://shop.example/a",
    "https://shop.example/b",
    "https://shop.example/c",
  ]);
});
