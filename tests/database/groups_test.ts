/** Groups: each is a conversation of its own, whose messages have authors; what its people do elsewhere stays theirs. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { MESSAGES } from "../../supabase/functions/_shared/contract/answers/messages.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message, type Partial, status } from "../support/intake.ts";

const GROUP = "R3JvdXA6MQ";
const NORA = "12025550123";
const BEN = "12025550124";

/** A message in the group. */
const said = (phone: string, name: string, body: string, changes: Partial = {}) =>
  message({
    phone: undefined,
    group: GROUP,
    author: [{ kind: "phone", value: phone }],
    author_name: name,
    body,
    ...changes,
  });

async function claimed(
  sql: Sql,
): Promise<{ group: string | null; messages: { text: string; flow: string | null }[] }[]> {
  const [{ waiting }] = await sql`select public.claim_unrouted(0, 10, 10, array['whatsapp']) as waiting`;
  return waiting;
}

databaseTest(
  "groups: one conversation for all, who wrote is known, and routes are told of the group",
  async (sql) => {
    await ingest(
      sql,
      said(NORA, "Nora", "who comes?"),
      said(BEN, "Ben", "me"),
      message({ phone: NORA, body: "private" }),
    );
    const conversations = await claimed(sql);
    assertEquals(
      conversations.map(({ group, messages }) => [group, messages.map(({ text }) => text)]).sort(),
      [
        [null, ["private"]],
        [GROUP, ["who comes?", "me"]],
      ],
    );
    const authors = await sql`
    select m.text, private.author_of(m.id, '1') as author from public.messages m order by m.seq`;
    assertEquals(authors.map(({ text, author }) => [text, author?.name, author?.identities]), [
      ["who comes?", "Nora", { phone: NORA }],
      ["me", "Ben", { phone: BEN }],
      ["private", undefined, undefined],
    ]);
    // The group, Nora and Ben.
    assertEquals((await sql`select from public.contacts`).length, 3);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("groups: whoever writes opens the group's window, and nobody's own", async (sql) => {
  await ingest(sql, said(NORA, "Nora", "who comes?"));
  const rows = await sql`
    select g.value is not null as grouped, c.last_inbound_at is not null as open from public.conversations c
    left join public.contact_identities g on g.contact_id = c.contact_id and g.kind = 'group'`;
  assertEquals(rows.map(({ grouped, open }) => [grouped, open]), [[true, true]]);
});

databaseTest("groups: a stop among people, or of one of them, opts nobody else out", async (sql) => {
  await ingest(sql, said(NORA, "Nora", "STOP"), said(BEN, "Ben", "stop", { type: "button", choice: "stop" }));
  const optedOut = async () =>
    (await sql`select from public.conversations where opted_out_at is not null`).length;
  assertEquals(await optedOut(), 0);
  await sql`update public.messages set direction = 'out', status = 'sent', provider_id = 'wamid.out'
    where id = (select id from public.messages order by seq limit 1)`;
  await ingest(
    sql,
    status("wamid.out", "failed", { phone: undefined, group: GROUP, error: [{ code: 131050 }] }),
  );
  assertEquals(await optedOut(), 0);
  // In one's own conversation it counts as ever.
  await ingest(sql, message({ phone: NORA, body: "STOP" }));
  assertEquals(await optedOut(), 1);
});

databaseTest("groups: people see the group's name and who wrote what", async (sql) => {
  const created = {
    key: "x:g",
    field: "group_lifecycle_update",
    kind: "other",
    sender_id: "1",
    raw: {},
    group: GROUP,
    name: "Sunday",
  };
  await ingest(sql, created, said(NORA, "Nora", "who comes?"));
  const [{ list }] = await sql`select public.list_conversations() as list`;
  const [conversation] = MESSAGES.list_conversations.parse(list);
  assertEquals([conversation.contact.group, conversation.contact.name], [true, "Sunday"]);
  const [{ thread }] = await sql`select public.conversation_messages(${conversation.id}) as thread`;
  const [{ author }] = MESSAGES.conversation_messages.parse(thread)!.messages;
  assertEquals([author?.name, author?.last_four], ["Nora", "0123"]);
});

databaseTest(
  "groups: an author who is merged stays the author, and an erased one takes the words along",
  async (sql) => {
    const bsuid = (value: string) => ({ kind: "bsuid", value });
    await ingest(sql, said(NORA, "Nora", "who comes?"), said(BEN, "Ben", "me"));
    await ingest(sql, said(NORA, "Nora", "by id alone", { author: [bsuid("US.1")] }));
    // One message names both: they are one.
    await ingest(sql, message({ phone: NORA, bsuid: "US.1" }));
    const authors = await sql`
    select distinct private.author_of(m.id, '1') ->> 'id' as id from public.messages m
    where m.text in ('who comes?', 'by id alone')`;
    assertEquals(authors.length, 1);
    const [{ exported }] = await sql`select public.export_contact(${NORA}) as exported`;
    const text = JSON.stringify(exported);
    assert(text.includes("who comes?") && text.includes("by id alone") && !text.includes(BEN));
    await sql`select public.erase_contact(${NORA})`;
    assertEquals((await sql`select text from public.messages`).map((row) => row.text), ["me"]);
  },
);

databaseTest("flows: routes are given the answers of a Flow, and nothing of other messages", async (sql) => {
  const native = (response_json: string) => ({ interactive: { nfm_reply: { response_json } } });
  const answers = JSON.stringify({ flow_token: "book", size: "M" });
  await ingest(
    sql,
    message({ type: "interactive", raw: native(answers) }),
    message({ type: "interactive", raw: { interactive: { button_reply: { id: "yes" } } } }),
    message({ raw: native("not asked for") }),
  );
  const [{ messages }] = await claimed(sql);
  assertEquals(messages.map(({ flow }) => flow), [answers, null, null]);
});
