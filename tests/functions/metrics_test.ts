/** `GET /functions/v1/metrics` on the real functions: what happens is what it prints. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { type Edge, edgeTest, KEYS, withEdge } from "../support/edge.ts";
import { PROMTOOL, promtool } from "../support/promtool.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";

/** The samples of a scrape, by name and labels as printed. */
async function scrape({ call }: Edge): Promise<Map<string, number>> {
  await flushCounts();
  await flushMeasurements();
  const { status, body, headers } = await call("metrics", {
    method: "GET",
    headers: { authorization: `Bearer ${KEYS.secretKey}` },
  });
  assertEquals([status, headers.get("content-type")], [200, "text/plain; version=0.0.4; charset=utf-8"]);
  return new Map(
    (body as string).split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

edgeTest("metrics: a message's way through the pipeline shows in the figures", async (edge) => {
  const { sql, meta, says, settled, hook, reread, call } = edge;
  await using service = startService();
  service.answers(withReplies({ type: "text", text: { body: "Hello back" } }));
  await addDestination(sql, "shop", service);
  await addRoute(sql, ["shop"]);
  await reread();
  const nora = meta.addContact({ name: "Nora", phone: "12025550143" });
  await says(nora, "hello");
  await settled();
  await hook({ any: "thing" });
  await hook({ any: "thing" });
  assertEquals((await call("wa-webhook", { body: "{}" })).status, 401);
  // The minute is over for whoever asks two minutes later.
  await sql`select private.sample_minutes(clock_timestamp())`;
  await sql`select private.sample_minutes(clock_timestamp() + interval '2 minutes')`;

  const found = await scrape(edge);
  const at = (series: string) => found.get(`gatelink_${series}`);
  assertEquals(at('webhook_signature_failures_total{reason="missing"}'), 1);
  assertEquals(at('refusals_total{function="wa-webhook",code="signature_missing"}'), 1);
  assertEquals(at('webhook_updates_total{field="unknown",result="duplicate"}'), 1);
  assertEquals(at('webhook_updates_total{field="unknown",result="stored"}'), 1);
  assert(at('webhook_updates_total{field="messages",result="stored"}')! >= 1);
  assertEquals(at('webhook_updates_stored_total{field="messages",kind="message"}'), 1);
  assertEquals(at('messages_total{direction="in"}'), 1);
  assertEquals(at('messages_total{direction="out"}'), 1);
  assertEquals(at("messages_routed_total"), 1);
  assertEquals(at("webhook_to_destination_seconds_count"), 1);
  assertEquals(at('webhook_to_destination_seconds_bucket{le="+Inf"}'), 1);
  assertEquals(at('delivery_attempts_total{destination="shop",outcome="delivered"}'), 1);
  assertEquals(at('destination_call_duration_seconds_count{destination="shop",outcome="delivered"}'), 1);
  assertEquals(at('outbound_total{result="sent"}'), 1);
  assertEquals(at('graph_call_duration_seconds_count{result="sent"}'), 1);
  assert(at('flag_evaluations_total{flag="wa_router.enabled",reason="STATIC"}')! >= 1);
  assertEquals(at('flag_enabled{flag="wa_router.enabled"}'), 1);
  assertEquals(at('queue_depth{queue="deliveries"}'), 0);
  assertEquals(at('destination_state{destination="shop",state="active"}'), 1);
  assertEquals(at('destination_state{destination="shop",state="paused"}'), 0);
  assertEquals(at('component_status{component="clock",state="healthy"}'), 1);
  assert(at('http_request_duration_seconds_count{function="wa-webhook",status="200"}')! >= 3);
  assertEquals(at('http_request_duration_seconds_count{function="wa-webhook",status="401"}'), 1);
  assert(at('cache_requests_total{cache="config",result="hit"}')! > 0);
});

edgeTest("metrics: valid Prometheus format, with the unit in each name", async (edge) => {
  await edge.hook({ any: "thing" });
  await scrape(edge);
  const { body } = await edge.call("metrics", { method: "GET", headers: { apikey: KEYS.secretKey } });
  const types = [...(body as string).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({
    name,
    type,
  }));
  assert(types.length > 30);
  assertEquals(new Set(types.map(({ name }) => name)).size, types.length, "a name twice");
  for (const { name, type } of types) {
    assertMatch(name, /^(?:gatelink|tgk)_[a-z][a-z0-9_]*$/);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assert(name.endsWith("_seconds"), name);
  }
});

Deno.test({
  name: "metrics: promtool accepts them",
  ignore: !PROMTOOL,
  fn: () =>
    withEdge(async (edge) => {
      await edge.hook({ any: "thing" });
      await scrape(edge);
      const { body } = await edge.call("metrics", { method: "GET", headers: { apikey: KEYS.secretKey } });
      await promtool(["check", "metrics"], body);
    }),
});

edgeTest("metrics: show rollouts, held conversations and dead letters as they are", async (edge) => {
  const { sql, meta, says, settled, set } = edge;
  await set({ "wa_router.enabled": { value: "true", metadata: { rollout_percentage: 0.01 } } });
  await says(meta.addContact({ name: "Nora", phone: "12025550143" }), "hello");
  await settled();
  await sql`
    insert into public.rollouts (flag_key, plan, state, created_at, finished_at) values
      ('wa_router.enabled', 'old', 'rolled_back', now() - interval '1 day', now() - interval '1 hour'),
      ('wa_router.enabled', 'new', 'running', now(), null),
      ('wa_send.enabled', 'new', 'rolled_back', now(), to_timestamp(1795000000.5))`;
  const found = await scrape(edge);
  const at = (series: string) => found.get(`gatelink_${series}`);
  assertEquals([at('queue_depth{queue="unrouted"}'), at("queue_held")], [1, 1]);
  assertEquals(at('flag_rollout_percentage{flag="wa_router.enabled"}'), 0.01);
  assertEquals(at('rollout_state{flag="wa_router.enabled",state="running"}'), 1);
  assertEquals(at('rollout_state{flag="wa_router.enabled",state="rolled_back"}'), 0);
  assertEquals(at('rollout_finished_timestamp_seconds{flag="wa_router.enabled"}'), undefined);
  assertEquals(at('rollout_finished_timestamp_seconds{flag="wa_send.enabled"}'), 1795000000.5);
  assert(at('flag_evaluations_total{flag="wa_router.enabled",reason="SPLIT"}')! >= 1);
});
