/** A change that is asked for twice, because the first answer was lost, is made once. */
import { assertEquals, assertNotEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

async function withService(sql: Sql): Promise<void> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  await sql`select public.add_destination('crm', 'http://localhost/')`;
}

const count = async (sql: Sql, table: string): Promise<number> =>
  (await sql.unsafe(`select count(*)::int as n from public.${table}`))[0].n;

databaseTest(
  "add_route: the same id is the same route, and another route under it a conflict",
  async (sql) => {
    await withService(sql);
    const id = crypto.randomUUID();
    const add = async (condition: object) =>
      (await sql`select public.add_route('{crm}', ${sql.json(condition as never)}, 100, ${
        sql.json({ id })
      }) as route`)[0].route;
    const first = await add({ type: "any" });
    assertEquals(first.id, id);
    assertEquals(await add({ type: "any" }), first);
    assertEquals(await refusal(add({ type: "default" })), "GL409");
    assertEquals(await count(sql, "routes"), 1);
  },
);

databaseTest("add_destination: the same name, URL and secret are the same destination", async (sql) => {
  await withService(sql);
  const secret = `whsec_${btoa("s".repeat(32))}`;
  const add = async (url: string, options: Record<string, string>) =>
    (await sql`select public.add_destination('orders', ${url}, ${sql.json(options)}) as made`)[0].made;
  const first = await add("http://localhost/", { secret });
  assertEquals(first.secret, secret);
  assertEquals(await add("http://localhost/", { secret }), first);
  assertEquals(await refusal(add("http://localhost/", {})), "GL409", "the secret tells who asks again");
  assertEquals(await refusal(add("http://localhost/other", { secret })), "GL409");
  assertEquals(await count(sql, "destinations"), 2);
});

databaseTest(
  "create_rollout: the same id is the same rollout, and of another flag a conflict",
  async (sql) => {
    for (const flag of ["wa_send.enabled", "wa_router.enabled"]) {
      await sql`select public.set_flag(${flag}, '{"on": false}', 0)`;
    }
    const id = crypto.randomUUID();
    const create = async (flag: string) =>
      (await sql`select (public.create_rollout(${flag}, '{"template": "canary"}', null, ${id})).*`)[0];
    const first = await create("wa_send.enabled");
    assertEquals(await create("wa_send.enabled"), first);
    assertEquals(await refusal(create("wa_router.enabled")), "GL409");
    assertEquals(await count(sql, "rollouts"), 1);
    assertEquals(await count(sql, "rollout_events"), 1);
  },
);

databaseTest(
  "resend_deliveries: under the same key nothing is resent twice, under another it is",
  async (sql) => {
    await withService(sql);
    await sql`select public.add_route('{crm}', '{"type": "any"}')`;
    await ingest(sql, ...Array.from({ length: 3 }, () => message({ phone: "4915100000001" })));
    await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, delivered_at)
    select m.id, d.id, m.conversation_id, m.seq, 'delivered', now() from public.messages m cross join public.destinations d`;
    const resend = async (key: string) => {
      const [{ answer }] = await sql`
      select public.resend_deliveries('crm', '2000-01-01', '2100-01-01', null, 1000, ${key}) as answer`;
      // All of them arrive.
      await sql`update public.deliveries set state = 'delivered', delivered_at = now() where state <> 'delivered'`;
      return answer.resent;
    };
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    assertEquals([await resend(first), await resend(first), await resend(second)], [3, 0, 3]);
  },
);

databaseTest(
  "targets: whoever is a target already makes no new version, nor does who was none",
  async (sql) => {
    const flag = "wa_send.enabled";
    await sql`select public.set_segment('beta', '', 0)`;
    const change = async (what: "add" | "remove", version: string, ids: string[], segments: string[] = []) =>
      (await sql`select (public.${
        sql.unsafe(`${what}_flag_targets`)
      }(${flag}, ${version}, ${ids}, '{}', ${segments})).version`)[0].version as string;
    const [{ version: start }] = await sql`select (public.set_flag(${flag}, '{"on": false}', 0)).version`;
    const first = await change("add", start, ["u2", "u1"], ["beta"]);
    assertNotEquals(first, start);
    assertEquals(await change("add", first, ["u1"]), first);
    assertEquals(await change("add", first, ["u1", "u2"], ["beta"]), first);
    assertEquals(await change("remove", first, ["u3"]), first);
    const second = await change("add", first, ["u1", "u3"]);
    assertNotEquals(second, first);
    assertNotEquals(await change("remove", second, ["u3"]), second);
  },
);
