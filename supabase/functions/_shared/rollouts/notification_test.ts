import { assertEquals } from "../../../../tests/support/assert.ts";
import { testEvent } from "../contract/http/operation.ts";
import { bodyOf, mailOf, type Notification } from "./notification.ts";

const TOLD: Notification = {
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
  "Inform whoever is on call. The guard checks every minute; pause the rollout if you see something that it cannot.";

Deno.test("bodyOf(): a webhook gets all facts of the event, and what to do", () => {
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

Deno.test("bodyOf(): Slack gets one text without any markup", () => {
  assertEquals(bodyOf("slack", TOLD), {
    text:
      `checkout.enabled: the rollout by the plan custom began with us &amp; &lt;b&gt; (12.5 %)\n${ADVICE}`,
  });
});

const PART: Notification = {
  kind: "failing",
  at: "2026-11-29T10:00:00+00:00",
  part: {
    component: "queue",
    status: "degraded",
    because: "stopped",
    figures: { destinations: [{ name: "crm", state: "circuit_open" }] },
  },
};
const QUEUE = "Check the named services: gatelink status shows their queues.";

Deno.test("bodyOf(): names a failing component, with the reason and what to do", () => {
  const why = "crm keeps failing: its circuit is open";
  assertEquals(bodyOf("webhook", PART), {
    type: "health.failing",
    timestamp: PART.at,
    data: {
      component: "queue",
      status: "degraded",
      why,
      message: `queue is degraded: ${why}`,
      what_to_do: QUEUE,
    },
  });
  assertEquals(bodyOf("slack", PART), { text: `queue is degraded: ${why}\n${QUEUE}` });
});

Deno.test("bodyOf(): names a recovered component", () => {
  const part = { component: "queue" as const, status: "healthy" as const, because: "taken", figures: {} };
  assertEquals(bodyOf("slack", { ...PART, kind: "recovered", part }), { text: "queue does well again" });
});

Deno.test("bodyOf(): a test says that it is one", () => {
  const told: Notification = { kind: "test", at: "2026-11-29T10:00:00+00:00", endpoint: "ops" };
  const body = bodyOf("webhook", told);
  assertEquals(testEvent.parse(body), body);
  assertEquals(bodyOf("slack", told), {
    text: "This is a test of the notification endpoint ops.\nNothing. Notifications arrive here.",
  });
});

Deno.test("mailOf(): the subject is one short line, and the text says what to do and when it happened", () => {
  assertEquals(mailOf(TOLD), {
    subject: "checkout.enabled: the rollout by the plan custom began with us & <b> (12.5 %)",
    text: `the rollout by the plan custom began with us & <b> (12.5 %)\n\n${ADVICE}\n\n${TOLD.at}\n`,
  });
  const long = mailOf({ ...TOLD, figures: { ...TOLD.figures, stage: "x".repeat(300) } });
  assertEquals(long.subject.length, 150);
  assertEquals(mailOf(PART).subject.includes("\n"), false);
});
