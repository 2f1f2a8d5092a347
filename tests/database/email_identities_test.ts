/** Identities: verified by a code, kept in step with sender and destination, paused and removed. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import {
  ALEX,
  answer,
  claim,
  claimForwards,
  enqueue,
  ingest,
  mailTest,
  row,
  send,
  setFlags,
} from "../support/mail_rows.ts";

/** Calls a function as an operator; its answer. */
async function call(sql: Sql, statement: string, ...values: unknown[]): Promise<Record<string, unknown>> {
  const operator = await signedIn(sql, "operator");
  const [{ answer }] = await as(
    sql,
    operator,
    (sql) => sql.unsafe(`select ${statement} as answer`, values as never[]),
  );
  return answer;
}

/** A code, as the function gets it that mails it. */
const code = async (sql: Sql, id: unknown, what: string): Promise<{ code: string; to: string }> =>
  (await as(
    sql,
    SERVICE,
    (sql) => sql`select public.begin_identity_check(${id as string}, ${what}) as answer`,
  ))[0].answer;

databaseTest(
  "an identity sends once its code came back, and forwards once the inbox has confirmed",
  async (sql) => {
    await setFlags(sql, { email_send: true, email_router: true });
    const added = await call(sql, "public.add_identity($1, $2)", "Sam@Send.Example", {
      user_id: "u1",
      forward_to: "sam@inbox.example",
    });
    assertEquals([
      added.from_email,
      added.state,
      added.forward_to,
      added.forward_to_confirm,
      added.is_default,
    ], [
      "sam@send.example",
      "unverified",
      null,
      "sam@inbox.example",
      true,
    ]);
    assertEquals((await enqueue(sql))[0].error, "identity_unverified");
    assertEquals(await row(sql, "select count(*)::int from public.contacts"), [0]);

    const from = await code(sql, added.id, "from");
    assertEquals(from.to, "sam@send.example");
    assertMatch(from.code, /^\d{8}$/);
    const wrong = String((Number(from.code) + 1) % 100_000_000).padStart(8, "0");
    assertEquals(await call(sql, "public.check_identity($1, 'from', $2)", added.id, wrong), {
      ok: false,
      left: 4,
    });
    assertEquals(await call(sql, "public.check_identity($1, 'from', $2)", added.id, from.code), {
      ok: true,
      left: 0,
    });
    const [{ id, error }] = await enqueue(sql);
    assertEquals([typeof id, error], ["string", undefined]);

    // Nobody has confirmed the inbox yet.
    const [kept] = await ingest(sql, answer(id, { identity: added.id }));
    assertEquals([kept.verdict, kept.code, kept.forward_to], ["store", "unknown_identity", undefined]);
    const inbox = await code(sql, added.id, "forward");
    assertEquals(inbox.to, "sam@inbox.example");
    await call(sql, "public.check_identity($1, 'forward', $2)", added.id, inbox.code);
    const [sent] = await ingest(sql, answer(id, { identity: added.id }));
    assertEquals([sent.verdict, sent.forward_to], ["forward", "sam@inbox.example"]);
  },
);

databaseTest("a code holds for five tries and thirty minutes, and is made once a minute", async (sql) => {
  const { id } = await call(sql, "public.add_identity('sam@send.example')");
  const { code: right } = await code(sql, id, "from");
  assertEquals(await refusal(code(sql, id, "from")), "GL429");
  for (const left of [4, 3, 2, 1, 0]) {
    assertEquals(await call(sql, "public.check_identity($1, 'from', '12')", id), { ok: false, left });
  }
  assertEquals(await call(sql, "public.check_identity($1, 'from', $2)", id, right), { ok: false, left: 0 });
  await sql`update private.identity_checks set sent_at = now() - interval '2 minutes'`;
  const { code: late } = await code(sql, id, "from");
  await sql`update private.identity_checks set expires_at = now()`;
  assertEquals(await call(sql, "public.check_identity($1, 'from', $2)", id, late), { ok: false, left: 0 });
  assertEquals((await sql`select verified_at from public.email_identities`)[0].verified_at, null);
});

mailTest(
  "a paused identity sends nothing and forwards nothing, and both go on when it is resumed",
  async (sql) => {
    const sent = await send(sql);
    await call(sql, "public.set_identity($1, $2)", ALEX.id, { state: "paused" });
    const [{ id }] = await enqueue(sql);
    const [stored] = await ingest(sql, answer(sent.id));
    assertEquals([stored.outcome, stored.code], ["stored", "identity_paused"]);
    await sql`update private.outbound_lanes set due_at = now() where due_at is not null`;
    assertEquals([await claim(sql), await claimForwards(sql)], [[], []]);

    await call(sql, "public.set_identity($1, $2)", ALEX.id, { state: "active" });
    await sql`update public.senders set send_tat = null`;
    assertEquals((await claim(sql)).map((message) => message.id), [id]);
    assertEquals((await claimForwards(sql)).map((delivery) => delivery.message.id), [stored.message_id]);
  },
);

mailTest(
  "another inbox takes effect when it is confirmed; an identity is no inbox, and keeps its address",
  async (sql) => {
    const changed = await call(sql, "public.set_identity($1, $2)", ALEX.id, {
      forward_to: "new@inbox.example",
    });
    assertEquals([changed.forward_to, changed.forward_to_confirm], [ALEX.inbox, "new@inbox.example"]);
    assertEquals(
      await refusal(call(sql, "public.set_identity($1, $2)", ALEX.id, { forward_to: ALEX.from })),
      "GL422",
    );
    assertEquals(
      await refusal(call(sql, "public.set_identity($1, $2)", ALEX.id, { from_email: "x@send.example" })),
      "GL422",
    );
    assertEquals(
      await refusal(
        sql`update public.email_identities set from_email = 'x@send.example' where id = ${ALEX.id}`,
      ),
      "GL409",
    );
    const ended = await call(sql, "public.set_identity($1, $2)", ALEX.id, { forward_to: null });
    assertEquals([ended.forward_to, ended.forward_to_confirm], [null, null]);
  },
);

mailTest(
  "an identity is removed once nothing waits; its conversations stay, and answers are kept",
  async (sql) => {
    const [{ id }] = await enqueue(sql);
    assertEquals(await refusal(call(sql, "public.remove_identity($1)", ALEX.id)), "GL409");
    await sql`update public.outbound_messages set state = 'sent'`;
    await sql`update private.outbound_lanes set due_at = null`;
    await call(sql, "public.remove_identity($1)", ALEX.id);
    assertEquals(
      await row(sql, "select sender_identity_id, from_email from public.messages where id = $1", id),
      [null, ALEX.from],
    );
    const [kept] = await ingest(sql, answer(id, { identity: null }));
    assertEquals([kept.outcome, kept.code], ["stored", "unknown_identity"]);
    // The same address may come back.
    const { from_email } = await call(sql, "public.add_identity($1)", ALEX.from);
    assertEquals(from_email, ALEX.from);
  },
);

mailTest(
  "a destination of kind inbox is its identity's: no other address, and not removed by itself",
  async (sql) => {
    const [{ name }] = await sql`select name from public.destinations where url = ${`inbox:${ALEX.id}`}`;
    assertEquals(name, "inbox-alex");
    const operator = await signedIn(sql, "operator");
    const act = (statement: string) => refusal(as(sql, operator, (sql) => sql.unsafe(statement)));
    assertEquals(await act("select public.remove_destination('inbox-alex', 'gone')"), "GL409");
    assertEquals(await act(`select public.add_route('{inbox-alex}', '{"type": "any"}', 7, '{}')`), "GL422");
    assertEquals(await refusal(sql`select public.destination_to_test('inbox-alex')`), "GL404");
    assertEquals(
      await refusal(
        sql`update public.destinations set url = 'https://hooks.example.com/' where name = 'inbox-alex'`,
      ),
      "GL403",
    );
    const people = await as(
      sql,
      await signedIn(sql, "viewer"),
      (sql) => sql`select public.list_identities() as list`,
    );
    assertEquals(
      (people[0].list as { forward_to: string }[]).map(({ forward_to }) => forward_to),
      ["a…@inbox.example", "d…@inbox.example"],
    );
  },
);
