/** Who has a conversation, who looks after it, what the team notes about it, and canned replies. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { MESSAGES } from "../../supabase/functions/_shared/contract/answers/messages.ts";
import type { TeamRole } from "../../supabase/functions/_shared/contract/states.ts";
import { as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const PHONE = "4915100000001";

const echo = (changes: Record<string, unknown> = {}) =>
  message({ kind: "echo", field: "smb_message_echoes", phone: PHONE, body: "by hand", ...changes });

async function conversation(sql: Sql): Promise<string> {
  await ingest(sql, message({ phone: PHONE }));
  return (await sql`select id from public.conversations`)[0].id;
}

/** Who has it, and for how many minutes still. */
async function taken(sql: Sql): Promise<[by: string, minutes: number] | undefined> {
  const [{ by, minutes }] = await sql`
    select taken_by as by, round(extract(epoch from taken_until - now()) / 60)::int as minutes from public.conversations`;
  return by === null ? undefined : [by, minutes];
}

/** The answer of a function to a person, held to the contract. */
async function call<Name extends keyof typeof MESSAGES>(
  sql: Sql,
  caller: Caller,
  name: Name,
  args: string,
): Promise<ReturnType<typeof MESSAGES[Name]["parse"]>> {
  const [{ answer }] = await as(
    sql,
    caller,
    (mine) => mine.unsafe(`select public.${name}(${args}) as answer`),
  );
  return MESSAGES[name].parse(answer) as ReturnType<typeof MESSAGES[Name]["parse"]>;
}

databaseTest(
  "an echo takes over for the setting's time, counted from the last answer; 0 turns it off",
  async (sql) => {
    await conversation(sql);
    await ingest(sql, echo());
    assertEquals(await taken(sql), ["app", 60]);
    await sql`insert into public.settings (key, value) values ('takeover.minutes', '120')`;
    await ingest(sql, echo());
    assertEquals(await taken(sql), ["app", 120]);
    // One that arrives late.
    await ingest(sql, echo({ at: new Date(Date.now() - 3 * 3_600_000).toISOString() }));
    assertEquals(await taken(sql), ["app", 120]);
    await sql`select public.release_conversation(id) from public.conversations`;
    await sql`update public.settings set value = '0' where key = 'takeover.minutes'`;
    await ingest(sql, echo());
    assertEquals(await taken(sql), undefined);
    for (const value of ["", "-1", "1.5", "43201", "99999", "an hour"]) {
      assertEquals(
        await refusal(sql`update public.settings set value = ${value} where key = 'takeover.minutes'`),
        "23514",
        value,
      );
    }
  },
);

databaseTest(
  "the echo of a message of ours, which came before its answer, takes nothing over",
  async (sql) => {
    const id = await conversation(sql);
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    const items = [{
      to: PHONE,
      identities: [{ kind: "phone", value: PHONE }],
      message: { type: "text", text: { body: "hi" } },
    }];
    await sql`select public.enqueue_outbound(${sql.json(items)})`;
    const [{ claimed }] = await sql`select public.claim_outbound(10) as claimed`;
    await ingest(sql, echo({ provider_id: "wamid.ours" }));
    assert(await taken(sql) !== undefined);
    const [{ id: ours, lease }] = claimed.messages;
    const settled = [{ id: ours, lease, outcome: "sent", provider_id: "wamid.ours" }];
    await sql`select public.settle_outbound(${sql.json(settled)})`;
    assertEquals(await taken(sql), undefined);
    // Who really answers keeps it.
    await ingest(sql, echo());
    await sql`select public.enqueue_outbound(${sql.json(items)})`;
    assertEquals(await taken(sql), ["app", 60]);
    assertEquals(
      (await sql`select count(*)::int as n from public.messages where conversation_id = ${id}`)[0].n,
      4,
    );
  },
);

databaseTest(
  "take_conversation: by its caller, for a time, and again; release_conversation gives it back",
  async (sql) => {
    const id = await conversation(sql);
    const operator = await signedIn(sql, "operator");
    const answer = await call(sql, operator, "take_conversation", `'${id}', 30, 'somebody-else'`);
    assertEquals([answer.taken_over?.by, await taken(sql)], [operator.sub, [operator.sub, 30]]);
    await call(sql, operator, "take_conversation", `'${id}', 5`);
    assertEquals(await taken(sql), [operator.sub, 5]);
    const key: Caller = { role: "service_role" };
    await call(sql, key, "take_conversation", `'${id}', null, 'desk:anna'`);
    assertEquals(await taken(sql), ["desk:anna", 60]);
    assertEquals((await call(sql, operator, "release_conversation", `'${id}'`)).released, true);
    assertEquals((await call(sql, operator, "release_conversation", `'${id}'`)).released, false);
    assertEquals(await taken(sql), undefined);
    const nobody = "00000000-0000-7000-8000-000000000009";
    for (
      const [args, code] of [
        [`'${id}', 0`, "GL422"],
        [`'${id}', 43201`, "GL422"],
        [`'${id}', 1, 'a b'`, "GL422"],
        [`'${nobody}'`, "GL404"],
      ]
    ) assertEquals(await refusal(sql.unsafe(`select public.take_conversation(${args})`)), code, args);
  },
);

databaseTest("release_conversations: at their time, each once, and no others", async (sql) => {
  await conversation(sql);
  await ingest(sql, message({ phone: "4915100000002" }));
  await sql`select public.take_conversation(id, case when number_id is not null then 10 end) from public.conversations`;
  await sql`update public.conversations set taken_until = now() - interval '1 second'
    where id = (select min(id::text)::uuid from public.conversations)`;
  const [{ n, again }] = await sql`
    select private.release_conversations(now()) as n, private.release_conversations(now()) as again`;
  assertEquals([n, again], [1, 0]);
  assertEquals(
    (await sql`select count(*)::int as n from public.conversations where taken_by is not null`)[0].n,
    1,
  );
});

databaseTest("a reply in the panel takes the conversation over", async (sql) => {
  const id = await conversation(sql);
  await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
  const operator = await signedIn(sql, "operator");
  await call(sql, operator, "reply_in_conversation", `'${id}', 'on our way', '${crypto.randomUUID()}'`);
  assertEquals(await taken(sql), [operator.sub!, 60]);
});

databaseTest(
  "the desk: assigned to who may reply, read until something comes in, noted by name",
  async (sql) => {
    const id = await conversation(sql);
    const [viewer, operator] = [await signedIn(sql, "viewer"), await signedIn(sql, "operator")];
    const desk = async (caller = operator) => (await call(sql, caller, "list_desks", `'{${id}}'`))[0];
    const set = (changes: Record<string, unknown>) =>
      call(sql, operator, "set_conversation_desk", `'${id}', '${JSON.stringify(changes)}'`);
    assertEquals(await desk(), { id, taken_over: null, assigned_to: null, unread: true, notes: [] });
    assertEquals((await set({ unread: false })).unread, false);
    assertEquals((await set({ assigned_to: operator.sub })).assigned_to, operator.sub);
    assertEquals((await desk()).unread, false);
    await ingest(sql, message({ phone: PHONE }));
    assertEquals((await desk()).unread, true);
    await set({ unread: false });
    assertEquals((await set({ unread: true, assigned_to: null })).unread, true);
    assertEquals(
      await refusal(
        sql`select public.set_conversation_desk(${id}, ${sql.json({ assigned_to: viewer.sub! })})`,
      ),
      "GL422",
    );
    const note = await call(sql, operator, "add_conversation_note", `'${id}', 'prefers calls'`);
    assertEquals([note.text, note.by], ["prefers calls", operator.sub]);
    assertEquals([(await desk()).notes, (await desk(viewer)).notes], [[note], []]);
    await sql`select public.remove_conversation_note(${note.id})`;
    assertEquals((await desk()).notes, []);
  },
);

databaseTest(
  "list_desk_conversations: mine are assigned to me, taken over by anybody, the latest first",
  async (sql) => {
    const id = await conversation(sql);
    await ingest(sql, message({ phone: "4915100000002" }));
    const [{ other }] = await sql`select id as other from public.conversations where id <> ${id}`;
    const [ada, bob] = [await signedIn(sql, "operator"), await signedIn(sql, "operator")];
    const list = async (caller: Caller, which: string) =>
      (await call(sql, caller, "list_desk_conversations", `'${which}'`)).map((one) => one.id);
    await call(sql, ada, "set_conversation_desk", `'${id}', '${JSON.stringify({ assigned_to: ada.sub })}'`);
    assertEquals([await list(ada, "mine"), await list(bob, "mine")], [[id], []]);
    await call(sql, bob, "take_conversation", `'${id}'`);
    await call(sql, bob, "take_conversation", `'${other}'`);
    assertEquals(await list(ada, "taken_over"), [other, id]);
    await sql`update public.conversations set taken_until = now() - interval '1 second' where id = ${other}`;
    assertEquals(await list(ada, "taken_over"), [id]);
    assertEquals(await refusal(sql`select public.list_desk_conversations('all')`), "GL422");
  },
);

databaseTest("canned replies: set, listed by name, changed, removed; at most 500", async (sql) => {
  const operator = await signedIn(sql, "operator");
  await call(sql, operator, "set_canned_reply", `'thanks', 'Thank you, {{name}}.'`);
  await call(sql, operator, "set_canned_reply", `'hello', 'Hello'`);
  await call(sql, operator, "set_canned_reply", `'thanks', 'Thanks.'`);
  const listed = await call(sql, operator, "list_canned_replies", "");
  assertEquals(listed.map(({ name, text }) => [name, text]), [["hello", "Hello"], ["thanks", "Thanks."]]);
  assertEquals((await sql`select public.remove_canned_reply('hello') as gone`)[0].gone, true);
  await sql`insert into public.canned_replies (name, text) select 'reply-' || n, 'x' from generate_series(1, 499) n`;
  assertEquals(await refusal(sql`select public.set_canned_reply('more', 'x')`), "GL409");
  assertEquals(await refusal(sql`select public.set_canned_reply('thanks', 'y')`), undefined);
  assertEquals(await refusal(sql`select public.set_canned_reply('Thanks', 'y')`), "GL409");
});

databaseTest("what changes a conversation is the operators'", async (sql) => {
  const id = await conversation(sql);
  const asked: [TeamRole, string][] = [
    ["operator", `take_conversation('${id}')`],
    ["operator", `release_conversation('${id}')`],
    ["operator", `set_conversation_desk('${id}', '{"unread": true}')`],
    ["operator", `add_conversation_note('${id}', 'x')`],
    ["viewer", `list_desks('{${id}}')`],
  ];
  for (const [least, statement] of asked) {
    for (const role of ["viewer", "operator"] as const) {
      const caller = await signedIn(sql, role);
      const refused = await refusal(
        as(sql, caller, (mine) => mine.unsafe(`select public.${statement}`)),
      );
      assertEquals(
        refused,
        role === "viewer" && least === "operator" ? "42501" : undefined,
        `${role}: ${statement}`,
      );
    }
  }
});
