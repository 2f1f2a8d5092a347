/** What comes back: messages tied to links and ads, and what routing and services get to know of it. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { type Click, linesOf } from "../../supabase/functions/_shared/links/clicks/lines.ts";
import { databaseTest } from "../support/database.ts";
import { edgeTest } from "../support/edge.ts";
import { ingest, message } from "../support/intake.ts";
import arriving from "../cases/tokens.json" with { type: "json" };
import { person } from "../support/routed.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";

const TOKEN = "abcdefgh234567ab", OTHER = "zzzzzzzz22222222";
const ADA = "4915100000001", BOB = "4915100000002";

async function link(sql: Sql, code = "poster22"): Promise<string> {
  await sql`insert into links (code, external_id, request_hash, whatsapp, tags, utm)
    values (${code}, ${`x-${code}`}, 'h', '{"phone_number_id": "1"}', '{print,berlin}', '{"campaign": "spring"}')`;
  return code;
}

async function click(sql: Sql, click: Partial<Click> = {}): Promise<void> {
  const row: Click = { code: "poster22", t: Date.now(), k: "whatsapp", p: "ios", o: TOKEN, ...click };
  await sql`select record_clicks(${crypto.randomUUID()}, 0, ${linesOf([row])})`;
}

/** Everything attributed, in the order of the messages. */
async function attributed(sql: Sql) {
  const rows = await sql`
    select m.text, a.code, a.token, a.confidence, a.reason, a.first_touch, a.ctwa_clid
    from attributions a join messages m on m.id = a.message_id order by m.seq`;
  return rows.map((row) => ({ ...row }));
}

const told = async (sql: Sql) =>
  (await attributed(sql)).map((
    { text, confidence, reason, first_touch },
  ) => [text, confidence, reason, first_touch]);

databaseTest("the first message with a token is attributed to its link as exact", async (sql) => {
  await link(sql);
  await click(sql);
  await ingest(
    sql,
    message({ token: TOKEN, body: `Hi [ref:${TOKEN}]`, phone: ADA }),
    message({ body: "plain", phone: BOB }),
  );
  assertEquals(await attributed(sql), [{
    text: `Hi [ref:${TOKEN}]`,
    code: "poster22",
    token: TOKEN,
    confidence: "exact",
    reason: "first",
    first_touch: true,
    ctwa_clid: null,
  }]);
});

databaseTest("a repeated token is distinguished: same contact, another contact, forwarded", async (sql) => {
  await link(sql);
  await click(sql);
  await ingest(sql, message({ token: TOKEN, body: "forwarded first", phone: BOB, forwarded: true }));
  await ingest(sql, message({ token: TOKEN, body: "first", phone: ADA }));
  await ingest(sql, message({ token: TOKEN, body: "again", phone: ADA }));
  await ingest(sql, message({ token: TOKEN, body: "by another", phone: BOB }));
  await ingest(sql, message({ token: TOKEN, body: "forwarded", phone: "4915100000003", forwarded: true }));
  assertEquals(await told(sql), [
    ["forwarded first", "low", "forwarded", true],
    ["first", "exact", "first", true],
    ["again", "contact", "repeated", false],
    ["by another", "low", "reused", false],
    ["forwarded", "low", "forwarded", true],
  ]);
});

databaseTest("the first touch never changes", async (sql) => {
  await link(sql);
  await link(sql, "flyer222");
  await click(sql);
  await click(sql, { code: "flyer222", o: OTHER });
  await ingest(sql, message({ token: TOKEN, body: "a", phone: ADA }));
  const before = await sql`select * from attributions`;
  await ingest(
    sql,
    message({ token: OTHER, body: "b", phone: ADA }),
    message({ token: TOKEN, body: "c", phone: ADA }),
  );
  const after = await sql`select * from attributions where first_touch`;
  assertEquals(after.map((row) => ({ ...row })), before.map((row) => ({ ...row })));
  assertEquals((await attributed(sql)).map(({ code, confidence }) => [code, confidence]), [
    ["poster22", "exact"],
    ["flyer222", "exact"],
    ["poster22", "contact"],
  ]);
});

databaseTest("of two concurrent messages with one token exactly one is exact", async (sql) => {
  await link(sql);
  for (let round = 0; round < 10; round++) {
    const token = `aaaaaaaa2222222${"abcdefghij"[round]}`;
    await click(sql, { o: token });
    await Promise.all([ADA, BOB].map((phone) => ingest(sql, message({ token, phone }))));
    const rows = await sql`select confidence from attributions where token = ${token} order by confidence`;
    assertEquals(rows.map((row) => row.confidence), ["exact", "low"]);
  }
});

databaseTest(
  "an expired token has low confidence, an invented one none",
  async (sql) => {
    await link(sql);
    await click(sql, { t: Date.now() - 31 * 86_400_000 });
    await ingest(sql, message({ token: TOKEN, body: "old" }), message({ token: OTHER, body: "invented" }));
    assertEquals(await told(sql), [["old", "low", "expired", true]]);
    await sql`insert into settings (key, value) values ('deeplinks.token_hours', '1000')`;
    await click(sql, { o: OTHER, t: Date.now() - 31 * 86_400_000 });
    await sql`select claim_unrouted(1, 10)`;
    assertEquals((await told(sql))[1], ["invented", "exact", "first", false]);
  },
);

databaseTest("an ad's referral is stored with its click id, also beside a link's token", async (sql) => {
  await link(sql);
  await click(sql);
  const referral = { source_id: "120", source_type: "ad", ctwa_clid: "ARAkLkA8rmlFeiCktEJQ" };
  await ingest(
    sql,
    message({ referral, body: "ad" }),
    message({ referral, token: TOKEN, body: "both", phone: BOB }),
  );
  assertEquals(await attributed(sql), [
    {
      text: "ad",
      code: null,
      token: null,
      confidence: "referral",
      reason: "ad",
      first_touch: true,
      ctwa_clid: referral.ctwa_clid,
    },
    {
      text: "both",
      code: "poster22",
      token: TOKEN,
      confidence: "exact",
      reason: "first",
      first_touch: true,
      ctwa_clid: referral.ctwa_clid,
    },
  ]);
  const [row] = await sql`select referral from attributions limit 1`;
  assertEquals(row.referral, referral);
});

databaseTest(
  "a contact who clicked and deleted the token is recognised by the link's audience user, for a while",
  async (sql) => {
    await link(sql);
    await ingest(sql, message({ phone: ADA, body: "before" }), message({ phone: BOB, body: "before" }));
    const [{ ada }] = await sql`select contact_id as ada from contact_identities where value = ${ADA}`;
    const [{ bob }] = await sql`select contact_id as bob from contact_identities where value = ${BOB}`;
    await click(sql, { u: ada });
    await click(sql, { u: bob, o: OTHER, t: Date.now() - 25 * 3_600_000 });
    await ingest(
      sql,
      message({ phone: ADA, body: "edited" }),
      message({ phone: ADA, body: "more" }),
      message({ phone: BOB, body: "late" }),
    );
    for (let i = 0; i < 2; i++) await sql`select claim_unrouted(1, 10)`;
    assertEquals(await told(sql), [["edited", "contact", "clicked", true]]);
  },
);

databaseTest("a message that arrives before its click is attributed when it is routed", async (sql) => {
  await link(sql);
  await ingest(sql, message({ token: TOKEN, body: "fast" }));
  assertEquals(await told(sql), []);
  await click(sql);
  const [{ claimed }] = await sql`select claim_unrouted(1, 10) as claimed`;
  assertEquals(claimed[0].messages[0].link, {
    code: "poster22",
    external_id: "x-poster22",
    tags: ["print", "berlin"],
    campaign: "spring",
    utm: { campaign: "spring" },
  });
  assertEquals(await told(sql), [["fast", "exact", "first", true]]);
  assertEquals([...await sql`select from private.unknown_tokens`], []);
});

databaseTest("unknown tokens are looked up again for ten minutes and then forgotten", async (sql) => {
  await ingest(sql, message({ token: TOKEN }));
  await sql`select private.attribute_waiting('{}', now() + interval '9 minutes')`;
  assertEquals((await sql`select from private.unknown_tokens`).length, 1);
  await sql`select private.attribute_waiting('{}', now() + interval '11 minutes')`;
  assertEquals((await sql`select from private.unknown_tokens`).length, 0);
});

databaseTest("merged contacts keep their attributions", async (sql) => {
  await link(sql);
  await click(sql);
  await ingest(sql, message({ phone: ADA, token: TOKEN }));
  await ingest(sql, message({ phone: undefined, bsuid: "US.1" }));
  await ingest(sql, message({ phone: ADA, bsuid: "US.1" }));
  assertEquals((await attributed(sql)).map(({ confidence }) => confidence), ["exact"]);
});

const texts: [string, string][] = [
  [`Hi [ref:${TOKEN}]`, "Hi"],
  [`Hi\n\n[ref:${TOKEN}]`, "Hi"],
  [`[ref:${TOKEN}] Hi`, "Hi"],
  [`[ref:${TOKEN}]`, ""],
  [`a [ref:${TOKEN}] b`, "a b"],
  [`مرحبا [ref:${TOKEN}]`, "مرحبا"],
  [`[ref:${OTHER}] [ref:${TOKEN}]`, ""],
  [`two [ref:${TOKEN}] [ref:${OTHER}]`, "two"],
  [`[ref:short] and [REF:${TOKEN}]`, "[ref:short] and"],
];
databaseTest("without_tokens(): removes every token from a text and nothing else", async (sql) => {
  for (const [text, expected] of texts) {
    const [{ out }] = await sql`select private.without_tokens(${text}) as out`;
    assertEquals(out, expected);
  }
});

databaseTest("plain messages are stored without any extra trigger", async (sql) => {
  await ingest(sql, message({ phone: ADA }));
  const plan = async (token: string | null) => {
    const rows = await sql`
      explain (analyze, costs off) insert into messages (conversation_id, direction, type, status, link_token)
      select id, 'in', 'text', 'received', ${token} from conversations`;
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  };
  assert(!/Trigger attribute/.test(await plan(null)));
  assert(/Trigger attribute/.test(await plan(TOKEN)));
});

edgeTest(
  "a service receives link and attribution with the message, and the text without the token",
  async (edge) => {
    await using service = startService();
    await using others = startService();
    await addDestination(edge.sql, "spring", service);
    await addDestination(edge.sql, "others", others);
    await addRoute(edge.sql, ["spring"], { type: "link", tags: ["berlin"], campaigns: ["spring"] }, {
      priority: 1,
    });
    await addRoute(edge.sql, ["others"]);
    edge.reread();
    await link(edge.sql);
    await click(edge.sql);
    const ada = person(edge, 1);
    await edge.says(ada, { type: "text", text: { body: `Hallo\n\n[ref:${TOKEN}]` } });
    await edge.says(person(edge, 2), { type: "text", text: { body: "Hallo" } });
    await edge.settled();
    assertEquals([service.texts(), others.texts()], [["Hallo"], ["Hallo"]]);
    await edge.says(ada, {
      type: "text",
      text: { body: `Noch mal [ref:${TOKEN}] [ref:${OTHER}]` },
    });
    await edge.settled();
    assertEquals(service.texts(), ["Hallo", "Noch mal"]);
    const { link: got, attribution } = service.received[0].event.data;
    assertEquals(got, {
      code: "poster22",
      external_id: "x-poster22",
      tags: ["print", "berlin"],
      campaign: "spring",
      utm: { campaign: "spring" },
    });
    const { clicked_at, ...rest } = attribution;
    assertEquals(rest, { confidence: "exact", reason: "first", first_touch: true, token: TOKEN });
    assert(Math.abs(Date.parse(clicked_at) - Date.now()) < 60_000);
    assertEquals("link" in others.received[0].event.data, false);
    const [{ stats }] = await edge
      .sql`select link_stats('poster22', current_date - 1, current_date + 1) as stats`;
    assertEquals(stats.attributions, { total: 2, first_touch: 1, by_confidence: { exact: 1, contact: 1 } });
    assertEquals(stats.conversations, 1, "two messages of one conversation");
  },
);

Deno.test("the table of token spellings has accepted and rejected ones", () => {
  assertEquals(new Set(arriving.map(({ token }) => token === null)), new Set([true, false]));
});

databaseTest("a token is removed from a text in each form in which it is read", async (sql) => {
  for (const { text, rest } of arriving) {
    const [row] = await sql`select private.without_tokens(${text}) as rest`;
    assertEquals(row.rest, rest, JSON.stringify(text));
  }
});

databaseTest("an edited message is one message, whichever version arrives first", async (sql) => {
  await link(sql);
  await link(sql, "flyer222");
  await click(sql);
  await click(sql, { code: "flyer222", o: OTHER });
  const said = message({ token: TOKEN, body: "first", phone: ADA });
  const edit = (of: { provider_id?: unknown }, body: string, token: string) =>
    message({ type: "edit", reply_to: of.provider_id, token, body, phone: ADA });
  await ingest(sql, said);
  await ingest(sql, edit(said, "first, edited", TOKEN), edit(said, "edited to another link", OTHER));
  const late = message({ token: OTHER, body: "late", phone: ADA });
  await ingest(sql, edit(late, "late, edited", OTHER));
  await ingest(sql, late);
  assertEquals(await told(sql), [["first", "exact", "first", true], [
    "late, edited",
    "exact",
    "first",
    false,
  ]]);
  const [{ stats }] = await sql`select link_stats('poster22', current_date, current_date) as stats`;
  assertEquals(stats.attributions.total, 1);
  // To routes and services the edit is from the same link.
  const [{ claimed }] = await sql`select claim_unrouted(1, 10) as claimed`;
  const messages = claimed.flatMap(({ messages }: { messages: unknown[] }) => messages);
  assertEquals(
    messages.map(({ text, link }: { text: string; link: { code: string } }) => [text, link?.code]).slice(
      0,
      2,
    ),
    [["first", "poster22"], ["first, edited", "poster22"]],
  );
});

databaseTest("a token added by an edit is attributed to the edit", async (sql) => {
  await link(sql);
  await click(sql);
  const said = message({ body: "without", phone: ADA });
  await ingest(sql, said);
  await ingest(
    sql,
    message({ type: "edit", reply_to: said.provider_id, token: TOKEN, body: "with", phone: ADA }),
  );
  assertEquals(await told(sql), [["with", "exact", "first", true]]);
});

databaseTest(
  "a merged contact, or the same number on another channel, counts as the same person",
  async (sql) => {
    await link(sql);
    await click(sql);
    const [one, two] = [{ phone: ADA, bsuid: undefined }, { phone: undefined, bsuid: "US.1" }];
    await ingest(sql, message({ token: TOKEN, body: "by number", ...one }));
    await ingest(sql, message({ body: "by user id", ...two }));
    // The two prove to be one.
    await ingest(sql, message({ token: TOKEN, body: "by both", phone: ADA, bsuid: "US.1" }));
    await sql`insert into senders (channel, id, display_name) values ('sms', '9', 'SMS')`.catch(async () => {
      await sql`insert into senders (channel, id) values ('sms', '9')`;
    });
    await ingest(
      sql,
      message({
        token: TOKEN,
        body: "on another channel",
        channel: "sms",
        sender_id: "9",
        provider: "sms",
        ...one,
      }),
      message({
        token: TOKEN,
        body: "somebody",
        channel: "sms",
        sender_id: "9",
        provider: "sms",
        phone: BOB,
      }),
    );
    assertEquals(await told(sql), [
      ["by number", "exact", "first", true],
      ["by both", "contact", "repeated", false],
      ["on another channel", "contact", "repeated", false],
      ["somebody", "low", "reused", true],
    ]);
  },
);

databaseTest("a click of a contact that was merged later belongs to the merged person", async (sql) => {
  await link(sql);
  await ingest(sql, message({ body: "by number", phone: ADA }));
  await ingest(sql, message({ body: "by user id", phone: undefined, bsuid: "US.1" }));
  const [, younger] = await sql`select id from contacts order by created_at, id`;
  await ingest(sql, message({ body: "both", phone: ADA, bsuid: "US.1" }));
  assertEquals((await sql`select from contacts where merged_into is not null`).length, 1);
  await sql`select claim_unrouted(1, 10)`;
  await click(sql, { u: younger.id });
  await ingest(sql, message({ body: "without a token", phone: ADA }));
  await sql`select claim_unrouted(1, 10)`;
  assertEquals((await told(sql)).map(([, confidence, reason]) => [confidence, reason]), [[
    "contact",
    "clicked",
  ]]);
});
