/** The way back of a database that several tests share. */
import { assert, assertEquals } from "../support/assert.ts";
import { testDatabase } from "../support/postgres.ts";
import { snapshot } from "../support/snapshot.ts";

Deno.test("snapshot(): restores added, changed and removed rows, bypassing every trigger", async () => {
  const { sql, drop } = await testDatabase();
  try {
    await sql`select public.set_flag('one.enabled', '{"on": true, "percentage": 12.5}', 0)`;
    await sql`select public.allow_host('127.0.0.1', 'redirect')`;
    const link = {
      code: "kept",
      request_hash: "x",
      default_url: "http://127.0.0.1/",
      utm: { campaign: "a" },
    };
    await sql`select public.create_links(${sql.json([link])}, 'somebody')`;
    const rows = async () => ({
      settings: await sql`select * from public.settings order by key`,
      history: await sql`select * from public.settings_history order by key, version`,
      allowed: await sql`select * from public.destination_allowlist order by pattern`,
      links: (await sql`select * from public.links order by code`).map(({ changed_in: _, ...row }) => row),
      contacts: await sql`select * from public.contacts`,
    });
    const revision = async () =>
      (await sql`select revision::float8 from private.config_revision`)[0].revision;
    const before = await rows();
    const restore = await snapshot(sql);

    await sql`select public.set_flag('one.enabled', '{"percentage": 50}', 1)`;
    await sql`select public.set_flag('two.enabled', '{"on": true}', 0, 'a test')`;
    await sql`select public.create_links(${sql.json([{ ...link, code: "more" }])}, 'somebody')`;
    await sql`update public.links set state = 'deleted' where code = 'kept'`;
    await sql`delete from public.destination_allowlist`;
    await sql`insert into public.contacts default values`;
    const [{ now }] = await sql`select pg_current_xact_id()::text as now`;
    const [held, changed] = [await revision(), await rows()];
    assert(changed.settings.length === 2 && changed.contacts.length === 1);
    await restore();

    assertEquals(await rows(), before);
    // Isolates ask what is newer than what they hold.
    assert(await revision() > held);
    assertEquals((await sql`select from public.links where changed_in <= ${now}::xid8`).length, 0);
  } finally {
    await drop();
  }
});

Deno.test("snapshot(): waits for a worker in the middle of a delivery, whose result would arrive later", async () => {
  const { sql, drop } = await testDatabase();
  try {
    const restore = await snapshot(sql);
    const lane = (lease: string | null) =>
      sql.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`delete from private.delivery_lanes`;
        await sql`insert into private.delivery_lanes (destination_id, conversation_id, due_at, lease)
          values (gen_random_uuid(), gen_random_uuid(), now() + interval '1 hour', ${lease})`;
      });
    await lane(crypto.randomUUID());
    let restored = false;
    const done = restore().then(() => restored = true);
    // It looked, and left everything as it is.
    await sql`select from public.contacts`;
    assertEquals((await sql`select from private.delivery_lanes`).length, 1);
    assertEquals(restored, false);
    await lane(null);
    await done;
    assertEquals((await sql`select from private.delivery_lanes`).length, 0);
  } finally {
    await drop();
  }
});
