import { assertEquals } from "@std/assert";
import { bodyOf, type Told } from "./notification.ts";

const TOLD: Told = {
  kind: "started",
  at: "2026-11-29T10:00:00+00:00",
  event_id: "e1",
  rollout_id: "r1",
  flag: "checkout.enabled",
  plan: "custom",
  state: "running",
  stage: { position: 1, name: "us & <b>", percentage: 12.5 },
  verdict: null,
  rule: null,
  figures: { plan: "custom", stage: "us & <b>", percentage: 12.5 },
  actor: "postgres",
  reason: "launch",
};
const ADVICE =
  "Tell who is on call. The guard looks every minute; pause it if you see something that it cannot.";

Deno.test("bodyOf(): a webhook is told all that happened, and what to do", () => {
  assertEquals(bodyOf("webhook", TOLD), {
    type: "rollout.started",
    timestamp: TOLD.at,
    data: {
      event_id: "e1",
      rollout_id: "r1",
      flag: "checkout.enabled",
      plan: "custom",
      state: "running",
      stage: TOLD.stage,
      verdict: null,
      rule: null,
      message: "the rollout by the plan custom began with us & <b> (12.5 %)",
      what_to_do: ADVICE,
      actor: "postgres",
      reason: "launch",
    },
  });
});

Deno.test("bodyOf(): Slack gets one text, in which nothing is markup", () => {
  assertEquals(bodyOf("slack", TOLD), {
    text:
      `checkout.enabled: the rollout by the plan custom began with us &amp; &lt;b&gt; (12.5 %)\n${ADVICE}`,
  });
});
