/** Mails that come in: which message they answer, stored once, counted, forwarded, relayed, suppressed and erased. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import {
  ALEX,
  answer,
  CASEY,
  claim,
  claimForwards,
  DESK,
  enqueue,
  ingest,
  mailTest,
  ownerAnswer,
  resolve,
  row,
  send,
  settleForwards,
} from "../support/mail_rows.ts";
import { ANSWERS } from "../../supabase/functions/_shared/contract/answers.ts";
import { holds } from "../support/property.ts";

const count = async (sql: Sql, from: string) => Number((await row(sql, `select count(*) from ${from}`))[0]);
const reconciled = async (sql: Sql) =>
  ((await sql`select public.reconcile() as proof`)[0].proof.checks as { name: string; ok: boolean }[])
    .filter(({ ok }) => !ok).map(({ name }) => name);

mailTest(
  "a mail is resolved by token, then the legacy address, then its headers; the best that finds a message",
  async (sql) => {
    const [one, two, three] = [await send(sql), await send(sql), await send(sql)];
    const ids = {
      tokens: ["aaaaaaaaaaaaaaaa", one.mail!.token!.toUpperCase()],
      legacy: [{ message: two.id }],
      references: [`<${three.id}@send.example>`],
    };
    const table: [string, Record<string, unknown>, [string, string | undefined]][] = [
      ["all three", ids, ["token", one.id]],
      ["an unknown token", { ...ids, tokens: ["aaaaaaaaaaaaaaaa"] }, ["legacy", two.id]],
      ["a legacy address of nobody", { ...ids, tokens: [], legacy: [{ message: crypto.randomUUID() }] }, [
        "references",
        three.id,
      ]],
      ["references from the last", {
        references: ["<other@people.example>", `<${two.id}@send.example>`, `<${one.id}@send.example>`],
      }, ["references", two.id]],
      ["the provider's own Message-ID", { references: [`<sg-${one.id}>`] }, ["references", one.id]],
      ["nothing that is ours", { tokens: ["b"], legacy: [{ message: "x" }], references: ["<x@y>", ""] }, [
        "none",
        undefined,
      ]],
      ["nothing at all", { tokens: null, legacy: null, references: null }, ["none", undefined]],
    ];
    for (const [name, mail, expected] of table) {
      const found = await resolve(sql, mail);
      assertEquals([found.via, found.message?.id], expected, name);
      ANSWERS.resolve_mails.parse([found]);
    }
    const own = await resolve(sql, { message_id: one.mail!.message_id_header });
    assertEquals([own.own, own.from_is_ours], [true, false]);
    assertEquals((await resolve(sql, { from: ALEX.from })).from_is_ours, true);
    const desk = await resolve(sql, { recipient: DESK.from });
    assertEquals([desk.via, desk.identity?.id, desk.message], ["none", DESK.id, null]);
  },
);

mailTest(
  "who writes is told apart: whom we wrote to, the owner of the identity, anybody else",
  async (sql) => {
    const sent = await send(sql);
    const [forwarded] = await ingest(sql, answer(sent.id));
    const [token] = await row(
      sql,
      "select token from public.reply_tokens where message_id = $1",
      forwarded.message_id,
    );
    const who = async (from: string, tokens: unknown[]) => {
      const { sender, message } = await resolve(sql, { from, tokens });
      return [sender.is_recipient, sender.is_contact, sender.is_owner, message?.direction, message?.to];
    };
    assertEquals(await who(CASEY, [sent.mail!.token]), [true, true, false, "out", CASEY]);
    assertEquals(await who("else@people.example", [sent.mail!.token]), [false, false, false, "out", CASEY]);
    assertEquals(await who(ALEX.inbox, [token]), [false, false, true, "in", ALEX.inbox]);
    assertEquals(await who(CASEY, [token]), [false, true, false, "in", ALEX.inbox]);
    assertEquals(await who(DESK.inbox, [token]), [false, false, false, "in", ALEX.inbox]);
  },
);

mailTest(
  "a reply is stored once, in the conversation of its message, counted, and forwarded to the identity's inbox",
  async (sql) => {
    const sent = await send(sql, { message: { campaign_id: "0197d000-0000-7000-8000-00000000000a" } });
    const mail = answer(sent.id, {
      objects: [{ bucket: "email-raw", path: "2026-11-21/aa.eml", bytes: 2048, kind: "raw", index: null }],
    });
    const [stored] = ANSWERS.ingest_mails.parse(await ingest(sql, mail));
    assertEquals([stored.outcome, stored.via, stored.verdict, stored.forward_to], [
      "stored",
      "token",
      "forward",
      ALEX.inbox,
    ]);
    const again = await ingest(sql, mail, mail);
    assertEquals(again.map(({ outcome, message_id }) => [outcome, message_id]), [["duplicate", null], [
      "duplicate",
      null,
    ]]);

    assertEquals(
      await row(
        sql,
        `select m.direction, m.type, m.text, m.thread_id::text, m.native ->> 'subject', m.conversation_id = s.conversation_id
      from public.messages m, public.messages s where m.id = $1 and s.id = $2`,
        stored.message_id,
        sent.id,
      ),
      ["in", "email", mail.text, sent.id, mail.subject, true],
    );
    assertEquals(
      await row(
        sql,
        "select reply_to::text, via, arm, identity::text, campaign_id::text, forwarded_at from public.email_replies",
      ),
      [
        sent.id,
        "token",
        "on",
        ALEX.id,
        "0197d000-0000-7000-8000-00000000000a",
        null,
      ],
    );
    assertEquals(
      await row(
        sql,
        "select event_type, message_id::text, mail_id::text, metadata ->> 'via' from public.email_events",
      ),
      [
        "reply",
        sent.id,
        stored.message_id,
        "token",
      ],
    );
    const [forward] = await claimForwards(sql);
    assertEquals(forward.mail!.message_id_header, `<${stored.message_id}@send.example>`);
    assertEquals([forward.mail!.reply_to, forward.mail!.contact.address, forward.mail!.other_sender], [
      "token",
      CASEY,
      false,
    ]);
    assertEquals(forward.mail!.answered, {
      message_id_header: sent.mail!.message_id_header,
      subject: "Your order",
    });
    assertEquals(forward.mail!.objects, [{
      bucket: "email-raw",
      path: "2026-11-21/aa.eml",
      kind: "raw",
      index: null,
    }]);
    await settleForwards(sql, [forward]);
    assertEquals(await count(sql, "public.email_replies where forwarded_at is not null"), 1);
    assertEquals(await count(sql, "public.email_events where event_type = 'forward'"), 1);
    assertEquals(await reconciled(sql), []);
  },
);

mailTest("forwards of one conversation go in order, those of others beside them", async (sql) => {
  const one = await send(sql), two = await send(sql, { to: "kim@people.example" });
  const stored = await ingest(
    sql,
    answer(one.id),
    answer(one.id),
    answer(two.id, { from: { address: "kim@people.example", name: "" } }),
  );
  const first = await claimForwards(sql);
  assertEquals(
    first.map(({ message }) => message.id).toSorted(),
    [stored[0].message_id, stored[2].message_id].toSorted(),
  );
  await settleForwards(sql, first);
  assertEquals((await claimForwards(sql)).map(({ message }) => message.id), [stored[1].message_id]);
});

mailTest(
  "the owner's answer goes to whoever wrote, in the thread, and the inbox's address stands nowhere",
  async (sql) => {
    const sent = await send(sql);
    const [theirs] = await ingest(sql, answer(sent.id));
    const [assistants] = await ingest(
      sql,
      answer(sent.id, { from: { address: "pat@people.example", name: "Pat" }, is_recipient: false }),
    );
    await settleForwards(sql, await claimForwards(sql));
    const reply = ownerAnswer(theirs.message_id!, { text: "See you on Tuesday" });
    const relayed = ANSWERS.ingest_mails.parse(await ingest(sql, reply, ownerAnswer(assistants.message_id!)));
    assertEquals(relayed.map(({ outcome, relayed }) => [outcome, relayed]), [["stored", true], [
      "stored",
      true,
    ]]);
    assertEquals((await ingest(sql, reply))[0].outcome, "duplicate");
    const waiting =
      await sql`select id, recipient from public.outbound_messages where state = 'queued' order by id`;
    assertEquals(waiting.map(({ id, recipient }) => [id, recipient]), [
      [relayed[0].message_id, CASEY],
      [relayed[1].message_id, "pat@people.example"],
    ]);
    await sql`update public.senders set send_tat = null`;
    await sql`update private.outbound_lanes set due_at = now(), pair_tat = null where due_at is not null`;
    const [claimed] = await claim(sql);
    const [{ native }] = await sql`select native from public.messages where id = ${theirs.message_id}`;
    assertEquals([claimed.mail!.relay, claimed.mail!.from.address, claimed.mail!.in_reply_to], [
      true,
      ALEX.from,
      native.message_id,
    ]);
    assert(!JSON.stringify(claimed).includes(ALEX.inbox));
  },
);

mailTest(
  "a relay that may not go is kept as failed and says why; one whose mail is gone is a mail like any other",
  async (sql) => {
    const sent = await send(sql);
    const [theirs] = await ingest(sql, answer(sent.id));
    await sql`select public.add_suppression(${CASEY})`;
    const [refused] = await ingest(sql, ownerAnswer(theirs.message_id!));
    assertEquals([refused.outcome, refused.code, refused.relayed], ["stored", "suppressed", undefined]);
    assertEquals(
      await row(
        sql,
        "select status, error ->> 'code' from public.messages where id = $1",
        refused.message_id,
      ),
      ["failed", "suppressed"],
    );
    assertEquals(await claim(sql), []);
    const [gone] = await ingest(sql, ownerAnswer(crypto.randomUUID()));
    assertEquals([gone.outcome, gone.code, gone.relayed], ["stored", "gone", undefined]);
  },
);

mailTest(
  "what nobody answers is stored: a stranger's mail, one to no identity, one without a sender, a loop",
  async (sql) => {
    const unknown = {
      via: "none",
      identity: null,
      forward: false,
      counted: false,
      verdict: "store",
      kind: "new_mail",
    };
    const stored = await ingest(
      sql,
      answer(null, { ...unknown, from: { address: "Stranger@People.Example", name: "Stranger" } }),
      answer(null, {
        ...unknown,
        recipient: DESK.from,
        identity: DESK.id,
        from: { address: "stranger@people.example", name: "" },
      }),
      answer(null, { ...unknown, from: null, kind: "other" }),
      answer(null, {
        ...unknown,
        verdict: "loop",
        kind: "loop",
        from: { address: "loop@people.example", name: "" },
      }),
    );
    assertEquals(stored.map(({ outcome, message_id }) => [outcome, message_id !== null]), [
      ["stored", true],
      ["stored", true],
      ["stored", false],
      ["stored", false],
    ]);
    const rows = await sql`
    select c.number_id, i.value from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id order by 1`;
    assertEquals(rows.map(({ number_id, value }) => [number_id, value]), [
      ["@reply.example", "stranger@people.example"],
      [DESK.from, "stranger@people.example"],
    ]);
    assertEquals(await count(sql, "public.contacts"), 1);
    assertEquals(await count(sql, "public.webhook_events where raw is not null and kind = 'other'"), 2);
    assertEquals(await reconciled(sql), []);
  },
);

mailTest(
  "automatic mail is kept from routes; a reply waits for the router, and has what conditions ask",
  async (sql) => {
    const sent = await send(sql);
    await ingest(
      sql,
      answer(sent.id, {
        kind: "auto_reply",
        verdict: "store",
        forward: false,
        counted: false,
        automatic: true,
      }),
    );
    assertEquals(await row(sql, "select reason from public.routing_decisions"), ["kept"]);
    assertEquals(await row(sql, "select unrouted_since, routed_seq > 0 from public.conversations"), [
      null,
      true,
    ]);
    await ingest(sql, answer(sent.id, { subject: "Re: Your order" }));
    const [{ waiting }] = await sql`
    select public.claim_unrouted((select revision from private.config_revision), 10, 20, '{email}') as waiting`;
    ANSWERS.claim_unrouted.parse(waiting);
    assertEquals(waiting.map((c: { email: string }) => c.email), [CASEY]);
    assertEquals(
      waiting[0].messages.map((
        m: { mail: { kind: string; verified: boolean } },
      ) => [m.mail.kind, m.mail.verified]),
      [["reply", true]],
    );
  },
);

mailTest('bounces, complaints and stop words suppress; "STOP" is forwarded too', async (sql) => {
  const sent = await send(sql);
  const quiet = { verdict: "suppress", forward: false, counted: false };
  await ingest(
    sql,
    answer(sent.id, {
      ...quiet,
      kind: "bounce",
      suppress: [{ address: "Gone@People.Example", reason: "bounce", scope: "all" }],
    }),
    answer(sent.id, {
      ...quiet,
      kind: "unsubscribe",
      forward: true,
      suppress: [{ address: CASEY, reason: "unsubscribe", scope: "all" }],
    }),
    answer(sent.id, {
      ...quiet,
      kind: "bounce",
      suppress: [{ address: "no address", reason: "bounce", scope: "all" }],
    }),
  );
  assertEquals(
    (await sql`select address, reason, source from public.suppressions order by 1`).map((r) =>
      Object.values(r)
    ),
    [
      [CASEY, "unsubscribe", "mail"],
      ["gone@people.example", "bounce", "mail"],
    ],
  );
  assertEquals((await claimForwards(sql)).length, 1);
  assertEquals(
    (await enqueue(sql, {}, { to: "gone@people.example" }, { to: "kim@people.example" })).map(({ error }) =>
      error
    ),
    [
      "suppressed",
      "suppressed",
      undefined,
    ],
  );
});

mailTest(
  "a forward that is given up counts as a failed reply, and one that goes as a good one, for the guard",
  async (sql) => {
    const [good, bad] = [await send(sql), await send(sql, { to: "kim@people.example" })];
    await ingest(sql, answer(good.id), answer(bad.id, { from: { address: "kim@people.example", name: "" } }));
    const forwards = await claimForwards(sql);
    await settleForwards(sql, forwards.slice(0, 1));
    await settleForwards(sql, forwards.slice(1), { outcome: "dead", error: "status 400" });
    const counted =
      await sql`select arm, n, failed from public.flag_metrics where flag_key = 'email_reply_tokens.enabled'`;
    assertEquals(counted.map((r) => Object.values(r)), [["on", 2, 1]]);
  },
);

mailTest(
  "the same mail in many posts at once is stored once, and mails of one thread keep an order",
  async (sql) => {
    const sent = await send(sql);
    const mail = answer(sent.id);
    const posts = await Promise.all(Array.from({ length: 8 }, () => ingest(sql, mail)));
    assertEquals(posts.flat().filter(({ outcome }) => outcome === "stored").length, 1);
    await Promise.all(Array.from({ length: 8 }, () => ingest(sql, answer(sent.id), answer(sent.id))));
    assertEquals(await count(sql, "public.messages where direction = 'in'"), 17);
    assertEquals(await count(sql, "public.deliveries"), 17);
    assertEquals(await count(sql, "public.conversations"), 1);
    assertEquals(await reconciled(sql), []);
  },
);

mailTest(
  "somebody is erased while mails of theirs come in: all of it before is gone, and what comes after is whole",
  async (sql) => {
    const sent = await send(sql);
    const before = answer(sent.id);
    await ingest(sql, before);
    const [, ...posts] = await Promise.all([
      sql`select public.erase_contact(${CASEY})`,
      ...Array.from({ length: 6 }, () => ingest(sql, answer(sent.id))),
    ]);
    for (const [{ outcome }] of posts) assertEquals(outcome, "stored");
    // The provider repeats what it sent before.
    assertEquals((await ingest(sql, before))[0].outcome, "duplicate");
    const [{ orphans }] = await sql`
    select count(*)::int as orphans from public.messages m
    where not exists (select from public.conversations c where c.id = m.conversation_id)`;
    assertEquals(orphans, 0);
    assertEquals(await reconciled(sql), []);
  },
);

mailTest(
  "an erasure takes a person's mails, tokens and files, and keeps that they get no mail",
  async (sql) => {
    const sent = await send(sql), other = await send(sql, { to: "kim@people.example" });
    const file = (path: string) => ({ bucket: "email-raw", path, bytes: 1, kind: "raw", index: null });
    await ingest(
      sql,
      answer(sent.id, { objects: [file("a.eml")] }),
      answer(other.id, { from: { address: "kim@people.example", name: "Kim" }, objects: [file("b.eml")] }),
    );
    // Casey writes in Kim's conversation.
    await ingest(
      sql,
      answer(other.id, { is_recipient: false, objects: [file("c.eml")], text: "I am Casey" }),
    );
    await sql`select public.add_suppression(${CASEY}, 'complaint')`;
    const [{ given }] = await sql`select public.export_contact(${CASEY}) as given`;
    assertEquals(given.tables["public.messages"].length, 3);
    assertEquals(given.tables["public.suppressions"].length, 1);

    await sql`select public.erase_contact(${CASEY.toUpperCase()})`;
    assertEquals(await row(sql, "select array_agg(distinct i.value) from public.contact_identities i"), [[
      "kim@people.example",
    ]]);
    assertEquals(
      (await sql`select path from public.storage_objects where of_message and message_id is null order by 1`)
        .map(({ path }) => path),
      ["a.eml", "c.eml"],
    );
    const [{ left }] = await sql`
    select string_agg(t::text, ' ') as left from (
      select m::text as t from public.messages m union all select s::text from public.suppressions s
      union all select e::text from public.webhook_events e union all select x::text from private.mail_senders x
      union all select v::text from public.email_events v) t`;
    assert(!/casey/i.test(left), left);
    assertEquals((await enqueue(sql))[0].error, "suppressed");
    assertEquals(await count(sql, "public.contacts"), 1);
    const [{ due }] = await sql`select public.claim_storage_purges(10) as due`;
    assertEquals(due.map(({ path }: { path: string }) => path).toSorted(), ["a.eml", "c.eml"]);
    assertEquals((await sql`select public.settle_storage_purges(${sql.json(due)}) as n`)[0].n, 2);
    assertEquals((await sql`select private.storage_purges_are_due(now()) as due`)[0].due, false);
  },
);

mailTest(
  "whatever is judged of a batch, each mail is stored once, the proofs hold, and no more is forwarded than was asked",
  async (sql) => {
    const sent = [await send(sql), await send(sql, { to: "kim@people.example", number_id: DESK.from })];
    const text = fc.string({ unit: "grapheme", maxLength: 30 }).map((t) => t.replaceAll("\u0000", ""));
    const mail = fc.record({
      message: fc.constantFrom(null, sent[0].id, sent[1].id, crypto.randomUUID()),
      identity: fc.constantFrom(null, ALEX.id, DESK.id, crypto.randomUUID()),
      from: fc.constantFrom(
        null,
        { address: "", name: "" },
        { address: CASEY, name: "C" },
        { address: "kim@people.example", name: "" },
        { address: ALEX.inbox, name: "" },
      ),
      verdict: fc.constantFrom("forward", "store", "suppress", "quarantine", "relay", "loop"),
      kind: fc.constantFrom("reply", "bounce", "auto_reply", "new_mail", "Odd kind"),
      forward: fc.boolean(),
      relay: fc.boolean(),
      counted: fc.boolean(),
      subject: text,
      text,
      key: fc.integer({ min: 1, max: 60 }).map((n) => `key ${n}`),
    });
    const known = new Set<string>();
    await holds(fc.asyncProperty(fc.array(mail, { maxLength: 5 }), async (batch) => {
      const answers = ANSWERS.ingest_mails.parse(
        await ingest(sql, ...batch.map((each) => answer(each.message, each))),
      );
      answers.forEach(({ outcome, forward_to }, i) => {
        assertEquals(outcome, known.has(batch[i].key) ? "duplicate" : "stored");
        known.add(batch[i].key);
        if (forward_to !== undefined) assert(batch[i].forward);
      });
      assertEquals(await count(sql, "public.webhook_events"), known.size);
      assertEquals(await reconciled(sql), []);
    }));
  },
);

/** All that follows from mails, without ids and times. */
async function traces(sql: Sql): Promise<unknown> {
  const key = "coalesce(m.native ->> 'key', m.direction)";
  const about = (table: string, columns: string) =>
    sql.unsafe(
      `select ${key} as key, ${columns} from ${table} x join public.messages m on m.id = x.message_id order by m.seq`,
    );
  return JSON.parse(JSON.stringify({
    messages: await sql.unsafe(`
      select ${key} as key, m.direction, m.status, m.error ->> 'code' as code, m.native ->> 'verdict' as verdict, c.number_id,
        (select i.value from public.contact_identities i where i.contact_id = c.contact_id) as contact,
        (select coalesce(t.native ->> 'key', t.direction) from public.messages t where t.id = m.thread_id) as thread
      from public.messages m join public.conversations c on c.id = m.conversation_id order by m.seq`),
    conversations: await sql`
      select i.value, c.number_id, c.unrouted_since is not null as waits, c.last_inbound_at is not null as heard,
        (select count(*)::int from public.messages m where m.conversation_id = c.id and m.seq <= c.routed_seq) as routed
      from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id order by 1, 2`,
    decisions: await about("public.routing_decisions", "x.reason"),
    replies: await about(
      "public.email_replies",
      "x.via, x.arm, x.identity, x.reply_to, x.forward_wanted, x.failed_at is not null as failed",
    ),
    deliveries: await about(
      "public.deliveries",
      "x.state, (select i.from_email from private.inboxes i where i.destination_id = x.destination_id) as inbox",
    ),
    tokens: await about("public.reply_tokens", "length(x.token) as token"),
    suppressions: await sql`select address, scope, reason from public.suppressions order by 1, 2, 3`,
    metrics: await sql`select name, sum(n)::int as n from public.metric_days group by name order by name`,
    counts: await sql`
      select name, label, sum(value)::int as n from public.counters where value > 0 group by name, label order by name, label`,
  }));
}

mailTest("a batch leaves what its mails leave one by one, in their order", async (sql) => {
  const kim = "kim@people.example";
  const sent = [await send(sql), await send(sql, { to: kim, number_id: DESK.from })];
  const theirs = await ingest(
    sql,
    answer(sent[0].id),
    answer(sent[1].id, { from: { address: kim, name: "" } }),
  );
  await sql`update public.email_identities set state = 'paused' where id = ${DESK.id}`;
  await sql`update public.settings set metadata = ${sql.json({ target_user_ids: ["user-alex"] })}
    where key = 'email_reply_tokens.enabled'`;
  const theirMails = theirs.map(({ message_id }) => message_id!);
  const mail = fc.record({
    message: fc.constantFrom(null, ...sent.map(({ id }) => id), ...theirMails, crypto.randomUUID()),
    identity: fc.constantFrom(null, ALEX.id, DESK.id),
    from: fc.constantFrom(null, { address: CASEY, name: "C" }, { address: kim, name: "" }, {
      address: ALEX.inbox,
      name: "",
    }),
    verdict: fc.constantFrom("forward", "forward", "store", "relay", "loop"),
    kind: fc.constantFrom("reply", "auto_reply", "new_mail"),
    via: fc.constantFrom("token", "legacy", "references"),
    forward: fc.boolean(),
    relay: fc.boolean(),
    counted: fc.boolean(),
    suppress: fc.constantFrom([], [], [{ address: CASEY, reason: "unsubscribe", scope: "all" }], [
      { address: kim, reason: "bounce", scope: "bulk" },
    ]),
    key: fc.integer({ min: 1, max: 9 }).map((n) => `key ${n}`),
  });
  /** What is there after the steps, which are undone. */
  const after = async (steps: readonly (readonly Record<string, unknown>[])[]) => {
    let found: unknown;
    const undone = new Error("undone");
    await sql.begin(async (tx) => {
      const answers = [];
      for (const step of steps) answers.push(...await ingest(tx as unknown as Sql, ...step));
      found = [
        answers.map(({ message_id, ...rest }) => ({ ...rest, kept: message_id != null })),
        await traces(tx as unknown as Sql),
      ];
      throw undone;
    }).catch((error) => {
      if (error !== undone) throw error;
    });
    return found;
  };
  await holds(
    fc.asyncProperty(fc.array(mail, { minLength: 2, maxLength: 8 }), async (mails) => {
      const batch = mails.map((each) => answer(each.message, each));
      assertEquals(await after([batch]), await after(batch.map((each) => [each])));
    }),
    { cases: 300 },
  );
});

mailTest("tokens of a batch that cannot be stored together are stored one by one", async (sql) => {
  const { id } = await send(sql);
  await sql`alter table public.reply_tokens add column about text`;
  await sql.unsafe(`
    create function public.about_token() returns trigger language plpgsql as $$
    begin
      new.about := (select m.text from public.messages m where m.id = new.message_id);
      return new;
    end $$;
    create trigger about before insert on public.reply_tokens for each row execute function public.about_token();
    alter table public.reply_tokens add check (about is distinct from 'refused')`);
  const answers = await ingest(sql, ...["one", "refused", "two"].map((text) => answer(id, { text })));
  assertEquals(answers.map(({ outcome }) => outcome), ["stored", "stored", "stored"]);
  assertEquals(
    (await sql`select about from public.reply_tokens where about is not null order by about`).map((
      { about },
    ) => about),
    ["one", "two"],
  );
  assertEquals(
    await row(
      sql,
      `select sum(value) filter (where label = 'created')::int, sum(value) filter (where label = 'failed')::int
      from public.counters where name = 'reply_tokens'`,
    ),
    // One of the mail that was sent.
    [3, 1],
  );
});

mailTest(
  "a mail that names no author is kept with the message that it answers, or as an event",
  async (sql) => {
    const { id } = await send(sql);
    const nobody = { from: { address: "", name: "" }, forward: false, verdict: "quarantine", counted: false };
    const [known, unknown] = await ingest(sql, answer(id, nobody), answer(null, nobody));
    assertEquals([known.outcome, unknown.outcome], ["stored", "stored"]);
    assertEquals([known.message_id !== null, unknown.message_id], [true, null]);
    assertEquals(await row(sql, "select count(*) from public.webhook_events where field = 'inbound'"), ["2"]);
  },
);

mailTest(
  "outcomes of both arms: a reply counts once, by its first attempt, and for what its message was sent with",
  async (sql) => {
    const counted = async () =>
      (await sql`select arm, sum(n)::int as n, sum(failed)::int as failed from public.flag_metrics
      where flag_key = 'email_reply_tokens.enabled' group by arm order by arm desc`)
        .map(({ arm, n, failed }) => [arm, n, failed]);
    // Refused for now, and taken an hour later: a failure, and no second outcome.
    const late = await send(sql);
    await ingest(sql, answer(late.id));
    await settleForwards(sql, await claimForwards(sql), {
      outcome: "retry",
      error: "status 500",
      retry_after_ms: 1,
    });
    assertEquals(await counted(), [["on", 1, 1]]);
    await settleForwards(sql, await claimForwards(sql));
    assertEquals(await counted(), [["on", 1, 1]]);

    // Its token is gone, and the answer comes by its headers: it is the token's all the same.
    const expired = await send(sql);
    await sql`delete from public.reply_tokens where message_id = ${expired.id}`;
    await ingest(sql, answer(expired.id, { via: "references" }));
    await settleForwards(sql, await claimForwards(sql));
    assertEquals(await counted(), [["on", 2, 1]]);

    // A token that cannot be stored fails the sender; the mail goes with the legacy address, and its answer is of that arm.
    await sql`alter table public.reply_tokens add constraint none check (token = 'never') not valid`;
    const legacy = await send(sql).catch(() => undefined);
    await sql`alter table public.reply_tokens drop constraint none`;
    assertEquals(legacy?.mail?.token, null);
    assertEquals(await counted(), [["on", 3, 2]]);
    await ingest(sql, answer(legacy!.id, { via: "legacy" }));
    await settleForwards(sql, await claimForwards(sql));
    assertEquals(await counted(), [["on", 3, 2], ["off", 1, 0]]);

    const days = await sql`select name, sum(n)::int as n from public.metric_days group by name order by name`;
    assertEquals(days.map(({ name, n }) => [name, n]), [
      ["mail.sent", 3],
      ["mail.tokened", 2],
      ["reply.forwarded", 3],
      ["reply.legacy", 1],
      ["reply.received", 3],
      ["reply.to_forward", 3],
    ]);
  },
);
