/** Sending in SQL: window, fallback, idempotency, order, pace, and what becomes of each message. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { until } from "../support/until.ts";
import { ingest, lost, message, status } from "../support/intake.ts";
import {
  at,
  claim,
  Claimed,
  databaseTest,
  HOUR,
  send,
  settle,
  T0,
  TEMPLATE,
  text,
  to,
  written,
} from "../support/outbound.ts";

databaseTest(
  "window: free text within 24 hours of the person's message, templates at any time",
  async (sql) => {
    await written(sql);
    const [open, closed, template] = [
      await send(sql, 24 * HOUR - 1, text("still open")),
      await send(sql, 24 * HOUR, text("too late")),
      await send(sql, 48 * HOUR, { ...text(""), message: TEMPLATE }),
    ];
    assertEquals([open[0].status, closed[0].error, template[0].status], [
      "queued",
      "window_closed",
      "queued",
    ]);
    assertEquals(
      (await send(sql, 0, text("hi", to("49999"))))[0].error,
      "window_closed",
    );
  },
);

databaseTest(
  "window: when it is closed, the request's template or else the setting's is sent",
  async (sql) => {
    await written(sql);
    const [own] = await send(sql, 25 * HOUR, text("late", { fallback: TEMPLATE }));
    assertEquals(own.used_fallback, true);
    await sql`insert into public.settings (key, value) values ('wa_send.window_fallback', ${
      JSON.stringify(TEMPLATE)
    })`;
    const [setting] = await send(sql, 25 * HOUR, text("late"));
    assertEquals(setting.used_fallback, true);
    const rows = await sql<{ type: string }[]>`select type from public.messages where direction = 'out'`;
    assertEquals(rows.map((row) => row.type), ["template", "template"]);
  },
);

databaseTest("claim: a message committed while a claim starts is returned complete", async (sql) => {
  await written(sql);
  let claiming: Promise<Claimed[]> | undefined;
  let queued = "";
  await sql.begin(async (writer) => {
    const item = { ...text("hi"), message: TEMPLATE };
    const [{ answers }] = await writer`select public.enqueue_outbound(${writer.json([item])}) as answers`;
    queued = answers[0].id;
    // The claim has begun, and has not yet looked at the queue.
    await writer`lock table private.outbound_lanes in access exclusive mode`;
    claiming = sql<{ claimed: { messages: Claimed[] } }[]>`select public.claim_outbound(10, 60) as claimed`
      .then(([{ claimed }]) => claimed.messages);
    await until("the claim waits", async () => {
      const [{ waits }] = await writer`
        select exists (select from pg_locks where not granted and relation = 'private.outbound_lanes'::regclass) as waits`;
      return waits;
    });
  });
  const claimed = await claiming!;
  const [{ state, contact_id }] = await sql`
    select o.state, c.contact_id from public.outbound_messages o
    join public.conversations c on c.id = o.conversation_id where o.id = ${queued}`;
  assertEquals(state, "leased");
  assertEquals(claimed.map((each) => [each.id, each.contact_id]), [[queued, contact_id]]);
});

databaseTest(
  "idempotency: the same key is the same message, also concurrently; a different request under it is refused",
  async (sql) => {
    await written(sql);
    const item = text("once", { idempotency_key: "k" });
    const answers = (await Promise.all(Array.from({ length: 8 }, () => send(sql, 1, item)))).flat();
    assertEquals(new Set(answers.map((answer) => answer.id)).size, 1);
    assertEquals(
      (await send(sql, 2, text("other", { idempotency_key: "k" })))[0].error,
      "idempotency_conflict",
    );
    const [{ n, m }] = await sql`
    select (select count(*)::int from public.outbound_messages) as n,
      (select count(*)::int from public.messages where direction = 'out') as m`;
    assertEquals([n, m], [1, 1]);
  },
);

databaseTest("from: the conversation's number, else the only one, else it must be given", async (sql) => {
  assertEquals((await send(sql, 0, text("hi")))[0].error, "from_required");
  await sql`insert into public.wa_numbers (id) values ('1')`;
  assertEquals((await send(sql, 0, { ...text(""), message: TEMPLATE }))[0].status, "queued");
  await sql`insert into public.wa_numbers (id) values ('2')`;
  assertEquals((await send(sql, 0, { ...text(""), message: TEMPLATE }))[0].status, "queued");
  assertEquals(
    (await send(sql, 0, { ...text("", to("498")), message: TEMPLATE }))[0].error,
    "from_required",
  );
  assertEquals(
    (await send(sql, 0, { ...text(""), number_id: "3", message: TEMPLATE }))[0].error,
    "unknown_number",
  );
});

databaseTest("rate: a key that sends too fast is refused and told when to retry", async (sql) => {
  await written(sql);
  const limit = { key: "send:k", per_second: 0.01, burst: 2 };
  const answers = await send(sql, 1, ...["1", "2", "3"].map((body) => text(body, { limit })));
  assertEquals(answers.map((answer) => answer.error), [undefined, undefined, "rate_limited"]);
});

databaseTest(
  "order: one message of a conversation at a time, the next after the previous one is settled",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("1"), text("2"), text("3"));
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const claimed = await claim(sql, 2 + i);
      assertEquals(claimed.length, 1);
      order.push(claimed[0].message.text?.body);
      await settle(sql, 2 + i, claimed, { outcome: "sent", provider_id: `wamid.${i}` });
    }
    assertEquals(order, ["1", "2", "3"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "pace: a pair gets its burst and then one message per six seconds, whoever claims",
  async (sql) => {
    await written(sql);
    await sql`update public.wa_numbers set pair_burst = 3`;
    await send(sql, 1, ...Array.from({ length: 10 }, (_, i) => text(String(i))));
    const sent: number[] = [];
    for (let second = 2; sent.length < 10; second++) {
      // Three isolates at once, in each second.
      for (const claimed of await Promise.all([claim(sql, second), claim(sql, second), claim(sql, second)])) {
        sent.push(...claimed.map(() => second));
        await settle(sql, second, claimed, { outcome: "sent", provider_id: `wamid.${second}` });
      }
      assert(sent.length <= 3 + (second - 2) / 6 + 1, `${sent.length} in ${second - 2} s`);
      assert(second < 100);
    }
  },
);

databaseTest(
  "pace: a number never exceeds its rate in any second, over all its conversations",
  async (sql) => {
    await ingest(sql, ...Array.from({ length: 300 }, (_, i) => message({ phone: `c${i}`, at: at(0) })));
    await send(sql, 1, ...Array.from({ length: 300 }, (_, i) => text("hi", to(`c${i}`))));
    const sent: number[] = [];
    for (let tick = 0; sent.length < 300; tick++) {
      const now = 2 + tick / 50;
      for (const claimed of await Promise.all([claim(sql, now), claim(sql, now)])) {
        sent.push(...claimed.map(() => now));
        await settle(sql, now, claimed, { outcome: "sent", provider_id: `wamid.${now}` });
      }
      assert(sent.filter((time) => time > now - 1).length <= 80, `more than 80 in the second before ${now}`);
      assert(tick < 1000);
    }
  },
);

databaseTest(
  "failed: the message ends with the provider's reason, and the conversation continues",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("1"), text("2"));
    await settle(sql, 2, await claim(sql, 2), { outcome: "failed", error: { code: 131026 } });
    const [row] =
      await sql`select m.status, m.error, o.state from public.messages m join public.outbound_messages o on o.id = m.id
    where m.text = '1'`;
    assertEquals({ ...row }, { status: "failed", error: { code: 131026 }, state: "failed" });
    assertEquals((await claim(sql, 3)).map((claimed) => claimed.message.text?.body), ["2"]);
  },
);

databaseTest(
  "crash: a message whose sender died is sent again, unless a status shows that it was sent",
  async (sql) => {
    await written(sql);
    await written(sql, "492");
    const [a, b] = await send(sql, 1, text("a"), text("b", to("492")));
    const claimed = await claim(sql, 2);
    assertEquals(claimed.length, 2);
    await ingest(sql, status("wamid.a", "sent", { callback: a.id }));
    const again = await claim(sql, 63);
    assertEquals(again.map(({ id, attempt }) => ({ id, attempt })), [{ id: b.id!, attempt: 2 }]);
    assertEquals(await settle(sql, 64, claimed, { outcome: "failed", error: {} }), { settled: 0, fenced: 2 });
    const rows = await sql<{ text: string; status: string }[]>`
    select text, status from public.messages where direction = 'out' order by text`;
    assertEquals(rows.map((row) => ({ ...row })), [{ text: "a", status: "sent" }, {
      text: "b",
      status: "queued",
    }]);
  },
);

databaseTest("flag: off by default, and evaluated for each contact", async (sql) => {
  await written(sql);
  await written(sql, "492");
  const both = () => send(sql, 1, text("a"), text("b", to("492")));
  await sql`delete from public.settings where key = 'wa_send.enabled'`;
  assertEquals((await both()).map((answer) => answer.error), ["feature_off", "feature_off"]);
  const [{ contact_id }] = await sql<{ contact_id: string }[]>`
    select contact_id from public.contact_identities where value = '492'`;
  await sql`insert into public.settings (key, value, metadata) values
    ('wa_send.enabled', 'true', ${sql.json({ rollout_percentage: 0, target_user_ids: [contact_id] })})`;
  assertEquals((await both()).map((answer) => answer.error), ["feature_off", undefined]);
});

databaseTest(
  "flag: messages for a contact without the flag wait, and are sent once it is on",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("a"), text("b"));
    await sql`update public.settings set metadata = '{"rollout_percentage": 0}' where key = 'wa_send.enabled'`;
    assertEquals(await claim(sql, 2), []);
    await sql`update public.settings set metadata = '{"rollout_percentage": 100}' where key = 'wa_send.enabled'`;
    assertEquals((await claim(sql, 8)).map((claimed) => claimed.message.text?.body), ["a"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "flag: a number whose messages are held back leaves its places to the other numbers",
  async (sql) => {
    await sql`insert into public.wa_numbers (id) values ('1'), ('2')`;
    const people = Array.from({ length: 8 }, (_, i) => `49${100 + i}`);
    await ingest(sql, ...people.map((phone) => message({ phone, at: at(0) })));
    await ingest(sql, message({ sender_id: "2", phone: "4999", at: at(0) }));
    await send(sql, 1, ...people.map((phone) => text("held", to(phone))));
    await send(sql, 1, text("free", { ...to("4999"), number_id: "2" }));
    const [{ contact_id }] = await sql`
      select contact_id from public.contact_identities where value = '4999'`;
    await sql`update public.settings set metadata = ${
      sql.json({ rollout_percentage: 0, target_user_ids: [contact_id] })
    } where key = 'wa_send.enabled'`;
    assertEquals((await claim(sql, 2, 4)).map((claimed) => claimed.message.text?.body), ["free"]);
    await sql`update public.settings set metadata = '{}' where key = 'wa_send.enabled'`;
    assertEquals((await claim(sql, 8)).length, 8);
    assertEquals(await lost(sql), []);
  },
);

const FALLBACK = { type: "template", template: { name: "shipped", language: { code: "en" } } };

/** What became of a message, and what is sent of it. */
async function stateOf(sql: Sql, id: string) {
  const [row] = await sql`
    select o.state, o.used_fallback, m.status, m.native #>> '{template,name}' as template, m.error
    from public.outbound_messages o join public.messages m on m.id = o.message_id where o.id = ${id}`;
  return { ...row };
}

databaseTest(
  "fallback: sent once if the provider says that the window is closed, at once, later or before it answers",
  async (sql) => {
    for (const [phone, when] of [["4901", "at once"], ["4902", "later"], ["4903", "before"]] as const) {
      await written(sql, phone);
      const [{ id }] = await send(sql, 1, text("free", { ...to(phone), fallback: FALLBACK }));
      // The last round's clock went on.
      await sql`update public.senders set send_tat = null`;
      const first = await claim(sql, 2);
      assertEquals(first.length, 1);
      const error = { code: 131047 };
      const sent = { outcome: "sent", provider_id: `wamid.${phone}` };
      const fails = () => ingest(sql, status(sent.provider_id, "failed", { callback: id, error: [error] }));
      if (when === "later") await settle(sql, 2, first, sent);
      if (when !== "at once") await fails();
      if (when === "before") await settle(sql, 2, first, sent);
      if (when === "at once") await settle(sql, 2, first, { outcome: "failed", error });
      assertEquals(await stateOf(sql, id!), {
        state: "queued",
        used_fallback: true,
        status: "queued",
        template: "shipped",
        error: null,
      });
      const again = await claim(sql, when !== "at once" ? 10 + (Date.now() - T0) / 1000 : 9);
      assertEquals(again.map(({ id, attempt, message }) => [id, attempt, message.type]), [[
        id,
        1,
        "template",
      ]]);
      await settle(sql, 10, again, { outcome: "failed", error });
      assertEquals((await stateOf(sql, id!)).state, "failed", "not for ever");
    }
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "fallback: without one, or for a person who refuses templates, the message fails",
  async (sql) => {
    await written(sql);
    const [{ id }] = await send(sql, 1, text("free"));
    await settle(sql, 2, await claim(sql, 2), { outcome: "failed", error: { code: 131047 } });
    assertEquals((await stateOf(sql, id!)).state, "failed");
    const [other] = await send(sql, 3, text("free", { fallback: FALLBACK }));
    const claimed = await claim(sql, 4);
    await sql`update public.conversations set opted_out_at = ${at(4)}`;
    await settle(sql, 5, claimed, { outcome: "failed", error: { code: 131047 } });
    assertEquals((await stateOf(sql, other.id!)).state, "failed");
  },
);
