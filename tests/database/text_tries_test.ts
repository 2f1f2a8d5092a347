/** What follows from reported failures of texts: one second try, and numbers that carriers take nothing from. */
import { assertEquals } from "../support/assert.ts";
import { databaseTest } from "../support/database.ts";
import { addOrg, book } from "../support/masking.ts";
import type { JSONValue, Sql } from "postgres";

const OURS = "12025550100";
const ANNA = "12025550143";
const SOON = "now() + interval '5 minutes 1 second'";

/** Our number, with sending on. */
async function begin(sql: Sql): Promise<void> {
  await sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true'), ('sms_router.enabled', 'true')`;
  await sql`select public.set_text_number(${OURS}, '{"max_per_second": 1000}')`;
}

/** Queues a text, and gives its id. */
const queue = (sql: Sql, text = "At nine.", more: Record<string, JSONValue> = {}, key?: string) =>
  sql`select public.enqueue_outbound(${
    sql.json([{
      channel: "sms",
      to: ANNA,
      identities: [{ kind: "phone", value: ANNA }],
      number_id: OURS,
      text,
      message: { type: "text", text, segments: 1, ...more },
      ...(key === undefined ? {} : { idempotency_key: key }),
    }])
  }) -> 0 ->> 'id' as id`.then(([{ id }]) => id as string);

interface Claimed {
  id: string;
  lease: string;
  opted_out?: true;
}
const claim = (sql: Sql, at = "now()") =>
  sql.unsafe(`select private.claim_outbound(32, 60, '{}', '{sms}', ${at}) -> 'messages' as c`)
    .then(([{ c }]) => c as Claimed[]);

/** Sends what is due; gives the ids. The provider's ids are SM1, SM2, …, from `n`. */
async function send(sql: Sql, n: number, at?: string): Promise<string[]> {
  const claimed = await claim(sql, at);
  const results = claimed.map(({ id, lease }, i) => ({
    id,
    lease,
    outcome: "sent",
    provider_id: `SM${n + i}`,
  }));
  await sql`select public.settle_outbound(${sql.json(results)})`;
  return claimed.map(({ id }) => id);
}

const RANKS: Record<string, number> = { accepted: 0, sent: 1, delivered: 2, failed: 2 };

/** A status of a text, as the function stores it. */
const tell = (sql: Sql, sid: string, id: string, status: string, code?: string) =>
  sql`select public.ingest_updates(${
    sql.json([{
      key: `s:${sid}:${status}`,
      channel: "sms",
      provider: "twilio",
      field: "status",
      kind: "status",
      sender_id: OURS,
      provider_id: sid,
      status,
      rank: RANKS[status],
      ...(code === undefined ? {} : { failure: code, error: [{ code, title: "undelivered" }] }),
      callback: id,
      raw: {},
    }])
  })`;

const state = (sql: Sql, id: string) =>
  sql`select m.status, o.state, m.error #>> '{0,code}' as code, o.first_try ->> 'code' as first
    from public.messages m join public.outbound_messages o on o.id = m.id where m.id = ${id}`.then(([row]) =>
    Object.values(row)
  );

for (const code of ["30003", "30008", "40004", "40006"]) {
  databaseTest(
    `a text that failed with ${code} is sent once more after five minutes, and no third time`,
    async (sql) => {
      await begin(sql);
      const id = await queue(sql);
      assertEquals(await send(sql, 1), [id]);
      await tell(sql, "SM1", id, "sent");
      await tell(sql, "SM1", id, "failed", code);
      assertEquals(await state(sql, id), ["queued", "queued", null, code]);
      assertEquals(await claim(sql), []);
      assertEquals(await send(sql, 2, SOON), [id]);
      assertEquals(await state(sql, id), ["accepted", "sent", null, code]);
      await tell(sql, "SM2", id, "failed", code);
      assertEquals(await state(sql, id), ["failed", "sent", code, code]);
      assertEquals(await claim(sql, "now() + interval '1 hour'"), []);
    },
  );
}

databaseTest(
  "a text that failed before its provider answered is sent once more as well, and holds up nobody",
  async (sql) => {
    await begin(sql);
    const id = await queue(sql);
    const [claimed] = await claim(sql);
    await tell(sql, "SM1", id, "failed", "30003");
    assertEquals(await state(sql, id), ["queued", "queued", null, "30003"]);
    const next = await queue(sql, "And bring the key.");
    const answer = [{ id, lease: claimed.lease, outcome: "sent", provider_id: "SM1" }];
    const [{ settled }] = await sql`select public.settle_outbound(${sql.json(answer)}) as settled`;
    assertEquals(settled, { settled: 1, fenced: 0 });
    assertEquals(await state(sql, id), ["queued", "queued", null, "30003"]);
    assertEquals(await send(sql, 2), [next]);
    assertEquals(await send(sql, 3, SOON), [id]);
    assertEquals(await state(sql, id), ["accepted", "sent", null, "30003"]);
  },
);

databaseTest("other failures are final, and so is every one with texts.second_try off", async (sql) => {
  await begin(sql);
  for (const code of ["30004", "30005", "30006", "30007", "21610"]) {
    const id = await queue(sql, code);
    // An opted-out person is written to no more.
    await send(sql, Number(code));
    await tell(sql, `SM${code}`, id, "failed", code);
    assertEquals((await state(sql, id)).slice(0, 2), ["failed", "sent"], code);
  }
  await sql`update public.conversations set opted_out_at = null`;
  await sql`insert into public.settings (key, value) values ('texts.second_try', 'false')`;
  const id = await queue(sql);
  await send(sql, 1);
  await tell(sql, "SM1", id, "failed", "30003");
  assertEquals(await state(sql, id), ["failed", "sent", "30003", null]);
});

databaseTest(
  "a text that will be too old by then, or is to an opted-out person, is not sent again",
  async (sql) => {
    await begin(sql);
    const hasty = await queue(sql, "At the door", { validity_seconds: 240 });
    const patient = await queue(sql, "Tomorrow", { validity_seconds: 36000 });
    const [first, second] = [await send(sql, 1), await send(sql, 2)];
    assertEquals([first, second], [[hasty], [patient]]);
    await sql`update public.outbound_messages set created_at = now() - interval '3 hours' where id = ${patient}`;
    await tell(sql, "SM1", hasty, "failed", "30003");
    await tell(sql, "SM2", patient, "failed", "30003");
    assertEquals([(await state(sql, hasty))[0], (await state(sql, patient))[0]], ["failed", "queued"]);
    const old = await queue(sql, "Without a validity");
    await send(sql, 3);
    await sql`update public.outbound_messages set created_at = now() - interval '56 minutes' where id = ${old}`;
    await tell(sql, "SM3", old, "failed", "30003");
    assertEquals((await state(sql, old))[0], "failed");
    // Who opts out while a second try waits is not written to: the claim says so.
    await sql`update public.conversations set opted_out_at = now()`;
    assertEquals((await claim(sql, SOON)).map(({ id, opted_out }) => [id, opted_out]), [[patient, true]]);
  },
);

databaseTest(
  "a copy of a thread's text is sent again only while the person is on the thread",
  async (sql) => {
    await begin(sql);
    const rows = await addOrg(sql);
    const booking = await book(sql, rows, 0, "walk");
    await sql`select public.assign_sitter(${booking}, ${rows.sitters[0].member}, true)`;
    const [{ id: leg }] =
      await sql`select id from public.thread_legs where ended_at is null order by id limit 1`;
    const failed = async (n: number) => {
      const id = await queue(sql, `copy ${n}`, {}, `relay:${crypto.randomUUID()}:${leg}`);
      assertEquals(await send(sql, n), [id]);
      await tell(sql, `SM${n}`, id, "failed", "30003");
      return (await state(sql, id))[0];
    };
    assertEquals(await failed(1), "queued");
    await sql`update public.thread_legs set ended_at = now() where id = ${leg}`;
    assertEquals(await failed(2), "failed");
  },
);

databaseTest(
  "a second try waits for nobody, and the first one's other reports do not touch it",
  async (sql) => {
    await begin(sql);
    const id = await queue(sql);
    await send(sql, 1);
    await tell(sql, "SM1", id, "failed", "30008");
    // Reports come in any order.
    await tell(sql, "SM1", id, "sent");
    assertEquals(await state(sql, id), ["queued", "queued", null, "30008"]);
    const next = await queue(sql, "Are you there?");
    assertEquals(await send(sql, 2), [next]);
    // It arrived after all.
    await tell(sql, "SM1", id, "delivered");
    assertEquals(await state(sql, id), ["delivered", "sent", null, "30008"]);
    assertEquals(await claim(sql, SOON), []);
  },
);

databaseTest("both tries are events of the message", async (sql) => {
  await begin(sql);
  const id = await queue(sql);
  await send(sql, 1);
  await tell(sql, "SM1", id, "failed", "30003");
  const events = async () => {
    const [{ t }] = await sql`select public.trace_message(${id}) as t`;
    return t.events.map((
      { what, figures }: { what: string; figures: { error?: string } },
    ) => [what, figures.error ?? null]);
  };
  assertEquals(
    (await events()).toSorted(),
    [["queued", null], ["status", null], ["tried_once", "30003"], ["waits", null]]
      .filter(([what]) => what !== "status"),
  );
  await send(sql, 2, SOON);
  await tell(sql, "SM2", id, "delivered");
  assertEquals((await events()).map(([what]: [string]) => what).toSorted(), [
    "queued",
    "sent",
    "status",
    "tried_once",
  ]);
  const [{ s }] = await sql`select public.message_story(${id}) as s`;
  assertEquals([s.status, s.outbound.first_try.code], ["delivered", "30003"]);
});

for (const code of ["30032", "30034", "40010"]) {
  databaseTest(`a number is held after ${code} until one of its texts is delivered`, async (sql) => {
    await begin(sql);
    const held = () =>
      sql`select held_code, held_until > now() + interval '4 minutes' as long from public.senders where channel = 'sms'`
        .then(([row]) => Object.values(row));
    const id = await queue(sql);
    await send(sql, 1);
    await tell(sql, "SM1", id, "failed", code);
    assertEquals([await held(), (await state(sql, id))[0]], [[code, true], "failed"]);
    const next = await queue(sql, "next");
    assertEquals(await claim(sql), []);
    // That the provider accepts a test proves nothing.
    assertEquals(await send(sql, 2, SOON), [next]);
    assertEquals((await held())[0], code);
    await tell(sql, "SM2", next, "delivered");
    assertEquals(await held(), [null, null]);
  });
}

databaseTest(
  "a second try of which nothing is known is not found by the record of the first",
  async (sql) => {
    await sql`select public.set_text_number(${OURS}, '{"provider": "telnyx"}')`;
    await begin(sql);
    const id = await queue(sql);
    await send(sql, 1);
    await tell(sql, "SM1", id, "failed", "30003");
    const [{ lease }] = await claim(sql, SOON);
    await sql`select public.settle_outbound(${
      sql.json([{ id, lease, outcome: "unknown", error: { code: "timeout", message: "no answer" } }])
    })`;
    assertEquals((await state(sql, id))[1], "unknown");
    const record = (sid: string) => ({
      provider_id: sid,
      from: OURS,
      to: ANNA,
      body: "At nine.",
      at: new Date().toISOString(),
      ours: id,
    });
    const find = async (...sids: string[]) => {
      const [{ found }] = await sql`
      select private.find_sent_texts(${
        sql.json(sids.map(record))
      }, now() - interval '1 hour', false, 'telnyx',
        now() + interval '30 minutes') -> 'found' as found`;
      return found;
    };
    assertEquals(await find("SM1"), []);
    assertEquals(await find("SM1", "SM2"), ["SM2"]);
  },
);
