/** What was written before a number was connected: imported once, in the order of writing, and nothing comes of it. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { ACCOUNTS } from "../../supabase/functions/_shared/contract/answers/accounts.ts";
import { MESSAGES } from "../../supabase/functions/_shared/contract/answers/messages.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message, type Partial } from "../support/intake.ts";
import { holds } from "../support/property.ts";

const PHONE = "4915100000001";
const HOUR = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR).toISOString();

/** A message of the app's history, `hours` ago; `from` is the person unless it is ours. */
function past(wamid: string, hours: number, changes: Partial = {}): Partial {
  const type = changes.type ?? "text";
  return {
    key: `h:1:${wamid}:${type}`,
    field: "history",
    kind: "past_message",
    sender_id: "1",
    sender_display: "15550001111",
    provider_id: wamid,
    type: "text",
    body: `of ${wamid}`,
    phone: PHONE,
    raw: { id: wamid, type },
    at: ago(hours),
    ...changes,
  };
}

const ours = (wamid: string, hours: number, changes: Partial = {}) =>
  past(wamid, hours, { kind: "past_echo", status: "read", rank: 4, ...changes });

const placeholder = (wamid: string, hours: number) =>
  past(wamid, hours, { type: "media_placeholder", body: undefined });

const file = (wamid: string, changes: Partial = {}): Partial => ({
  ...past(wamid, 1, { type: "image", body: "tulips" }),
  key: `hm:1:${wamid}`,
  raw: { id: wamid, type: "image", image: { id: `media of ${wamid}`, caption: "tulips" } },
  ...changes,
});

/** How far the import is, in Meta's words. */
const chunk = (progress: number, at: string, changes: Record<string, unknown> = {}): Partial => ({
  key: `x:${progress}:${at}:${JSON.stringify(changes)}`,
  field: "history",
  kind: "other",
  sender_id: "1",
  raw: {},
  at,
  news: { what: "history", account: "77", number: "1", address: "15550001111", progress, ...changes },
});

/** The messages of the only conversation, oldest first, as people see them. */
async function thread(sql: Sql) {
  const [{ id }] = await sql<{ id: string }[]>`select id from public.conversations`;
  const [{ said }] = await sql`select public.conversation_messages(${id}) as said`;
  const { conversation, messages } = MESSAGES.conversation_messages.parse(said)!;
  return { conversation, messages: messages.reverse() };
}

databaseTest(
  "ingest_updates: imported messages stand before all others, whatever the order of their chunks",
  async (sql) => {
    assertEquals(await ingest(sql, message({ phone: PHONE, body: "now" })), "s");
    assertEquals(await ingest(sql, ours("w3", 24), past("w4", 24)), "ss");
    assertEquals(await ingest(sql, past("w1", 3000), past("w2", 2000)), "ss");
    const { conversation, messages } = await thread(sql);
    assertEquals(messages.map(({ text }) => text), ["of w1", "of w2", "of w3", "of w4", "now"]);
    assertEquals(messages.map(({ imported }) => imported), [true, true, true, true, false]);
    assertEquals(messages.map(({ direction }) => direction), ["in", "in", "out", "in", "in"]);
    assertEquals(messages.map(({ status }) => status), [
      "received",
      "received",
      "read",
      "received",
      "received",
    ]);
    assert(messages.every(({ seq }) => Number.isSafeInteger(seq)));
    assert(Date.parse(conversation.window_closes_at!) > Date.now() + 23 * HOUR, "of what came in now");
    const [{ list }] = await sql`select public.list_conversations() as list`;
    assertEquals(MESSAGES.list_conversations.parse(list).map(({ last }) => last?.text), ["now"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "ingest_updates: imported messages are routed to nobody, open no window and take nothing over",
  async (sql) => {
    assertEquals(await ingest(sql, past("w1", 1), ours("w2", 0.5)), "ss");
    const { conversation, messages } = await thread(sql);
    assertEquals(messages.length, 2);
    assertEquals(conversation.window_closes_at, null);
    assertEquals(conversation.unrouted_since, null);
    assertEquals(conversation.taken_over, null);
    const [{ claimed }] = await sql`select public.claim_unrouted(0, 10, 10, array['whatsapp']) as claimed`;
    assertEquals(claimed, []);
    const [{ desk }] = await sql`select public.list_desks(array[${conversation.id}::uuid]) as desk`;
    assertEquals(MESSAGES.list_desks.parse(desk)[0].unread, false);
    const [{ list }] = await sql`select public.list_conversations() as list`;
    const [{ last }] = MESSAGES.list_conversations.parse(list);
    assert(Date.parse(last!.created_at) < Date.now() - 0.4 * HOUR, "at the time when it was written");
    const [{ trace }] = await sql`select public.trace_message('w1') as trace`;
    assertEquals(MESSAGES.trace_message.parse(trace)!.events.map(({ what }) => what), [
      "written",
      "imported",
    ]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "ingest_updates: a repeated chunk imports nothing again, nor what came in before",
  async (sql) => {
    await ingest(sql, message({ provider_id: "w1", phone: PHONE, body: "came in" }));
    assertEquals(await ingest(sql, past("w1", 1), past("w2", 2)), "ss");
    assertEquals(await ingest(sql, past("w1", 1), past("w2", 2), past("w3", 3)), "dds");
    // The same under another key, as after the retention of keys.
    assertEquals(await ingest(sql, past("w2", 2, { key: "h:1:w2:again" })), "s");
    const { messages } = await thread(sql);
    assertEquals(messages.map(({ text }) => text), ["of w3", "of w2", "came in"]);
  },
);

databaseTest("ingest_updates: what comes in after it was imported is routed as ever", async (sql) => {
  await ingest(sql, past("w1", 0.01), ours("w2", 0.01), chunk(10, ago(0)));
  await ingest(sql, message({ provider_id: "w1", phone: PHONE, body: "came in" }));
  await ingest(
    sql,
    message({ provider_id: "w2", key: "m:1:w2:text", kind: "echo", phone: PHONE, body: "by hand" }),
  );
  const { conversation, messages } = await thread(sql);
  assertEquals(messages.map(({ text, imported }) => [text, imported]), [["came in", false], [
    "by hand",
    false,
  ]]);
  assert(conversation.unrouted_since !== null);
  assertEquals(conversation.taken_over?.by, "app");
});

databaseTest("ingest_updates: a file takes its placeholder's place, before or after it", async (sql) => {
  await ingest(sql, placeholder("w1", 30), ours("w2", 20, { type: "media_placeholder", body: undefined }));
  // Of one of ours Meta does not say to whom it went.
  const nobodys = (wamid: string) => file(wamid, { kind: "past_echo", phone: undefined });
  await ingest(sql, file("w1"), nobodys("w2"), nobodys("w3"), file("w4"));
  await ingest(sql, ours("w3", 10, { type: "media_placeholder", body: undefined }), placeholder("w4", 1));
  // Both at once.
  await ingest(sql, placeholder("w5", 0.5), file("w5", { at: ago(0.5) }));
  const { messages } = await thread(sql);
  assertEquals(messages.map(({ type, text, direction }) => [type, text, direction]), [
    ["image", "tulips", "in"],
    ["image", "tulips", "out"],
    ["image", "tulips", "out"],
    ["image", "tulips", "in"],
    ["image", "tulips", "in"],
  ]);
  const natives = await sql`select native #>> '{image,id}' as file from public.messages order by seq`;
  assertEquals(natives.map(({ file }) => file), ["w1", "w2", "w3", "w4", "w5"].map((id) => `media of ${id}`));
});

databaseTest("ingest_updates: the file of an imported message is stored if files are", async (sql) => {
  await sql`update public.settings set value = 'true' where key = 'media.store'`;
  await sql`insert into public.settings (key, value) values ('media.store', 'true') on conflict do nothing`;
  await ingest(sql, placeholder("w1", 30));
  assertEquals((await sql`select from public.media_files`).length, 0);
  await ingest(sql, file("w1"));
  const files = await sql`select media_id from public.media_files`;
  assertEquals(files.map(({ media_id }) => media_id), ["media of w1"]);
});

databaseTest("ingest_updates: a message withdrawn in the app is imported without its words", async (sql) => {
  const revoke = (wamid: string, target: string) =>
    past(wamid, 1, { type: "revoke", body: undefined, reply_to: target });
  await ingest(sql, past("w1", 3), revoke("w2", "w1"));
  await ingest(sql, revoke("w4", "w3"));
  await ingest(sql, past("w3", 3));
  const kept =
    await sql`select provider_id, text, native, status from public.messages where type = 'text' order by provider_id`;
  assertEquals(kept.map((row) => ({ ...row })), [
    { provider_id: "w1", text: null, native: null, status: "deleted" },
    { provider_id: "w3", text: null, native: null, status: "deleted" },
  ]);
});

databaseTest(
  "ingest_updates: an opt-out in the history counts, unless the person came back later",
  async (sql) => {
    const optedOut = async () =>
      (await sql`select opted_out_at from public.conversations`)[0].opted_out_at !== null;
    await ingest(sql, past("w1", 48, { body: "STOP" }));
    assertEquals(await optedOut(), true);
    await ingest(sql, message({ phone: PHONE, body: "start" }));
    assertEquals(await optedOut(), false);
    await ingest(sql, past("w2", 24, { body: "stop" }), ours("w3", 0.1, { body: "stop" }));
    assertEquals(await optedOut(), false);
  },
);

databaseTest("ingest_updates: any split and order of a history gives the same conversation", async (sql) => {
  const all = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? ours : past)(`w${i}`, 100 - i));
  const cases = fc.record({
    order: fc.shuffledSubarray(all.map((_, i) => i), { minLength: all.length }),
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: all.length - 1 }), { maxLength: 4 }),
    again: fc.shuffledSubarray(all.map((_, i) => i), { maxLength: 4 }),
  });
  await holds(
    fc.asyncProperty(cases, async ({ order, cuts, again }) => {
      await sql`truncate public.contacts, public.webhook_events cascade`;
      const bounds = [0, ...cuts.sort((a, b) => a - b), all.length];
      for (const [i, from] of bounds.slice(0, -1).entries()) {
        await ingest(sql, ...order.slice(from, bounds[i + 1]).map((n) => all[n]));
      }
      if (again.length > 0) await ingest(sql, ...again.map((n) => ({ ...all[n], key: `h:1:w${n}:again` })));
      const { messages } = await thread(sql);
      assertEquals(messages.map(({ text }) => text), all.map(({ body }) => body));
    }),
    { cases: 15 },
  );
});

databaseTest("list_imports: how far the import of a number is, in any order of its parts", async (sql) => {
  const shown = async () => {
    const [{ list }] = await sql`select public.list_imports() as list`;
    return ACCOUNTS.list_imports.parse(list).map((
      one,
    ) => [one.number_id, one.state, one.progress, one.messages]);
  };
  assertEquals(await shown(), []);
  await ingest(sql, past("w1", 1), chunk(55, ago(5), { phase: 1 }));
  assertEquals(await shown(), [["1", "importing", 55, 1]]);
  await ingest(sql, past("w2", 1), chunk(20, ago(6), { phase: 0 }));
  assertEquals(await shown(), [["1", "importing", 55, 2]]);
  await ingest(sql, chunk(100, ago(4), { phase: 2 }), chunk(90, ago(4.5)));
  await ingest(sql, chunk(100, ago(4), { phase: 1 }));
  assertEquals(await shown(), [["1", "complete", 100, 2]]);
  const events = await sql`select kind, account, subject from public.account_events`;
  assertEquals(events.map((row) => ({ ...row })), [
    { kind: "number.history_complete", account: "77", subject: "15550001111" },
  ]);
  // Connected anew, days later.
  await ingest(sql, chunk(10, ago(-30)));
  assertEquals(await shown(), [["1", "importing", 10, 2]]);
});

databaseTest("list_imports: says that the business does not share its chats", async (sql) => {
  await ingest(sql, chunk(0, ago(1), { error: { code: "2593109", title: "turned off by the business" } }));
  const [{ list }] = await sql`select public.list_imports() as list`;
  const [{ state, error }] = ACCOUNTS.list_imports.parse(list);
  assertEquals([state, error], ["declined", "2593109: turned off by the business"]);
  await ingest(sql, chunk(5, ago(0.5)));
  const [{ list: later }] = await sql`select public.list_imports() as list`;
  assertEquals(ACCOUNTS.list_imports.parse(later)[0].state, "importing");
});

const added = (name: string, at: string, phone = PHONE): Partial => ({
  key: `x:add ${name} ${at} ${phone}`,
  field: "smb_app_state_sync",
  kind: "name",
  sender_id: "1",
  phone,
  body: name,
  choice: "add",
  at,
  raw: {},
});
const removed = (at: string, phone = PHONE): Partial => ({
  ...added("", at, phone),
  key: `x:remove ${at} ${phone}`,
  body: undefined,
  choice: "remove",
});

databaseTest(
  "ingest_updates: the app's address book names people, until they name themselves",
  async (sql) => {
    const name = async () => (await sql`select name from public.contacts where merged_into is null`)[0]?.name;
    // Nobody who is not known is made to be removed.
    await ingest(sql, removed(ago(9)));
    assertEquals(await name(), undefined);
    await ingest(sql, added("Pablo", ago(8)));
    assertEquals(await name(), "Pablo");
    await ingest(sql, added("Pablo Morales", ago(6)));
    assertEquals(await name(), "Pablo Morales");
    // Late.
    await ingest(sql, added("Pablito", ago(7)));
    assertEquals(await name(), "Pablo Morales");
    await ingest(sql, removed(ago(5)));
    assertEquals(await name(), null);
    await ingest(sql, added("Pablo M.", ago(4)));
    await ingest(sql, message({ phone: PHONE, name: "El Pablo" }));
    assertEquals(await name(), "El Pablo");
    await ingest(sql, added("Pablo Morales", ago(2)), removed(ago(1)));
    assertEquals(await name(), "El Pablo");
    assertEquals((await sql`select from public.contacts`).length, 1);
    assertEquals((await sql`select from public.conversations`).length, 1, "of the message alone");
  },
);

databaseTest("ingest_updates: an address book of a thousand and their history in one call", async (sql) => {
  const phones = Array.from({ length: 1000 }, (_, i) => `49151${String(i).padStart(7, "0")}`);
  const names = phones.map((phone, i) => added(`Person ${i}`, ago(1), phone));
  const chats = phones.flatMap((phone, i) => [past(`a${i}`, 50, { phone }), ours(`b${i}`, 49, { phone })]);
  assertEquals(await ingest(sql, ...names, ...chats, ...chats), "s".repeat(3000) + "d".repeat(2000));
  const [{ people, messages, named }] = await sql`
    select (select count(*)::int from public.contacts) as people, (select count(*)::int from public.messages) as messages,
      (select count(*)::int from public.contacts where name like 'Person %') as named`;
  assertEquals([people, messages, named], [1000, 2000, 1000]);
  assertEquals(await lost(sql), []);
});

databaseTest("erase_contact: takes what was imported and what the address book says", async (sql) => {
  await ingest(sql, past("w1", 1), ours("w2", 1), added("Pablo Morales", ago(1)));
  const [{ exported }] = await sql`select public.export_contact(${PHONE}) as exported`;
  assert(JSON.stringify(exported).includes("Pablo Morales") && JSON.stringify(exported).includes("of w1"));
  await sql`select public.erase_contact(${PHONE})`;
  for (const table of ["public.messages", "private.book_names", "public.contacts"]) {
    assertEquals((await sql.unsafe(`select from ${table}`)).length, 0, table);
  }
  // A repetition brings nothing back.
  await ingest(sql, past("w1", 1));
  assertEquals((await sql`select from public.messages`).length, 0);
});

databaseTest("purge: imported messages are as old as what they say", async (sql) => {
  await sql`insert into public.settings (key, value) values ('retention.message_days', '30') on conflict (key) do update set value = '30'`;
  await ingest(sql, past("w1", 24 * 31), past("w2", 24 * 29));
  await sql`select private.purge(now())`;
  assertEquals((await sql`select provider_id from public.messages`).map((row) => row.provider_id), ["w2"]);
});
