/** Conversations as work: what is unread, who waits longest, and who else is looking, on Postgres. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

/** Four wrote: the first and the second were taken over, the third is assigned; services have the fourth. */
async function scene(sql: Sql) {
  const operator = await signedIn(sql, "operator");
  const viewer = await signedIn(sql, "viewer");
  await ingest(
    sql,
    ...["1", "2", "3", "4"].map((n) => message({ phone: `491510000000${n}`, name: `P${n}` })),
  );
  const ids = (await sql`
    select c.id from public.conversations c join public.contacts p on p.id = c.contact_id order by p.name`)
    .map(({ id }) => id as string);
  for (const id of ids.slice(0, 2)) await call(sql, operator, `public.take_conversation('${id}', 60)`);
  await call(
    sql,
    operator,
    `public.set_conversation_desk('${ids[2]}', '{"assigned_to": "${operator.sub}"}')`,
  );
  // Of the messages the second is the oldest.
  for (const [n, minutes] of [[0, 10], [1, 30], [2, 20], [3, 90]]) {
    await sql`update public.messages set created_at = now() - interval '1 minute' * ${minutes} where conversation_id = ${
      ids[n]
    }`;
  }
  return { operator, viewer, ids };
}

interface Work {
  id: string;
  waiting_since: string | null;
  unread: boolean;
  last: { text: string | null };
}

databaseTest(
  "list_conversation_work: who waits longest comes first, and whom services have is not among them",
  async (sql) => {
    const { operator, viewer, ids: [one, two, three] } = await scene(sql);
    const work = (which: string, caller: Caller = operator) =>
      call<Work[]>(sql, caller, `public.list_conversation_work('${which}')`);
    assertEquals((await work("waiting")).map(({ id }) => id), [two, three, one]);
    assertEquals(
      (await work("waiting")).every(({ waiting_since, unread }) => waiting_since !== null && unread),
      true,
    );
    // An answer ends the wait, a second question begins it anew; one that is read still waits.
    await sql`
    insert into public.messages (conversation_id, direction, type, text, status)
    select ${two}, 'out', 'text', 'hello', 'sent'`;
    await call(sql, operator, `public.set_conversation_desk('${three}', '{"unread": false}')`);
    assertEquals((await work("waiting")).map(({ id }) => id), [three, one]);
    assertEquals((await work("unread")).map(({ id }) => id), [one, two]);
    await ingest(sql, message({ phone: "4915100000002", body: "and now?" }));
    assertEquals((await work("waiting")).map(({ id }) => id), [three, one, two]);
    assertEquals((await work("waiting", viewer)).map(({ last }) => last.text), [null, null, null]);
    await call(sql, operator, `public.release_conversation('${one}')`);
    assertEquals((await work("waiting")).map(({ id }) => id), [three, two]);
    assertEquals(await refusal(work("other")), "GL422");
    assertEquals(await refusal(work("waiting", await signedIn(sql))), "42501");
  },
);

databaseTest(
  "look_at_conversation: the others who looked within half a minute, and nobody for a secret key",
  async (sql) => {
    const { operator, viewer, ids: [one, two] } = await scene(sql);
    const look = async (caller: Caller, id = one) =>
      (await call<{ user_id: string }[]>(sql, caller, `public.look_at_conversation('${id}')`)).map((
        { user_id },
      ) => user_id);
    assertEquals(await look(operator), []);
    assertEquals(await look(viewer), [operator.sub]);
    assertEquals(await look(operator), [viewer.sub]);
    assertEquals(await look(viewer, two), []);
    await sql`update private.conversation_presence set at = now() - interval '31 seconds' where user_id = ${viewer
      .sub!}`;
    assertEquals(await look(operator), []);
    const [{ seen }] = await sql`select public.look_at_conversation(${one}) as seen`;
    assertEquals(seen.map(({ user_id }: { user_id: string }) => user_id), [operator.sub]);
    assertEquals(await look(operator, crypto.randomUUID()), []);
    assertEquals(await refusal(look(await signedIn(sql))), "42501");
    assertEquals((await sql`select from private.conversation_presence`).length, 3);
  },
);
