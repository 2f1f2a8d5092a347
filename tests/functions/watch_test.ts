/** What fails reaches people without Prometheus, also where the clock that would tell it is dead. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { type Edge, edgeTest } from "../support/edge.ts";
import { advance } from "../support/monotonic_clock.ts";
import { assertTold } from "../support/openapi.ts";
import { person } from "../support/routed.ts";
import { until } from "../support/until.ts";

/** A chat and a webhook that are told, while the clock has been dead for an hour. */
async function told(
  { sql, reread }: Edge,
  use: (got: Map<string, { body: string; headers: Headers }>) => Promise<void>,
): Promise<void> {
  const got = new Map<string, { body: string; headers: Headers }>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    got.set(new URL(request.url).pathname, { body: await request.text(), headers: request.headers });
    return new Response("ok");
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    await sql`select public.add_notification_endpoint('ops', 'slack', ${`${url}/slack`})`;
    await sql`select public.add_notification_endpoint('hook', 'webhook', ${`${url}/hook`})`;
    await sql`update private.config_revision set installed_at = now() - interval '1 hour'`;
    await reread();
    await use(got);
    await until("both are written down", async () => {
      const [{ n }] =
        await sql`select count(*)::int as n from public.notifications where state = 'delivered'`;
      return n === 2;
    });
  } finally {
    await server.shutdown();
  }
}

edgeTest(
  "a dead clock: a caller of health triggers the notification by Slack and webhook, and sees it",
  async (edge) => {
    advance(60_001);
    await told(edge, async (got) => {
      const response = await fetch(`${edge.url}/functions/v1/health`);
      const { status, clock } = await response.json();
      assertEquals([response.status, status, clock], [200, "degraded", {
        status: "down",
        why: "has never run",
      }]);
      await until("both are told", () => got.size === 2);
      assertMatch(JSON.parse(got.get("/slack")!.body).text, /^clock is down: has never run\n/);
      const { body, headers } = got.get("/hook")!;
      assertTold("health", JSON.parse(body), headers);
    });
  },
);

edgeTest("a dead clock: an incoming message triggers the notification", async (edge) => {
  // Nobody has looked for a minute.
  advance(60_001);
  await told(edge, async (got) => {
    await edge.says(person(edge), "hello");
    await until("both are told", () => got.size === 2);
  });
});

edgeTest("health: a read-only database is named, with 503", async (edge) => {
  await edge.sql.unsafe(`
    create function public.refuse() returns trigger language plpgsql as
      'begin raise exception ''no space'' using errcode = ''53100''; end';
    create trigger refuse before update on private.write_probe for each statement execute function public.refuse()`);
  await edge.reread();
  const response = await fetch(`${edge.url}/functions/v1/health`);
  assertEquals([response.status, (await response.json()).code], [503, "database_read_only"]);
});

edgeTest("health: a revoked token is named, without the sender's id", async (edge) => {
  await edge
    .sql`insert into public.senders (channel, id, held_since, held_code) values ('whatsapp', '4711', now(), '190')
    on conflict (channel, id) do update set held_since = now(), held_code = '190'`;
  await edge.sql`update public.senders set held_since = now(), held_code = '190'`;
  await edge.reread();
  const { status, senders } = await (await fetch(`${edge.url}/functions/v1/health`)).json();
  assertEquals([status, senders], ["degraded", { status: "down", why: "a fault of the account holds it" }]);
});
