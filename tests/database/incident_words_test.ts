/** say_incident: words that go out as they are, to the team and to the public. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ANON, as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

async function open(sql: Sql, isPublic = false): Promise<number> {
  const [{ number }] = await sql`
    select (public.open_incident('Green fails', 'error_rate', 'P0', null, null, ${isPublic})).number::int as number`;
  return number;
}

databaseTest(
  "say_incident: queues the text as it is for whoever listens, and keeps it as a note",
  async (sql) => {
    await sql`select public.allow_host('hooks.example.com', 'forward')`;
    await sql`select public.add_notification_endpoint('chat', 'slack', 'https://hooks.example.com/x', array['incident_updated'])`;
    await sql`select public.add_notification_endpoint('other', 'slack', 'https://hooks.example.com/y', array['rolled_back'])`;
    const number = await open(sql);
    const text = "EMERGENCY ROLLBACK\n\nStatus: {{way_back}} is no placeholder here";
    await sql`select public.say_incident(${number}, ${text})`;
    const told = await sql`
    select e.name, n.payload ->> 'kind' as kind, n.payload ->> 'text' as text, n.payload ->> 'template' as template,
      (n.payload #>> '{incident,number}')::int as number
    from public.notifications n join public.notification_endpoints e on e.id = n.endpoint_id`;
    assertEquals(told.map((row) => ({ ...row })), [
      { name: "chat", kind: "incident_updated", text, template: "{{text}}", number },
    ]);
    const [note] = await sql`
    select u.kind, u.public, u.text, u.version::int, i.version::int as now from public.incident_updates u
    join public.incidents i on i.id = u.incident_id order by u.at desc, u.id desc limit 1`;
    assertEquals({ ...note }, { kind: "noted", public: false, text, version: note.now, now: note.now });
    const [{ posts }] = await sql`select count(*)::int as posts from private.status_posts`;
    assertEquals(posts, 0, "nothing for the public");
  },
);

databaseTest("say_incident: the public gets its own text, and only of a public incident", async (sql) => {
  const hidden = await open(sql);
  assertEquals(await refusal(sql`select public.say_incident(${hidden}, 'for us', 'for all')`), "GL422");
  const number = await open(sql, true);
  await sql`select public.say_incident(${number}, 'for us, by Ada', 'for all')`;
  const [{ page }] = await sql`select private.status_page(clock_timestamp()) as page`;
  assertEquals(page.incidents.length, 1);
  assertEquals(page.incidents[0].updates[0].text, "for all");
  const due = await sql`
    select u.text from private.status_posts p join public.incident_updates u on u.id = p.update_id order by u.at desc, u.id desc`;
  assertEquals(due[0].text, "for all");
});

databaseTest(
  "say_incident: operators and secret keys may; an empty text and an unknown incident are refused",
  async (sql) => {
    const number = await open(sql);
    const said = (caller: Parameters<typeof as>[1]) =>
      refusal(as(sql, caller, (tx) => tx`select public.say_incident(${number}, 'a word')`));
    assertEquals(await said(SERVICE), undefined);
    assertEquals(await said(ANON), "42501");
    assertEquals(await said(await signedIn(sql, "viewer")), "42501");
    assertEquals(await said(await signedIn(sql, "operator")), undefined);
    for (const text of [null, "", " \n "]) {
      assertEquals(await refusal(sql`select public.say_incident(${number}, ${text})`), "GL422");
    }
    assertEquals(await refusal(sql`select public.say_incident(999, 'a word')`), "GL404");
    assertEquals(await refusal(sql`select public.say_incident(${number}, ${"x".repeat(5001)})`), "23514");
  },
);
