/** How large a configuration may be: what is accepted when it is written can be read, and what cannot is refused. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { createConfigLoader } from "../../supabase/functions/_shared/db/config.ts";
import type { Rpc } from "../../supabase/functions/_shared/db/client.ts";
import { evaluate, prepareFlags } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { databaseTest } from "../support/database.ts";

const id = (n: number) => `${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`;

/** What is refused: the SQLSTATE and the words. */
async function refused(
  work: PromiseLike<unknown>,
): Promise<{ code: string; message: string; constraint: string }> {
  try {
    await work;
  } catch (error) {
    const { code, message, constraint_name } = error as Record<string, string>;
    return { code, message, constraint: constraint_name ?? "" };
  }
  throw new Error("it was accepted");
}

const members = (sql: Sql, segment: string, count: number, from = 1) =>
  sql`insert into public.segment_members (segment_key, subject_id)
    select ${segment}, lpad(g::text, 8, '0') || '-0000-4000-8000-000000000000' from generate_series(${from}::int, ${
    from + count - 1
  }::int) g`;

const targets = (sql: Sql, key: string, count: number) =>
  sql`insert into public.settings (key, value, metadata) select ${key}, 'true', jsonb_build_object('rollout_percentage', 0,
    'target_user_ids', array(select lpad(g::text, 8, '0') || '-0000-4000-8000-000000000000' from generate_series(1, ${count}::int) g))`;

/** The functions' own reader, over this database, within the time that hosted projects give a statement. */
function loader(sql: Sql) {
  const call: Rpc = async <T>(_name: string, args?: object) => {
    const { p_revision } = args as { p_revision: number | null };
    return await sql.begin(async (sql) => {
      await sql`set local statement_timeout = '8s'`;
      return (await sql`select public.load_config(${p_revision}) as config`)[0].config as T;
    }) as T;
  };
  return createConfigLoader(call);
}

databaseTest(
  "a segment holds 10,000 members and a flag 20,000 targets; one more is refused, in plain SQL too",
  async (sql) => {
    await sql`insert into public.segments (key) values ('a'), ('b')`;
    await members(sql, "a", 10_000);
    const more = await refused(members(sql, "a", 1, 10_001));
    assertEquals(more.code, "GL422");
    assertMatch(more.message, /a segment has at most 10000 members, and a would have more/);
    assertEquals(
      (await refused(sql`select public.add_segment_members('a', 2, array['one more'])`)).code,
      "GL422",
    );
    await targets(sql, "big.enabled", 20_000);
    for (
      const write of [
        targets(sql, "bigger.enabled", 20_001),
        sql`select public.add_flag_targets('big.enabled', 1, array['one more'])`,
      ]
    ) {
      const { code, message } = await refused(write);
      assertEquals(code, "GL422");
      assertMatch(message, /a flag has at most 20000 target ids, and big(ger)?\.enabled would have 20001/);
    }
  },
);

databaseTest(
  "the functions can read the largest accepted configuration: 100,000 people, each found",
  async (sql) => {
    await sql`insert into public.segments (key) select 's' || g from generate_series(1, 8) g`;
    for (let i = 1; i <= 8; i++) await members(sql, `s${i}`, 10_000, i * 10_000);
    await targets(sql, "big.enabled", 20_000);
    await sql`insert into public.settings (key, value, metadata) values ('seg.enabled', 'true', '{"target_segments": ["s8"]}')`;
    await sql`insert into public.segments (key) values ('s9')`;
    const more = await refused(members(sql, "s9", 1));
    assertEquals(more.code, "GL422");
    assertMatch(more.message, /together name at most 100000 people, and this would make them 100001/);
    assertEquals((await refused(targets(sql, "more.enabled", 1))).code, "GL422");

    const load = loader(sql);
    const config = await load();
    assertEquals(config.unreadable, []);
    const flags = prepareFlags(config.settings, config.segments);
    assertEquals(evaluate(flags, "big.enabled", id(20_000)).value, true);
    assertEquals(evaluate(flags, "seg.enabled", id(89_999)).value, true);
    assertEquals(evaluate(flags, "seg.enabled", id(79_999)).value, false);
    // Off asks nobody how many there are.
    const [{ version }] = await sql`select public.switch_off('big.enabled', 'too many')::int as version`;
    assertEquals(version, 2);
  },
);

databaseTest("values, metadata and ids have maximum sizes, each with its own constraint", async (sql) => {
  const cases: [value: string, metadata: unknown, constraint: string][] = [
    ["x".repeat(100_001), {}, "settings_value_size"],
    ["x", { description: "x".repeat(100_001) }, "settings_metadata_size"],
    ["x", { target_user_ids: ["x".repeat(201)] }, "settings_target_user_ids_length"],
    ["x", { client: "true" }, "settings_client"],
  ];
  for (const [value, metadata, constraint] of cases) {
    const told = await refused(
      sql`insert into public.settings (key, value, metadata) values ('k', ${value}, ${
        sql.json(metadata as never)
      })`,
    );
    assertEquals([told.code, told.constraint], ["23514", constraint]);
  }
  await sql`insert into public.settings (key, value, metadata) values ('k', ${"x".repeat(100_000)},
    ${sql.json({ target_user_ids: ["x".repeat(200)], description: "x".repeat(99_000) })})`;
});

databaseTest(
  "the gateway's own flags cannot be readable by apps; any other can, also with set_flag()",
  async (sql) => {
    for (const key of ["deeplinks", "wa_send", "telegram_router", "sms_webhook", "email_send"]) {
      await sql`insert into public.settings (key, value) values (${`${key}.enabled`}, 'true') on conflict (key) do nothing`;
      const { code, message } = await refused(
        sql`update public.settings set metadata = '{"client": true}' where key = ${`${key}.enabled`}`,
      );
      assertEquals([code, message], [
        "GL422",
        `${key}.enabled is one of the gateway's own flags, which no app may read`,
      ]);
    }
    await sql`select public.set_flag('shop.enabled', '{"client": true}', 0)`;
    await sql`select public.set_flag('shop.enabled', '{"on": true}', 1, 'a test')`;
    const [{ metadata }] = await sql`select metadata from public.settings where key = 'shop.enabled'`;
    assertEquals(metadata, { client: true });
    assert(
      (await refused(sql`select public.set_flag('shop.enabled', '{"client": "yes"}', 2)`)).code === "23514",
    );
  },
);
