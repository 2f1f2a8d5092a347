/** Flags in SQL and in TypeScript: the same answers, bit by bit. */
import { assertEquals } from "../support/assert.ts";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import {
  evaluate,
  onForAnybody,
  prepareFlags,
  type Segments,
  type Setting,
} from "../../supabase/functions/_shared/flags/evaluate.ts";
import { murmur3 } from "../../supabase/functions/_shared/crypto/murmur3.ts";
import { databaseTest } from "../support/database.ts";
import { casesOf } from "../support/property.ts";

/** Marsaglia's xorshift32: the same keys in every run. */
function* random(seed: number): Generator<number, never> {
  for (let x = seed;;) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield (x >>> 0) / 2 ** 32;
  }
}

const numbers = random(20_261_121);
const below = (n: number) => Math.floor(numbers.next().value * n);

/** As many of one, two, three and four bytes in UTF-8; no surrogates and no NUL, which Postgres cannot hold. */
function character(): string {
  switch (below(4)) {
    case 0:
      return String.fromCodePoint(1 + below(0x7f));
    case 1:
      return String.fromCodePoint(0x80 + below(0x780));
    case 2:
      return String.fromCodePoint(below(10) ? 0x800 + below(0xd000) : 0xe000 + below(0x2000));
    default:
      return String.fromCodePoint(0x10000 + below(0x100000));
  }
}
const text = (length: number) => Array.from({ length }, character).join("");

databaseTest("flag_bucket() and murmur3_32() equal TypeScript's over 100,000 Unicode keys", async (sql) => {
  const encoder = new TextEncoder();
  const keys = Array.from({ length: casesOf(100_000) }, () => {
    const [salt, id, seed] = [text(below(12)), text(below(24)), below(2 ** 32)];
    return { salt, id, seed, bucket: bucket(salt, id), hash: murmur3(encoder.encode(id), seed) };
  });
  const [{ same, different }] = await sql`
    with keys as (
      select k, k.bucket = private.flag_bucket(k.salt, k.id)
        and k.hash = private.murmur3_32(convert_to(k.id, 'UTF8'), k.seed) as same
      from jsonb_to_recordset(${JSON.stringify(keys)}::text::jsonb)
        as k(salt text, id text, seed bigint, bucket int, hash bigint)
    )
    select count(*) filter (where same)::int as same,
      (array_agg(to_jsonb(k)) filter (where not same))[1:3] as different
    from keys`;
  assertEquals({ same, different }, { same: keys.length, different: null });
});

databaseTest(
  "evaluate_flag(): evaluates each flag once, however many paths lead to it, and none beyond depth eight",
  async (sql) => {
    await sql`
    insert into public.settings (key, value, metadata)
    select i || '.enabled', 'true', case when i = 0 then '{}'
      else jsonb_build_object('prerequisites', array_fill((i - 1) || '.enabled', '{4}')) end
    from generate_series(0, 21) i`;
    const [{ on }] = await sql`
    select array_agg(private.evaluate_flag(i || '.enabled', 'u1') order by i) as on from unnest('{0,8,9,21}'::int[]) i`;
    assertEquals(on, '{"(t,STATIC,)","(t,STATIC,)","(f,DISABLED,)","(f,DISABLED,)"}');
  },
);

databaseTest("flag_bucket() spreads ids evenly", async (sql) => {
  const [{ fewest, most, quarter }] = await sql`
    with buckets as (select private.flag_bucket('x.enabled', 'user-' || i) as bucket from generate_series(1, 100000) i),
      percents as (select count(*)::int as n from buckets group by bucket / 100)
    select min(n) as fewest, max(n) as most,
      (select count(*)::int from buckets where bucket < 2500) as quarter
    from percents`;
  // 1,000 a percent: within five standard deviations.
  assertEquals({ few: fewest < 840, many: most > 1160, quarter: Math.abs(quarter - 25_000) <= 500 }, {
    few: false,
    many: false,
    quarter: true,
  });
});

databaseTest("evaluate_flag() decides like evaluate() on the result of load_config", async (sql) => {
  const ids = ["", ...Array.from({ length: 60 }, () => text(1 + below(20)))];
  const segments: Record<string, string[]> = {};
  for (let i = 0; i < 5; i++) segments[`s${i}`] = ids.filter((id) => id !== "" && below(8) === 0);
  const flags = Array.from({ length: 300 }, (_, i) => {
    const metadata: Record<string, unknown> = { launched_at: null };
    if (below(4)) metadata.rollout_percentage = [0, 100, below(10_001) / 100, below(10_001) / 100][below(4)];
    if (below(2)) metadata.target_user_ids = ids.filter(() => below(10) === 0);
    if (below(3) === 0) metadata.salt = text(below(10));
    if (below(4) === 0) metadata.target_segments = Object.keys(segments).filter(() => below(2));
    // By number for now: some lead in circles, some nowhere.
    if (below(4) === 0) metadata.prerequisites = Array.from({ length: 1 + below(2) }, () => below(330));
    return { key: `${text(3)}${i}`, value: ["true", "true", "true", "false", "on"][below(5)], metadata };
  });
  for (const { metadata } of flags) {
    const needed = metadata.prerequisites as number[] | undefined;
    if (needed) metadata.prerequisites = needed.map((i) => flags[i]?.key ?? "no such flag");
  }
  await sql`insert into public.segments (key) select * from unnest(${Object.keys(segments)}::text[])`;
  for (const [key, members] of Object.entries(segments)) {
    await sql`insert into public.segment_members (segment_key, subject_id)
      select ${key}, id from unnest(${[...new Set(members)]}::text[]) id`;
  }
  await sql`
    insert into public.settings (key, value, metadata)
    select * from jsonb_to_recordset(${
    JSON.stringify(flags)
  }::text::jsonb) as f(key text, value text, metadata jsonb)`;
  const [{ config }] = await sql<{ config: { settings: Setting[]; segments: Segments } }[]>`
    select public.load_config() as config`;
  assertEquals(config.settings.length, flags.length);

  const prepared = prepareFlags(config.settings, config.segments);
  const expected = [...flags.map((flag) => flag.key), "no such flag"].flatMap((key) =>
    ids.map((id) => ({ key, id, ...evaluate(prepared, key, id) }))
  );
  const seen = new Set(expected.map((e) => `${e.reason} ${e.value} ${e.errorCode}`));
  assertEquals(seen.size, 8, [...seen].join("; ")); // every kind of answer comes up, but PARSE_ERROR

  const [{ same, different }] = await sql`
    with answers as (
      select e as expected, a as actual, (a.value, a.reason) = (e.value, e.reason)
        and a.error_code is not distinct from e."errorCode" as same
      from jsonb_to_recordset(${JSON.stringify(expected)}::text::jsonb)
          as e(key text, id text, value boolean, reason text, "errorCode" text),
        private.evaluate_flag(e.key, e.id) a
    )
    select count(*) filter (where same)::int as same,
      (array_agg(jsonb_build_array(expected, actual)) filter (where not same))[1:3] as different
    from answers`;
  assertEquals({ same, different }, { same: expected.length, different: null });

  const everybody = new Set((await sql<{ key: string }[]>`
    select key from unnest(${
    flags.map(({ key }) => key)
  }::text[]) as key where private.on_for_everybody(key)`)
    .map(({ key }) => key));
  assertEquals(everybody.size > 20, true);
  assertEquals(expected.filter(({ key, value }) => everybody.has(key) && !value), []);

  const anybody = await sql<{ key: string; on: boolean }[]>`
    select key, private.on_for_anybody(key) as on from unnest(${[
    ...flags.map(({ key }) => key),
    "no such flag",
  ]}::text[]) as key`;
  assertEquals(anybody.filter(({ on }) => on).length > 50, true);
  assertEquals(anybody.filter(({ key, on }) => on !== onForAnybody(prepared, key)).map(({ key }) => key), []);
});

databaseTest("evaluate_flag() treats a null id like a missing one", async (sql) => {
  await sql`insert into public.settings (key, value, metadata) values
    ('half.enabled', 'true', '{"rollout_percentage": 50, "target_user_ids": ["u1"]}')`;
  const [answer] = await sql`select * from private.evaluate_flag('half.enabled', null)`;
  assertEquals(answer, { value: false, reason: "ERROR", error_code: "TARGETING_KEY_MISSING" });
});

databaseTest("SQL reproduces flagd's bucket vectors", async (sql) => {
  const keys = ["ejOoVL", "bY9fO-", "SI7p-", "6LvT0", "ceQdGm"];
  const rows = await sql`
    select private.murmur3_32(convert_to(key, 'UTF8'))::text as hash
    from unnest(${keys}::text[]) with ordinality as k(key, i) order by i`;
  assertEquals(rows.map((row) => Number(row.hash)), [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]);
});
