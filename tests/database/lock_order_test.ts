/** Rows that two transactions change are locked in one order, and what is asked twice at once is done once. */
import { assert, assertEquals } from "../support/assert.ts";
import type { PendingQuery, Row, Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { destination } from "../support/deliveries.ts";
import { filledTest } from "../support/filled.ts";
import { ingest, message, status } from "../support/intake.ts";
import { at, claim, databaseTest as sendingTest, send, text, to, written } from "../support/outbound.ts";
import { until } from "../support/until.ts";

const CARD = "00000000-0000-7000-8000-000000000b02";
const OTHER_CARD = "00000000-0000-7000-8000-000000000b03";
const MESSAGE = "00000000-0000-7000-8000-0000000000e1";
const LEASE = "00000000-0000-7000-8000-00000000f001";

/** Has `act` wait for a row that somebody holds; meanwhile it must not hold the other one. */
async function assertWaitsFree(
  sql: Sql,
  held: string,
  act: (sql: Sql) => PendingQuery<Row[]>,
  free: string,
): Promise<void> {
  const holder = await sql.reserve(), actor = await sql.reserve();
  try {
    await holder`begin`;
    const [{ pid: of }] = await holder`select pg_backend_pid() as pid`;
    const [{ pid }] = await actor`select pg_backend_pid() as pid`;
    assertEquals((await holder.unsafe(`select true as there from ${held} for update`)).length, 1);
    const acted = act(actor).execute();
    await until(
      "it waits for the row",
      async () => (await sql`select ${of} = any (pg_blocking_pids(${pid})) as waits`)[0].waits,
    );
    const found = await sql.unsafe(`select true as there from ${free} for update skip locked`);
    await holder`rollback`;
    await acted;
    assertEquals(found.length, 1, `${free} was held meanwhile`);
  } finally {
    await holder`rollback`;
    holder.release();
    actor.release();
  }
}

sendingTest("senders: results of two of them, in whatever order, lock them by id", async (sql) => {
  await sql`insert into public.wa_numbers (id) values ('2')`;
  // The older conversation, which is settled first, has the greater sender.
  await ingest(sql, message({ sender_id: "2", phone: "4999", at: at(0) }));
  await written(sql);
  await send(sql, 1, text("a", { ...to("4999"), number_id: "2" }), text("b"));
  const claimed = await claim(sql, 2);
  assertEquals(claimed.length, 2);
  const results = claimed.map(({ id, lease }) => ({
    id,
    lease,
    outcome: "retry",
    retry_after_ms: 1000,
    put_off: "held",
    scope: "number",
    error: { code: 190 },
  }));
  await assertWaitsFree(
    sql,
    "public.senders s where s.id = '1'",
    (on) => on`select private.settle_outbound(${sql.json(results)}, ${at(3)})`,
    "public.senders s where s.id = '2'",
  );
  assertEquals(
    [...await sql`select id, held_code from public.senders order by id`],
    [{ id: "1", held_code: "190" }, { id: "2", held_code: "190" }],
  );
});

sendingTest(
  "messages: an answer that comes when its message was given up locks it before its place in the queue, as a status does",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("a"));
    const [{ id, lease }] = await claim(sql, 2);
    await sql`update public.outbound_messages set state = 'unknown'`;
    await sql`update public.messages set status = 'unknown' where id = ${id}`;
    await sql`update private.outbound_lanes set lease = null, due_at = null`;
    const results = [{ id, lease, outcome: "sent", provider_id: "wamid.1" }];
    await assertWaitsFree(
      sql,
      `public.messages m where m.id = '${id}'`,
      (on) => on`select private.settle_outbound(${sql.json(results)}, ${at(90)})`,
      `public.outbound_messages o where o.id = '${id}'`,
    );
    assertEquals(
      [...await sql`select o.state, m.status, m.provider_id from public.outbound_messages o join public.messages m on m.id = o.id`],
      [{ state: "sent", status: "accepted", provider_id: "wamid.1" }],
    );
  },
);

sendingTest(
  "conversations: what failed, of whoever has opted out too, locks them by id where services are told",
  async (sql) => {
    await destination(sql, "all", { events: ["*"] });
    for (const phone of ["491", "492"]) {
      await written(sql, phone);
      await send(sql, 1, text(phone, to(phone)));
    }
    const [first, second] = await sql`select id from public.conversations order by id`;
    // The person of the second has opted out.
    const failed = (await claim(sql, 2)).map(({ id, lease, to }) => ({
      id,
      lease,
      outcome: "failed",
      provider_id: `wamid.${id}`,
      error: { code: to === "492" ? "131050" : "131026" },
    }));
    const statuses = failed.map(({ provider_id, error }) =>
      status(provider_id, "failed", {
        channel: "whatsapp",
        provider: "whatsapp",
        identities: [],
        error: [error],
      })
    );
    for (
      const act of [
        (on: Sql) => on`select private.settle_outbound(${sql.json(failed)}, ${at(3)})`,
        (on: Sql) => on`select public.ingest_updates(${sql.json(statuses as never)})`,
      ]
    ) {
      await sql`update public.conversations set opted_out_at = null, opt_told_at = null`;
      await assertWaitsFree(
        sql,
        `public.conversations c where c.id = '${first.id}'`,
        act,
        `public.conversations c where c.id = '${second.id}'`,
      );
      assertEquals(
        (await sql`select opted_out_at is not null as out from public.conversations order by id`).map((
          { out },
        ) => out),
        [false, true],
      );
    }
  },
);

databaseTest("senders: receipts lock those that they hold and those that they free by id", async (sql) => {
  await sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true')`;
  const ids: string[] = [];
  for (const number of ["12025550100", "12025550200"]) {
    await sql`select public.set_text_number(${number}, '{"max_per_second": 1000}')`;
    const [{ id }] = await sql`select public.enqueue_outbound(${
      sql.json([{
        channel: "sms",
        to: "12025550143",
        identities: [{ kind: "phone", value: "12025550143" }],
        number_id: number,
        text: "At nine.",
        message: { type: "text", text: "At nine.", segments: 1 },
      }])
    }) -> 0 ->> 'id' as id`;
    ids.push(id);
  }
  await sql`update public.senders set held_since = now(), held_code = '30034', held_until = now() where id = '12025550100'`;
  await sql`update public.messages set status = 'delivered' where id = ${ids[0]}`;
  await sql`update public.messages set status = 'failed', error = '[{"code": "30034"}]' where id = ${ids[1]}`;
  await assertWaitsFree(
    sql,
    "public.senders s where s.id = '12025550100'",
    (on) => on`select private.apply_text_statuses(${ids}, now())`,
    "public.senders s where s.id = '12025550200'",
  );
  assertEquals(
    [...await sql`select id, held_code from public.senders where channel = 'sms' order by id`],
    [{ id: "12025550100", held_code: null }, { id: "12025550200", held_code: "30034" }],
  );
});

filledTest("on call: news of an incident locks the card first, as a press does", async (sql) => {
  await sql`update public.oncall_schedules set source = 'pagerduty', external_id = 'P1'`;
  await sql`update private.oncall_mirrors set told = 'open', changed_at = now() - interval '1 hour'`;
  const [{ now }] = await sql`select now()::text as now`;
  const news = { id: "E2", key: "gatelink:abcdefghijklmnop", state: "acknowledged", at: now, by: "Ana" };
  await assertWaitsFree(
    sql,
    `public.cards c where c.delivery_id = '${CARD}'`,
    (on) => on`select public.hear_oncall('pagerduty', ${sql.json(news)}) as heard`,
    `private.oncall_mirrors m where m.delivery_id = '${CARD}'`,
  );
  assertEquals((await sql`select state from public.cards`)[0].state, "acknowledged");
});

filledTest(
  "on call: what a card is to mention is settled from the card on, as its removal goes",
  async (sql) => {
    await sql`update private.oncall_pages set lease = ${LEASE}, due_at = now()`;
    await assertWaitsFree(
      sql,
      `public.cards c where c.delivery_id = '${CARD}'`,
      (on) => on`select public.settle_oncall_page(${CARD}, ${LEASE}, null)`,
      `private.oncall_pages p where p.delivery_id = '${CARD}'`,
    );
    assertEquals((await sql`select state, outcome from private.oncall_pages`)[0], {
      state: "done",
      outcome: "failed",
    });
  },
);

filledTest("analyses: who corrects one from two cards at once locks the cards in one order", async (sql) => {
  await sql`insert into public.destinations (id, name, kind, url, rate_per_second)
    values ('00000000-0000-7000-8000-000000000b04', 'second', 'telegram', 'telegram:-1002000000002', 0.25)`;
  await sql`insert into public.deliveries (id, message_id, destination_id, conversation_id, seq, state, delivered_at)
    select ${OTHER_CARD}, d.message_id, '00000000-0000-7000-8000-000000000b04', d.conversation_id, d.seq, d.state, d.delivered_at
    from public.deliveries d where d.id = ${CARD}`;
  await sql`insert into public.cards (delivery_id, token, chat_id, message_ids)
    values (${OTHER_CARD}, 'bcdefghijklmnopq', -1002000000002, '{5000}')`;
  const press = {
    kind: "press",
    action: "wrong",
    from: 5100000001,
    chat: { id: -1002000000002 },
    card: "bcdefghijklmnopq",
    version: 1,
    message_id: 5000,
  };
  await assertWaitsFree(
    sql,
    `public.cards c where c.delivery_id = '${CARD}'`,
    (on) => on`select private.press_card(${sql.json(press)}, now())`,
    `public.cards c where c.delivery_id = '${OTHER_CARD}'`,
  );
  assertEquals((await sql`select is_asking from public.analyses`)[0].is_asking, true);
});

filledTest("answers: a request that comes twice at once is one answer", async (sql) => {
  await sql`insert into public.settings (key, value) values ('email_replies.enabled', 'true')
    on conflict (key) do update set value = excluded.value`;
  await sql`update public.messages set native = '{}' where id = ${MESSAGE}`;
  await sql`update public.conversations c set last_inbound_at = now() where c.id = (select m.conversation_id from public.messages m where m.id = ${MESSAGE})`;
  const first = await sql.reserve(), second = await sql.reserve();
  const ask = (on: Sql) => on`select public.reply_in_thread(${MESSAGE}, 'On it', ${LEASE}) as asked`;
  try {
    await first`begin`;
    const [{ asked }] = await ask(first);
    assert(asked.id !== undefined, JSON.stringify(asked));
    const [{ pid: of }] = await first`select pg_backend_pid() as pid`;
    const [{ pid }] = await second`select pg_backend_pid() as pid`;
    const again = ask(second).execute();
    await until(
      "the second waits for the first",
      async () => (await sql`select ${of} = any (pg_blocking_pids(${pid})) as waits`)[0].waits,
    );
    await first`commit`;
    assertEquals((await again)[0].asked, asked);
  } finally {
    await first`rollback`;
    first.release();
    second.release();
  }
  assertEquals(
    (await sql`select count(*)::integer as n from public.chat_replies where key = ${LEASE}`)[0].n,
    1,
  );
});

databaseTest(
  "on call: the people of a layer are locked in one order, whoever's turn is first",
  async (sql) => {
    for (const name of ["Ana", "Ben"]) await sql`select public.set_oncall_person(${sql.json({ name })})`;
    await assertWaitsFree(
      sql,
      "private.oncall_people p where p.name = 'Ana'",
      (on) =>
        on`select public.add_oncall(${
          sql.json({ name: "infra", layer: { people: [{ name: "Ben" }, { name: "Ana" }] } })
        })`,
      "private.oncall_people p where p.name = 'Ben'",
    );
    assertEquals(
      (await sql`
      select p.name from private.oncall_layers l cross join unnest(l.people) with ordinality x (id, n)
      join private.oncall_people p on p.id = x.id order by x.n`).map(({ name }) => name),
      ["Ben", "Ana"],
    );
  },
);
