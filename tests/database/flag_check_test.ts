/** Whether a flag is on for somebody, and why, on Postgres, by role. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { CheckedFlag } from "../../supabase/functions/_shared/contract/answers/flag_check.ts";
import { checkInWords } from "../../supabase/functions/_shared/contract/words/flag_check.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const check = (sql: Sql, caller: Caller, person: string, key = "spring.enabled"): Promise<CheckedFlag[]> =>
  as(
    sql,
    caller,
    async (sql) => (await sql`select public.check_flag(${key}, ${person}) as people`)[0].people,
  );

async function scene(sql: Sql) {
  await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881')`;
  await ingest(sql, message({ phone: "4915100000142", name: "Ada" }));
  await ingest(sql, message({ phone: "4915200000142", name: "Bob" }));
  const [{ id: ada }] = await sql`select id from public.contacts where name = 'Ada'`;
  await sql`select public.set_segment('beta', 'Testers', 0)`;
  const set = (metadata: Record<string, unknown>, value = "true") =>
    sql`insert into public.settings (key, value, metadata) values ('spring.enabled', ${value}, ${
      sql.json(metadata as never)
    })
      on conflict (key) do update set value = excluded.value, metadata = excluded.metadata`;
  return { ada, set, operator: await signedIn(sql, "operator"), viewer: await signedIn(sql, "viewer") };
}

databaseTest("check_flag: says why, as the evaluation decides, in one sentence", async (sql) => {
  const { ada, set, viewer } = await scene(sql);
  const said = async (person = ada) =>
    (await check(sql, viewer, person)).map((one) => `${one.on} ${checkInWords(one)}`);
  await set({}, "false");
  assertEquals(await said(), ["false The flag is off for everybody."]);
  await set({});
  assertEquals(await said(), ["true The flag is on for everybody."]);
  await set({ target_user_ids: ["u1"] });
  assertEquals(await said(), ["false The flag is on for its targets only, and this person is none of them."]);
  assertEquals(await said("u1"), ["true This person is a target."]);
  await set({ target_segments: ["beta"], rollout_percentage: 0 });
  await sql`select public.add_segment_members('beta', (select version from public.segments), ${[ada]})`;
  assertEquals(await said(), ["true This person is in the segment beta."]);
  await sql`insert into public.settings (key, value) values ('base.enabled', 'false')`;
  await set({ prerequisites: ["base.enabled"] });
  assertEquals(await said(), ["false It needs base.enabled, which is not on for this person."]);
});

databaseTest(
  "check_flag: the place of a person is the percentage from which on the flag is on",
  async (sql) => {
    const { ada, set, viewer } = await scene(sql);
    for (const id of [ada, "u1", "u2", "u3"]) {
      await set({ rollout_percentage: 50 });
      const [{ place }] = await check(sql, viewer, id);
      for (
        const [percentage, on] of [[place, true], [Math.round((place - 0.01) * 100) / 100, false]] as const
      ) {
        await set({ rollout_percentage: percentage });
        const [one] = await check(sql, viewer, id);
        assertEquals([one.on, one.place], [on, place], `${id} at ${percentage} %`);
        if (percentage > 0) assertEquals(checkInWords(one).includes(`from ${place} % on`), true);
      }
    }
  },
);

databaseTest(
  "check_flag: finds people by four digits, and by a whole number for operators alone",
  async (sql) => {
    const { ada, set, operator, viewer } = await scene(sql);
    await set({});
    assertEquals((await check(sql, viewer, "0142")).length, 2, "two people have them");
    assertEquals((await check(sql, operator, "+49 151 0000 0142")).map(({ id, name }) => [id, name]), [[
      ada,
      "Ada",
    ]]);
    assertEquals(await check(sql, viewer, "4915100000142"), [], "no oracle for numbers");
    assertEquals(await check(sql, operator, "9999"), []);
    assertEquals((await check(sql, viewer, ada)).map(({ name, last_four }) => [name, last_four]), [[
      null,
      "0142",
    ]]);
    const [stranger] = await check(sql, viewer, crypto.randomUUID());
    assertEquals([stranger.has_written, stranger.on], [false, true]);
    assertEquals(await refusal(check(sql, viewer, "u1", "nothing.enabled")), "GL404");
    assertEquals(await refusal(check(sql, viewer, " ")), "GL422");
    for (const caller of [ANON, await signedIn(sql)]) {
      assertEquals(
        await refusal(check(sql, caller, "u1")),
        "42501",
      );
    }
  },
);
