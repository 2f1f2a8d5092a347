/** How feedback comes in: from services, the team and chats; and who may read of it what. */
import { assert, assertEquals } from "../support/assert.ts";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { BUILT_IN_WORDS } from "../../supabase/functions/_shared/contract/feedback_words.ts";
import { FLAG, LAST, people, stage, start } from "../support/signals.ts";

databaseTest("record_feedback: the same key once, and nothing of what cannot be", async (sql) => {
  await start(sql, [stage(), LAST]);
  const [someone] = people(true, 1);
  const record = (items: unknown[]) =>
    as(
      sql,
      SERVICE,
      async (sql) => (await sql`select public.record_feedback(${sql.json(items as never)}) as a`)[0].a,
    );
  const one = { kind: "complaint", subject: someone, key: "case-1" };
  assertEquals(await record([one, one, { ...one, key: "case-2" }]), { accepted: 2, repeated: 1 });
  assertEquals(await record([one]), { accepted: 0, repeated: 1 });
  for (
    const wrong of [
      { ...one, kind: "praise", key: "3" },
      { kind: "rating", subject: someone, rating: 6 },
      { kind: "complaint", subject: someone, rating: 1 },
      { kind: "complaint", subject: "" },
      { kind: "complaint", subject: "x".repeat(201) },
    ]
  ) {
    assertEquals(await refusal(record([{ ...one, key: "4" }, wrong])), "23514", JSON.stringify(wrong));
  }
  const [{ n }] = await sql`select count(*)::int as n from public.feedback`;
  assertEquals(n, 2);
});

databaseTest("feedback is written whatever columns a team gives it", async (sql) => {
  await sql`alter table public.feedback add column note text default 'none'`;
  const said = [{ kind: "rating", subject: "someone", rating: 5, key: "1" }];
  await as(sql, SERVICE, (sql) => sql`select public.record_feedback(${sql.json(said)})`);
  assertEquals([...await sql`select rating, note from public.feedback`], [{ rating: 5, note: "none" }]);
});

databaseTest(
  "a word in a chat is a complaint, praise or a rating, in several languages, once a message",
  async (sql) => {
    const { id } = await start(sql, [stage({ percentage: 100, name: "all" })]);
    const words = [
      "Complaint: the total is wrong",
      "BESCHWERDE!",
      "reclamación",
      "complaints are none of mine",
      "I have no complaint",
      "5/5",
      "2 / 5",
      "praise",
      "15/5",
      "hello",
    ];
    const updates = words.map((body, i) => message({ phone: `49151000000${10 + i}`, body }));
    await ingest(sql, ...updates);
    const now = new Date(Date.now() + 60_000);
    for (let i = 0; i < 3; i++) await sql`select private.advance_rollouts(${now})`;
    const rows = await sql`
    select f.kind, f.rating, f.positive, f.source, o.arm, m.text from public.feedback f
    join public.rollout_feedback o on o.feedback_id = f.id and o.rollout_id = ${id}
    join public.messages m on m.id = f.message_id order by m.seq`;
    assertEquals(rows.map(({ text, kind, rating, positive, arm }) => [text, kind, rating, positive, arm]), [
      [words[0], "complaint", null, false, "on"],
      [words[1], "complaint", null, false, "on"],
      [words[2], "complaint", null, false, "on"],
      ["5/5", "rating", 5, true, "on"],
      ["2 / 5", "rating", 2, false, "on"],
      ["praise", "rating", null, true, "on"],
    ]);
    // The team's own words take the place of the built-in ones.
    await sql`insert into public.settings (key, value) values ('feedback.complaint_words', '["Ikirego", "👎"]')`;
    await ingest(
      sql,
      message({ phone: "4915100000031", body: "ikirego: ntibikora" }),
      message({ phone: "4915100000032", body: "👎" }),
      message({ phone: "4915100000033", body: "complaint" }),
    );
    // All of them once more: what is written down already is not written again.
    await sql`update private.feedback_heard set up_to = '-infinity'`;
    const heard = await sql`select private.hear_feedback(${new Date(now.getTime() + 60_000)}) as n`;
    assertEquals(heard[0].n, 2);
    for (const wrong of ["complaint", "{}", "[1]", '[""]', '[" a"]', `["${"x".repeat(61)}"]`]) {
      const set = sql`update public.settings set value = ${wrong} where key = 'feedback.complaint_words'`;
      assert(["23514", "22P02"].includes(await refusal(set) ?? "nothing"), wrong);
    }
  },
);

databaseTest("feedback_words(): the built-in words are those of the contract", async (sql) => {
  for (const kind of ["complaint", "praise"] as const) {
    const [{ words }] = await sql`select private.feedback_words(${kind}) as words`;
    assertEquals(words, BUILT_IN_WORDS[kind]);
  }
});

databaseTest("a word in a chat: nothing is looked at while no rollout would listen", async (sql) => {
  await ingest(sql, message({ body: "complaint" }));
  const [{ n }] = await sql`select private.hear_feedback(now() + interval '1 minute') as n`;
  const [{ up_to }] = await sql`select up_to::text from private.feedback_heard`;
  assertEquals([n, up_to], [0, "-infinity"]);
});

databaseTest(
  "add_feedback: the team writes down what it is told, and who reads the list sees no more than they may",
  async (sql) => {
    const { id } = await start(sql, [stage(), LAST]);
    const [viewer, operator] = [await signedIn(sql, "viewer"), await signedIn(sql, "operator")];
    await ingest(sql, message({ phone: "4915100000042", body: "it fails" }));
    const [{ written, contact }] = await sql`
    select m.id as written, c.contact_id as contact from public.messages m join public.conversations c on c.id = m.conversation_id`;
    const add = (
      person: string | null,
      changes: { rating?: number; message?: string; flag?: string } = {},
      who = operator,
    ) =>
      as(
        sql,
        who,
        async (sql) =>
          (await sql`select public.add_feedback(${changes.rating ? "rating" : "complaint"}, ${person}, ${
            changes.flag ?? null
          },
        ${changes.rating ?? null}, 'it fails', ${changes.message ?? null}) as a`)[0].a,
      );
    const [having] = people(true, 1), [lacking] = people(false, 1);
    assertEquals((await add(having)).counts_for, [{ flag_key: FLAG, rollout_id: id, stage: 1, arm: "on" }]);
    assertEquals((await add(lacking, { flag: FLAG })).counts_for[0].arm, "off");
    await add(having, { rating: 5 });
    await add("+49 151 0000 0042");
    await add(null, { message: written });
    const rows =
      await sql`select subject_id from public.feedback where text = 'it fails' order by id desc limit 2`;
    assertEquals(
      rows.map(({ subject_id }) => subject_id),
      [contact, contact],
      "a number and a message are the contact",
    );
    assertEquals(await refusal(add(null, { message: written })), "GL409");
    assertEquals(await refusal(add(null, { message: crypto.randomUUID() })), "GL404");
    assertEquals(await refusal(add("+49 151 99")), "GL404");
    assertEquals(await refusal(add(having, { flag: "no.enabled" })), "GL404");
    assertEquals(await refusal(add("")), "GL422");
    assertEquals(await refusal(add(having, {}, viewer)), "42501");
    const list = (who: typeof viewer) =>
      as(
        sql,
        who,
        async (sql) =>
          (await sql`select public.list_feedback(${FLAG}, 50) as a`)[0].a as Record<string, unknown>[],
      );
    const [seen, whole] = [await list(viewer), await list(operator)];
    assertEquals(seen.length, whole.length);
    assertEquals(new Set(seen.map(({ text }) => text)), new Set([null]));
    assertEquals(new Set(whole.map(({ text }) => text)), new Set(["it fails"]));
    assert(!JSON.stringify(whole).includes(contact), "no id is shown whole");
  },
);
