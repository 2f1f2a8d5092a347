/** Stages of so many people: chosen by the hash of the percentages, sticky, and the same at every door. */
import { assert, assertEquals } from "../support/assert.ts";
import { murmur3 } from "../../supabase/functions/_shared/crypto/murmur3.ts";
import { evaluate, prepareFlags, type Setting } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { FLAG, LAST, stage, start, story } from "../support/signals.ts";

const utf8 = new TextEncoder();
/** The whole hash of which a bucket is the beginning. */
const bucketOf = (salt: string, id: string) => murmur3(utf8.encode(salt + id), 0);

databaseTest(
  "users: so many people are chosen by the hash of the percentages, and stay chosen at every door",
  async (sql) => {
    const users = (n: number) =>
      stage({ name: `${n} people`, percentage: 0, users: n, among: ["beta"], hold_minutes: 5 });
    const members = Array.from({ length: 40 }, (_, i) => `member-${i}`);
    await sql`insert into public.segments (key) values ('beta')`;
    await sql`insert into public.segment_members (segment_key, subject_id) select 'beta', unnest(${members}::text[])`;
    const { id, first } = await start(sql, [
      users(3),
      users(10),
      stage({ percentage: 25, name: "quarter" }),
      LAST,
    ]);
    const chosen = async () =>
      (await sql`select chosen from public.rollout_stages where rollout_id = ${id} and position = (
      select stage from public.rollouts where id = ${id})`)[0].chosen as string[];
    const hash = (member: string) => bucketOf(FLAG, member);
    const inOrder = [...members].sort((a, b) => hash(a) - hash(b));
    const three = await chosen();
    assertEquals(three.length, 3);
    assertEquals([...three].sort(), inOrder.slice(0, 3).sort(), "the first of the percentages");
    const config =
      await sql`select key, value, metadata, version::int from public.settings where key = ${FLAG}`;
    const flags = prepareFlags([config[0] as unknown as Setting]);
    for (const member of members) {
      const [{ value, reason }] =
        await sql`select value, reason from private.evaluate_flag(${FLAG}, ${member})`;
      assertEquals([value, reason], [three.includes(member), value ? "TARGETING_MATCH" : "STATIC"], member);
      assertEquals(evaluate(flags, FLAG, member).value, value, member);
    }
    // Somebody comes who would be first, and one of the three is gone from the segment: the three stay.
    const early = Array.from({ length: 5000 }, (_, i) => `new-${i}`).find((member) =>
      hash(member) < hash(inOrder[0])
    )!;
    await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${early})`;
    await sql`delete from public.segment_members where subject_id = ${three[0]}`;
    await sql`select public.pause_rollout(${id}, (select version from public.rollouts where id = ${id}))`;
    await sql`select public.resume_rollout(${id}, (select version from public.rollouts where id = ${id}))`;
    assertEquals(await chosen(), three, "a stage that begins anew has the same people");
    await sql`select public.advance_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    const ten = await chosen();
    assertEquals([ten.length, ten.slice(0, 3), ten.includes(early)], [10, three, true]);
    await sql`select public.advance_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    for (const member of ten) {
      assertEquals(
        (await sql`select value from private.evaluate_flag(${FLAG}, ${member})`)[0].value,
        true,
        member,
      );
    }
    const said = await story(sql, id);
    assert(said.includes("the rollout by the plan custom began with 3 people (3 people)"), said.join("\n"));
    assert(said.includes("10 people (10 people) began"));
    assert(first !== undefined);
  },
);

databaseTest(
  "users: without segments they are people who wrote lately, and fewer where there are fewer",
  async (sql) => {
    await ingest(sql, ...["21", "22", "23"].map((n) => message({ phone: `49151000000${n}` })));
    const { id } = await start(sql, [stage({ name: "ten people", percentage: 0, users: 10 }), LAST]);
    const [{ chosen }] =
      await sql`select chosen from public.rollout_stages where rollout_id = ${id} and position = 1`;
    const contacts = await sql`select id::text from public.contacts`;
    assertEquals([...chosen].sort(), contacts.map(({ id }) => id).sort());
    assertEquals(
      (await story(sql, id)).at(-1),
      "the rollout by the plan custom began with ten people (3 people of 10)",
    );
  },
);
