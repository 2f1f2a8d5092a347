/** The list of all that people and the guard did, on Postgres, by role. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { AuditEntry } from "../../supabase/functions/_shared/contract/answers/audit.ts";
import {
  AUDIT_KINDS,
  auditDifferences,
  auditInWords,
} from "../../supabase/functions/_shared/contract/words/audit.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const list = (sql: Sql, caller: Caller, filter = {}, limit = 1000): Promise<AuditEntry[]> =>
  as(
    sql,
    caller,
    async (sql) => (await sql`select public.list_audit(${sql.json(filter)}, ${limit}) as entries`)[0].entries,
  );
const said = (entries: AuditEntry[]) => entries.map(auditInWords);

/** Somebody does a bit of everything, one call a transaction, as over the Data API. */
async function scene(sql: Sql) {
  const admin = await signedIn(sql, "admin");
  const operator = await signedIn(sql, "operator");
  const viewer = await signedIn(sql, "viewer");
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await ingest(sql, message({ phone: "4915100000142", name: "Ada" }));
  const [{ id: contact }] = await sql`select id from public.contacts`;
  const does = (caller: Caller, statement: string) =>
    as(sql, caller, (sql) => sql.unsafe(`select ${statement} as answer`));
  await does(admin, "public.allow_host('localhost', 'forward')");
  await does(operator, "public.add_destination('crm', 'http://localhost/a')");
  await does(
    operator,
    `public.set_destination('crm', 1, '{"url": "http://localhost/b", "rate_per_second": 5}')`,
  );
  await does(operator, "public.set_destination_state('crm', 'paused')");
  await does(operator, "public.rotate_destination_secret('crm', 1)");
  await does(
    operator,
    `public.add_route('{crm}', '{"type": "contacts", "phones": ["4915100000142"]}', 10, '{"name": "vip"}')`,
  );
  const [{ id: route }] = await sql`select id from public.routes`;
  await does(operator, `public.set_route('${route}', 1, '{"active": false}')`);
  await does(operator, `public.remove_route('${route}')`);
  await does(operator, `public.set_flag('spring.enabled', '{"on": false, "percentage": 0}', 0)`);
  await does(
    operator,
    `public.set_flag('spring.enabled', '{"on": true, "percentage": 10}', 1, 'for a tenth')`,
  );
  await does(operator, "public.switch_off('spring.enabled', 'too slow')");
  await does(operator, "public.set_segment('beta', 'Testers', 0)");
  await does(operator, "public.add_segment_members('beta', 1, '{u1,u2}')");
  await does(operator, "public.open_incident('Replies come late')");
  await does(operator, `public.reveal_contact('${contact}', 'a call')`);
  await does(operator, "public.add_suppression('ada@example.com')");
  await does(operator, "public.lift_suppression('ada@example.com')");
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state)
    select m.id, d.id, m.conversation_id, m.seq, 'dead' from public.messages m cross join public.destinations d`;
  await does(operator, "public.drop_deliveries(array(select id from public.deliveries), 'not wanted')");
  await sql`insert into public.links (code, request_hash, default_url, created_by)
    values ('aaaa2345', 'h', 'https://example.com/', ${operator
    .sub!}), ('bbbb2345', 'h', 'https://example.com/', ${operator
    .sub!})`;
  await sql`insert into public.links (code, request_hash, default_url, created_by) values ('cccc2345', 'h', 'https://example.com/', 'service_role')`;
  await sql`update public.links set state = 'disabled', version = version + 1, updated_by = ${operator
    .sub!} where code = 'aaaa2345'`;
  await sql`update public.links set uses = uses + 1`;
  return { admin, operator, viewer, contact };
}

databaseTest("list_audit: tells who did what, newest first, each once", async (sql) => {
  const { admin, operator } = await scene(sql);
  const entries = await list(sql, admin);
  const sentences = said(entries.filter(({ who }) => who === operator.sub || who === admin.sub)).toReversed();
  assertEquals(sentences, [
    "localhost added for services",
    "Destination crm added",
    "Destination crm changed",
    "Destination crm paused",
    "Destination crm got new credentials",
    "Route vip added",
    "Route vip changed",
    "Route vip removed",
    "spring.enabled set to false",
    "spring.enabled false → true",
    "spring.enabled true → false",
    "Segment beta added",
    "Segment beta: 2 added, 0 removed",
    `Incident #${entries.find(({ kind }) => kind === "incident")?.ref} Replies come late opened`,
    "···· 0142 was revealed",
    "Suppression of a…@example.com added",
    "Suppression of a…@example.com removed",
    "1 delivery to crm dropped",
    "2 links added",
    "Link aaaa2345 turned off",
  ]);
  assertEquals(new Set(entries.map(({ id }) => id)).size, entries.length);
  assertEquals(entries.map(({ at }) => at), entries.map(({ at }) => at).toSorted().toReversed());
  assert(entries.every(({ kind }) => kind in AUDIT_KINDS));
  assertEquals(entries.find(({ change }) => change === "dropped")?.why, "not wanted");
  const changed = entries.find(({ kind, change }) => kind === "destination" && change === "changed")!;
  const url = entries.filter(({ kind, change }) => kind === "destination" && change === "changed")
    .find(({ after }) => after?.url !== undefined)!;
  assert(changed);
  assertEquals(auditDifferences(url), [
    { name: "URL", from: "http://localhost/a", to: "http://localhost/b" },
    { name: "per second", from: undefined, to: "5" },
  ]);
  const removed = entries.find(({ kind, change }) => kind === "route" && change === "removed")!;
  assertEquals(removed.before?.destinations, ["crm"], "with what it takes to put it back");
  const added = entries.find(({ kind, change }) => kind === "route" && change === "added")!;
  assertEquals(added.after?.destinations, ["crm"]);
});

databaseTest(
  "list_audit: a page goes on where the one before ended, whatever happened at once",
  async (sql) => {
    const { admin } = await scene(sql);
    // Many at the same moment.
    await sql`insert into private.change_history (kind, name, change, at)
    select 'number', 'n' || n, 'added', '2026-01-01 00:00Z' from generate_series(1, 25) n`;
    const all = await list(sql, admin);
    for (const size of [1, 7, 10]) {
      const seen: AuditEntry[] = [];
      for (;;) {
        const last = seen.at(-1);
        const page = await list(sql, admin, last ? { before: last.at, before_id: last.id } : {}, size);
        seen.push(...page);
        assert(seen.length <= all.length, "a page has what was on the one before");
        if (page.length < size) break;
      }
      assertEquals(seen.map(({ id }) => id), all.map(({ id }) => id), `pages of ${size}`);
    }
  },
);

databaseTest("list_audit: filters by person, thing, kind and time", async (sql) => {
  const { admin, operator } = await scene(sql);
  const all = await list(sql, admin);
  assertEquals(said(await list(sql, admin, { who: admin.sub })), ["localhost added for services"]);
  assertEquals((await list(sql, admin, { name: "SPRING" })).map(({ kind }) => kind), [
    "flag",
    "flag",
    "flag",
  ]);
  assertEquals(
    (await list(sql, admin, { kinds: ["link", "delivery"] })).map(({ kind }) => kind),
    ["link", "link", "delivery"],
  );
  await as(
    sql,
    operator,
    (sql) => sql`select public.add_destination('crm-2', 'http://localhost/c') as answer`,
  );
  assertEquals(
    said(await list(sql, admin, { kinds: ["destination", "delivery"], ref: "crm" })),
    [
      "1 delivery to crm dropped",
      "Destination crm got new credentials",
      "Destination crm paused",
      "Destination crm changed",
      "Destination crm added",
    ],
    "not what happened to another whose name begins alike",
  );
  const since = all[4].at;
  assertEquals((await list(sql, admin, { since })).length - 1, all.filter(({ at }) => at >= since).length);
  assertEquals(await list(sql, admin, { who: operator.sub, kinds: ["allowlist"] }), []);
  assertEquals(await list(sql, admin, { name: "%" }), []);
});

databaseTest(
  "list_audit: the team and the hosts are for admins, numbers in routes for nobody",
  async (sql) => {
    const { admin, operator, viewer } = await scene(sql);
    const kinds = async (caller: Caller) => new Set((await list(sql, caller)).map(({ kind }) => kind));
    for (const kind of ["team", "allowlist"] as const) {
      assert((await kinds(admin)).has(kind), kind);
      assert(!(await kinds(operator)).has(kind), kind);
    }
    for (const caller of [viewer, operator, admin]) {
      assert(!JSON.stringify(await list(sql, caller)).includes("4915100000142"));
    }
    assertEquals((await list(sql, viewer)).length, (await list(sql, operator)).length);
    for (const caller of [ANON, await signedIn(sql)]) assertEquals(await refusal(list(sql, caller)), "42501");
  },
);

databaseTest(
  "change_history: nobody rewrites it; an erasure leaves tombstones and tells of no change",
  async (sql) => {
    const { contact, viewer } = await scene(sql);
    for (
      const statement of [
        "update private.change_history set name = 'x'",
        "delete from private.change_history",
      ]
    ) {
      assertEquals(await refusal(sql.unsafe(statement)), "42501");
    }
    await sql`insert into public.suppressions (address, reason, source) values ('ada@example.com', 'bounce', 'sendgrid')`;
    const before = (await list(sql, viewer)).filter(({ kind }) => kind !== "contact").length;
    await sql`select public.erase_contact(${contact})`;
    const after = (await list(sql, viewer)).filter(({ kind }) => kind !== "contact");
    assertEquals(after.length, before);
    const [{ rows }] = await sql`select jsonb_agg(to_jsonb(h)) as rows from private.change_history h`;
    assert(!JSON.stringify(rows).includes("4915100000142"), "the number of the route that was removed");
  },
);

databaseTest("test_notification_endpoint: queues a test, for operators", async (sql) => {
  const { operator, viewer } = await scene(sql);
  await sql`insert into public.notification_endpoints (name, kind, host, events, state) values ('ops', 'slack', 'h', '{paged}', 'paused')`;
  const test = (caller: Caller, name: string) =>
    as(sql, caller, (sql) => sql`select public.test_notification_endpoint(${name}) as answer`);
  assertEquals(await refusal(test(viewer, "ops")), "42501");
  assertEquals(await refusal(test(operator, "nobody")), "GL404");
  const [{ answer }] = await test(operator, "ops");
  const [row] = await sql`select id, state, payload ->> 'kind' as kind from public.notifications`;
  assertEquals({ ...row }, { id: answer.id, state: "pending", kind: "test" });
});
