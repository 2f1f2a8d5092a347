/** What the panel tells people to do: what needs somebody now, and the first steps, on Postgres, by role. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type {
  AttentionItem,
  FirstSteps,
} from "../../supabase/functions/_shared/contract/answers/attention.ts";
import { attentionInWords } from "../../supabase/functions/_shared/contract/words/attention.ts";
import { approversOf } from "../../supabase/functions/_shared/rollouts/sign_offs.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const attention = (sql: Sql, caller: Caller): Promise<AttentionItem[]> =>
  as(sql, caller, async (sql) => (await sql`select public.attention() as items`)[0].items);
const steps = async (sql: Sql, caller: Caller): Promise<string[]> => {
  const [{ found }] = await as(
    sql,
    caller,
    (sql) => sql<{ found: FirstSteps }[]>`select public.first_steps() as found`,
  );
  return found.filter(({ done }) => done).map(({ step }) => step);
};

/** A service with a message, and whatever made it a dead letter. */
async function service(sql: Sql, name: string): Promise<void> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true') on conflict do nothing`;
  await sql`select public.allow_host('localhost', 'forward')`;
  await sql`select public.add_destination(${name}, 'http://localhost/')`;
}

async function deliver(sql: Sql, name: string, state: string, error: string | null = null): Promise<void> {
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, last_error, updated_at)
    select m.id, d.id, m.conversation_id, m.seq, ${state}, ${error}, now() - interval '1 hour'
    from public.messages m cross join public.destinations d where d.name = ${name}`;
}

databaseTest("attention: names what needs somebody, what is urgent first, in sentences", async (sql) => {
  const viewer = await signedIn(sql, "viewer");
  const before = await attention(sql, viewer);
  assertEquals(before.filter(({ kind }) => kind !== "health"), []);
  await service(sql, "crm");
  await service(sql, "orders");
  await ingest(sql, message({ phone: "4915100000001" }), message({ phone: "4915100000001" }));
  await deliver(sql, "crm", "dead", "status: 500");
  await deliver(sql, "orders", "pending");
  await sql`select public.set_destination_state('orders', 'paused')`;
  await sql`select public.open_incident('Replies come late')`;
  await sql`insert into public.senders (channel, id, address, held_since, held_code)
    values ('whatsapp', '77', '15550000077', now(), '131031')`;
  await sql`insert into public.settings (key, value, metadata)
    values ('spring.enabled', 'false', '{"approvers": ["engineering", "product"]}')`;
  await sql`select public.create_rollout('spring.enabled', '{"template": "canary"}')`;
  await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'slack', 'h', '{paged}')`;
  await sql`insert into public.notifications (endpoint_id, next_attempt_at, payload, state, last_error)
    select id, now(), '{"kind": "paged"}', 'dead', 'status: 404' from public.notification_endpoints`;

  const items = await attention(sql, viewer);
  const said = items.map(attentionInWords);
  for (
    const sentence of [
      /^Incident \d+ \(P\d\): Replies come late; nobody has acknowledged it$/,
      /^orders is paused; 2 messages wait$/,
      /^Nothing is sent from 77: the provider answers 131031/,
      /^2 deliveries to crm failed for good: retry or drop$/,
      /^The launch of spring.enabled needs a signature: engineering, product$/,
      /^1 notification could not be sent to ops: status: 404$/,
    ]
  ) assertEquals(said.filter((one) => sentence.test(one)).length, 1, `${sentence} of ${said.join("\n")}`);
  const urgent = items.map(({ urgent }) => urgent);
  assertEquals(urgent, urgent.toSorted((a, b) => Number(b) - Number(a)));

  // What somebody did is no longer told.
  await sql`select public.set_destination_state('orders', 'active')`;
  await sql`update public.incidents set status = 'resolved', resolved_at = now(), resolved_by = 'a test'`;
  await sql`update public.senders set held_since = null`;
  await sql`update public.deliveries set dropped_reason = 'a test' where state = 'dead'`;
  await sql`insert into public.notifications (endpoint_id, next_attempt_at, payload, state, delivered_at)
    select id, now(), '{"kind": "paged"}', 'delivered', clock_timestamp() from public.notification_endpoints`;
  const after = (await attention(sql, viewer)).filter(({ kind }) => kind !== "health");
  assertEquals(after.map(({ kind }) => kind), ["signature"]);
});

databaseTest("attention: asks for the signatures that the launch asks for", async (sql) => {
  for (const approvers of [undefined, ["engineering"], ["product"], ["cto", "engineering"]]) {
    const metadata = approvers === undefined ? {} : { approvers };
    await sql`insert into public.settings (key, value, metadata) values ('a.enabled', 'false', ${
      sql.json(metadata)
    })
      on conflict (key) do update set metadata = excluded.metadata`;
    const [{ roles }] = await sql`select private.missing_approvals('a.enabled') as roles`;
    assertEquals(roles, approversOf(approvers), JSON.stringify(approvers));
  }
});

databaseTest(
  "first_steps: each is ticked by what happened, and stays so when data are purged",
  async (sql) => {
    const viewer = await signedIn(sql, "viewer");
    assertEquals(await steps(sql, viewer), []);
    await signedIn(sql, "operator");
    await service(sql, "crm");
    await sql`select public.add_route('{crm}', '{"type": "any"}', 100, '{}')`;
    assertEquals(await steps(sql, viewer), ["destination", "route", "member"]);
    await ingest(sql, message({ phone: "4915100000001" }));
    await deliver(sql, "crm", "delivered");
    await sql`insert into public.links (code, request_hash, default_url) values ('abcd2345', 'h', 'https://example.com/')`;
    await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'slack', 'h', '{paged}')`;
    for (
      const [name, label] of [["messages", "in"], ["graph", "sent"], ["clicks", "human web"], [
        "destination",
        "crm delivered",
      ]]
    ) {
      await sql`insert into public.measurements (name, label, minute, n, last_at) values (${name}, ${label}, '-infinity', 1, now())`;
    }
    const all = [
      "clock",
      "webhook",
      "destination",
      "route",
      "delivered",
      "reply",
      "link",
      "click",
      "member",
      "endpoint",
    ];
    assertEquals(await steps(sql, viewer), all);
    await sql`insert into public.measurements (name, label, minute, n, last_at)
    values ('updates', 'messages text', '-infinity', 1, now()) on conflict do nothing`;
    await sql`delete from public.deliveries`;
    await sql`delete from public.webhook_events`;
    assertEquals(await steps(sql, viewer), all);
  },
);

databaseTest("attention, first_steps: for the team alone", async (sql) => {
  for (const caller of [ANON, await signedIn(sql)]) {
    assertEquals(await refusal(attention(sql, caller)), "42501");
    assertEquals(await refusal(steps(sql, caller)), "42501");
  }
  assert((await steps(sql, await signedIn(sql, "viewer"))).length < 10);
});
