/** Mails that go out: who sends, tokens, threads, suppressions, what providers tell, and what nobody knows whether it went. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import {
  ALEX,
  answer,
  CASEY,
  claim,
  claimForwards,
  DESK,
  enqueue,
  events,
  ingest,
  mailTest,
  row,
  send,
  setFlags,
  settle,
  settleForwards,
} from "../support/mail_rows.ts";
import { ANSWERS } from "../../supabase/functions/_shared/contract/answers.ts";

const state = (sql: Sql, id: string) =>
  row(
    sql,
    `select o.state, m.status from public.outbound_messages o join public.messages m on m.id = o.id where o.id = $1`,
    id,
  );
const resolveUnknown = async (sql: Sql, id: string, how: string, reason: string | null = null) => {
  const operator = await signedIn(sql, "operator");
  return (await as(
    sql,
    operator,
    (sql) => sql`select public.resolve_unknown(${id}, ${how}, ${reason}) as answer`,
  ))[0].answer;
};
/** An hour later: every lease is over, and a provider has had its time. */
const LATER = new Date(Date.now() + 3_600_000);

mailTest(
  "a mail is sent as the address that is asked for, else as the user's identity, else as the default one",
  async (sql) => {
    const asked: [Record<string, unknown>, string][] = [
      [{}, ALEX.from],
      [{ user_id: "user-desk" }, DESK.from],
      [{ user_id: "nobody" }, ALEX.from],
      [{ number_id: DESK.from.toUpperCase(), user_id: "user-alex" }, DESK.from],
    ];
    for (const [item, from] of asked) {
      const { mail, number_id } = await send(sql, item);
      assertEquals([number_id, mail!.from.address], [from, from]);
    }
    assertEquals((await enqueue(sql, { number_id: "else@send.example" }))[0].error, "unknown_number");
  },
);

databaseTest("without any identity nothing is sent", async (sql) => {
  await setFlags(sql, { email_send: true });
  assertEquals((await enqueue(sql))[0].error, "from_required");
});

mailTest(
  "a token has 16 characters of base32 and each message its own; the claim carries what composing needs",
  async (sql) => {
    const claimed = await send(sql, {
      user_id: "user-desk",
      message: { campaign_id: "0197d000-0000-7000-8000-00000000000a", bulk: true },
    });
    assertMatch(claimed.mail!.token!, /^[a-z2-7]{16}$/);
    assertEquals({ ...claimed.mail!, token: "" }, {
      from: { address: DESK.from, name: "Desk" },
      identity: DESK.id,
      user_id: "user-desk",
      provider: "sendgrid",
      token: "",
      campaign_id: "0197d000-0000-7000-8000-00000000000a",
      message_id_header: `<${claimed.id}@send.example>`,
      in_reply_to: null,
      references: [],
      bulk: true,
    });
    ANSWERS.claim_outbound.parse({ messages: [claimed], next_due_ms: null });
    const made = await sql`select private.new_reply_token() as token from generate_series(1, 2000)`;
    assertEquals(new Set(made.map(({ token }) => token)).size, 2000);
    // Any letter at any place: a place that is not random would lack some.
    for (let place = 0; place < 16; place++) {
      const letters = new Set(made.map(({ token }) => token[place]));
      assertEquals([...letters].toSorted().join(""), "234567abcdefghijklmnopqrstuvwxyz");
    }
  },
);

mailTest(
  "an answer of ours goes on in the thread of the mail that it answers, references kept to the first and last 20",
  async (sql) => {
    const first = await send(sql);
    const ids = Array.from({ length: 40 }, (_, i) => `<r${i}@people.example>`);
    const [theirs] = await ingest(
      sql,
      answer(first.id, { message_id: "<last@people.example>", references: ids }),
    );
    const second = await send(sql, {
      message: { reply_to_message: theirs.message_id },
      user_id: "user-desk",
    });
    // From whom the person wrote to, whoever sends.
    assertEquals([second.number_id, second.to], [ALEX.from, CASEY]);
    assertEquals(second.mail!.in_reply_to, "<last@people.example>");
    assertEquals(second.mail!.references, [...ids.slice(0, 20), ...ids.slice(21), "<last@people.example>"]);
    const third = await send(sql, { message: { reply_to_message: second.id } });
    assertEquals([third.mail!.in_reply_to, third.mail!.references.at(-2)], [
      second.mail!.message_id_header,
      "<last@people.example>",
    ]);
    assertEquals(
      await row(sql, "select count(distinct thread_id)::int, count(*)::int from public.messages"),
      [1, 4],
    );
    assertEquals(
      (await enqueue(sql, { message: { reply_to_message: crypto.randomUUID() } }))[0].error,
      "unknown_message",
    );
  },
);

mailTest(
  "who gets no mail is refused when it is queued, and not written to when it was queued before",
  async (sql) => {
    const operator = await signedIn(sql, "operator");
    const act = (statement: string) =>
      as(sql, operator, (sql) => sql.unsafe(`select ${statement} as answer`));
    await enqueue(sql);
    await act(`public.add_suppression('${CASEY}', 'complaint')`);
    assertEquals((await claim(sql)).map(({ opted_out }) => opted_out), [true]);
    assertEquals((await enqueue(sql, {}, { to: "kim@people.example" })).map(({ error }) => error), [
      "suppressed",
      undefined,
    ]);
    assertEquals((await act(`public.lift_suppression('${CASEY}')`))[0].answer, { lifted: true });
    assertEquals((await enqueue(sql))[0].error, undefined);

    await act(`public.add_suppression('kim@people.example', 'unsubscribe', 'bulk')`);
    const [one, many] = await enqueue(sql, { to: "kim@people.example" }, {
      to: "kim@people.example",
      message: { bulk: true },
    });
    assertEquals([one.error, many.error], [undefined, "suppressed"]);
    const [{ list, why }] = await as(sql, operator, (sql) =>
      sql`
      select public.list_suppressions() as list, public.find_suppression('Kim@People.Example') as why`);
    assertEquals(ANSWERS.list_suppressions.parse(list).map(({ address }) => address), ["k…@people.example"]);
    assertEquals(ANSWERS.find_suppression.parse(why).map(({ reason, scope }) => [reason, scope]), [[
      "unsubscribe",
      "bulk",
    ]]);
  },
);

mailTest(
  "events move a message forward by rank and never back, each once, and name what bounced",
  async (sql) => {
    const { id } = await send(sql);
    const delivered = { event: "delivered", message: id, key: "d1" };
    assertEquals(await events(sql, delivered, { event: "processed", message: id }, delivered), "ssd");
    assertEquals((await state(sql, id))[1], "delivered");
    assertEquals(await events(sql, delivered), "d");
    // A delayed bounce has no id of the provider's; the address is that of the message where the event has none.
    await events(sql, { event: "bounce", message: id, suppress: { reason: "bounce", scope: "all" } });
    assertEquals(await row(sql, "select address, reason, source from public.suppressions"), [
      CASEY,
      "bounce",
      "sendgrid",
    ]);
    assertEquals((await state(sql, id))[1], "delivered");

    const other = await send(sql, { to: "kim@people.example" });
    await events(sql, {
      event: "dropped",
      provider_id: `sg-${other.id}`,
      address: "Kim@People.Example",
      suppress: { reason: "dropped" },
    });
    assertEquals((await state(sql, other.id))[1], "failed");
    await events(sql, { event: "bounce", message: crypto.randomUUID() }, {
      event: "what is this",
      message: null,
    });
    const kinds =
      await sql`select event_type, count(*)::int as n from public.email_events group by 1 order by 1`;
    assertEquals(kinds.map(({ event_type, n }) => [event_type, n]), [
      ["bounce", 2],
      ["delivered", 1],
      ["dropped", 1],
      ["other", 1],
      ["processed", 1],
    ]);
  },
);

mailTest(
  "a lost answer is unknown: what comes after goes on, nothing is sent twice, and an event settles it",
  async (sql) => {
    const [first, second] = await enqueue(sql, {}, {});
    const [lost] = await claim(sql);
    assertEquals(lost.id, first.id);
    await settle(sql, [lost], { outcome: "unknown", error: { code: "timeout" } });
    assertEquals(await state(sql, first.id), ["unknown", "unknown"]);
    assertEquals((await claim(sql, LATER)).map(({ id }) => id), [second.id]);
    await events(sql, { event: "processed", message: first.id });
    assertEquals(await state(sql, first.id), ["sent", "sent"]);
  },
);

mailTest(
  "a sender that does not come back leaves a mail unknown at SendGrid, and its late word still counts",
  async (sql) => {
    const [{ id }] = await enqueue(sql);
    const lost = await claim(sql);
    assertEquals(await claim(sql, LATER), []);
    assertEquals(await state(sql, id), ["unknown", "unknown"]);
    await settle(sql, lost, { outcome: "sent", provider_id: "sg-late" });
    assertEquals(
      await row(
        sql,
        "select o.state, m.provider_id from public.outbound_messages o join public.messages m on m.id = o.id",
      ),
      ["sent", "sg-late"],
    );
  },
);

mailTest("Resend takes a key for each message: one whose sender died is handed over again", async (sql) => {
  await sql`update public.email_identities set provider = 'resend' where id = ${ALEX.id}`;
  const [{ id }] = await enqueue(sql);
  await claim(sql);
  assertEquals((await claim(sql, LATER)).map((message) => [message.id, message.attempt]), [[id, 2]]);
});

mailTest(
  "a person decides about what is unknown: it was sent, it is sent again, or it is dropped",
  async (sql) => {
    const ids = (await enqueue(sql, {}, { to: "kim@people.example" }, { to: "lee@people.example" })).map((
      { id },
    ) => id);
    await sql`update public.senders set send_tat = null, max_per_second = 1000 where channel = 'email'`;
    await settle(sql, await claim(sql), { outcome: "unknown", error: { code: "timeout" } });
    const listed = async () =>
      (await as(sql, await signedIn(sql, "viewer"), (sql) => sql`select public.list_unknown() as list`))[0]
        .list;
    ANSWERS.list_unknown.parse(await listed());
    assertEquals((await listed()).map((each: { overdue: boolean }) => each.overdue), [false, false, false]);
    await sql`update public.outbound_messages set updated_at = now() - interval '16 minutes'`;
    assertEquals((await listed()).map((each: { overdue: boolean }) => each.overdue), [true, true, true]);
    const [{ part }] = await sql`select private.senders_health(now()) as part`;
    assertEquals([part.status, part.because, part.figures.unknown], ["degraded", "unknown", 3]);
    assertEquals((await sql`select public.email_overview(1) as figures`)[0].figures.unknown_overdue, 3);

    await resolveUnknown(sql, ids[0], "sent");
    await resolveUnknown(sql, ids[1], "resend");
    assertEquals(await refusal(resolveUnknown(sql, ids[2], "drop")), "GL422");
    assertEquals(await refusal(resolveUnknown(sql, ids[2], "drop", "lee@people.example called")), "GL422");
    await resolveUnknown(sql, ids[2], "drop", "the order was cancelled");
    assertEquals(await Promise.all(ids.map((id) => state(sql, id))), [
      ["sent", "sent"],
      ["queued", "queued"],
      ["failed", "failed"],
    ]);
    assertEquals(await refusal(resolveUnknown(sql, ids[0], "sent")), "GL404");
  },
);

mailTest(
  "a forward of which nobody knows waits as a dead letter; the provider's word or a person's settles it",
  async (sql) => {
    const sent = [await send(sql), await send(sql, { to: "kim@people.example" })];
    await ingest(
      sql,
      answer(sent[0].id),
      answer(sent[1].id, { from: { address: "kim@people.example", name: "" } }),
    );
    const [told, died] = await claimForwards(sql);
    await settleForwards(sql, [told], { outcome: "dead", error: "unknown_outcome: timeout" });
    assertEquals(await claimForwards(sql, LATER), []);
    assertEquals(await row(sql, "select array_agg(distinct state), count(*)::int from public.deliveries"), [[
      "dead",
    ], 2]);
    await events(sql, { event: "processed", message: null, delivery: told.delivery_id });
    assertEquals((await resolveUnknown(sql, died.delivery_id, "sent")).status, "delivered");
    assertEquals(await row(sql, "select count(*)::int from public.deliveries where state = 'delivered'"), [
      2,
    ]);
    assertEquals(
      await row(sql, "select count(forwarded_at)::int, count(failed_at)::int from public.email_replies"),
      [2, 0],
    );
    assertEquals(
      await row(sql, "select count(*)::int from public.outbound_messages where state = 'unknown'"),
      [0],
    );
  },
);

mailTest("the overview counts by day, identity, campaign and way, and the trace says why", async (sql) => {
  const sent = await send(sql, { message: { campaign_id: "0197d000-0000-7000-8000-00000000000a" } });
  const [stored] = await ingest(sql, answer(sent.id));
  await settleForwards(sql, await claimForwards(sql));
  const viewer = await signedIn(sql, "viewer");
  const [{ figures, trace }] = await as(sql, viewer, (sql) =>
    sql`
    select public.email_overview(7) as figures, public.trace_mail(${stored.message_id}) as trace`);
  const parsed = ANSWERS.email_overview.parse(figures);
  assertEquals([
    parsed.replies.all,
    parsed.replies.token,
    parsed.replies.forwarded,
    parsed.sent.all,
    parsed.sent.token,
  ], [1, 1, 1, 1, 1]);
  assertEquals(await row(sql, "select flag_key from public.flag_evaluations"), [
    "email_reply_tokens.enabled",
  ]);
  assertEquals(parsed.campaigns, [{ id: "0197d000-0000-7000-8000-00000000000a", replies: 1, people: 1 }]);
  assertEquals(parsed.identities.map(({ id, forwarded }) => [id, forwarded]), [[ALEX.id, 1]]);
  assertEquals(parsed.days.at(-1), {
    ...parsed.days.at(-1)!,
    tokens: 2,
    replies: 1,
    token: 1,
    forwarded: 1,
    failed: 0,
  });
  const why = ANSWERS.trace_mail.parse(trace);
  assertEquals([why.kind, why.via, why.answers, why.forward?.state], [
    "reply",
    "token",
    sent.id,
    "delivered",
  ]);
  assertEquals(why.events.map(({ event }) => event), ["reply", "forward"]);
});

mailTest(
  "three refusals in a week suppress an address, and who subscribes again gets bulk mail again",
  async (sql) => {
    const listed = async () =>
      (await sql`select address, scope from public.suppressions`).map((
        { address, scope },
      ) => [address, scope]);
    for (const expected of [[], [], [[CASEY, "all"]]]) {
      const { id } = await send(sql);
      // The same mail twice counts once.
      await events(sql, { event: "blocked", message: id }, { event: "blocked", message: id });
      assertEquals(await listed(), expected);
    }
    await sql`truncate public.suppressions`;
    await events(sql, {
      event: "unsubscribe",
      address: CASEY,
      suppress: { reason: "unsubscribe", scope: "bulk" },
    });
    assertEquals((await enqueue(sql, { message: { bulk: true } }))[0].error, "suppressed");
    await events(sql, { event: "resubscribe", address: CASEY.toUpperCase() });
    assertEquals(await listed(), []);
    await events(
      sql,
      { event: "complaint", address: CASEY, suppress: { reason: "complaint", scope: "all" } },
      { event: "resubscribe", address: CASEY },
    );
    assertEquals(await listed(), [[CASEY, "all"]]);
  },
);

mailTest("files of a mail are kept once it is queued, and removed where it never is", async (sql) => {
  const file = (path: string, index: number) => ({
    bucket: "email-attachments",
    path,
    index,
    kind: "attachment",
    bytes: 3,
  });
  await sql`select public.note_storage_objects(${sql.json([file("kept/0", 0), file("left/0", 0)])})`;
  const attachments = [{ ...file("kept/0", 0), name: "a.pdf", type: "application/pdf", size: 3 }];
  const [{ id }] = await enqueue(sql, { message: { attachments } });
  assertEquals(
    (await sql`select path, message_id, expires_at > now() + interval '29 days' as kept from public.storage_objects order by 1`)
      .map((row) => Object.values(row)),
    [["kept/0", id, true], ["left/0", null, false]],
  );
  await sql`update public.storage_objects set expires_at = now() where path = 'left/0'`;
  assertEquals((await sql`select public.claim_storage_purges() as due`)[0].due, [{
    bucket: "email-attachments",
    path: "left/0",
  }]);
  // Owned meanwhile, or not due: nothing is forgotten.
  assertEquals(
    (await sql`select public.settle_storage_purges(${
      sql.json([file("kept/0", 0), file("left/0", 0)])
    }) as n`)[0].n,
    1,
  );
});

mailTest(
  "a forward that the provider reported before its answer was lost counts as delivered",
  async (sql) => {
    const { id } = await send(sql);
    for (const lost of ["answer", "host"]) {
      await ingest(sql, answer(id));
      const [claimed] = await claimForwards(sql);
      const delivery = claimed.delivery_id;
      await events(sql, { event: "processed", delivery, message: null, address: ALEX.inbox });
      if (lost === "answer") {
        await settleForwards(sql, [claimed], { outcome: "dead", error: "unknown_outcome: no answer" });
      } else {
        await claimForwards(sql, new Date(Date.now() + 120_000));
      }
      assertEquals(
        await row(sql, "select state, last_error from public.deliveries where id = $1", delivery),
        ["delivered", null],
        lost,
      );
    }
    assertEquals(await row(sql, "select count(*) from public.email_replies where forwarded_at is not null"), [
      "2",
    ]);
  },
);
