/** Who is the same person: SQL and TypeScript say the same, wherever a flag keeps or compares an id. */
import fc from "fast-check";
import { assertEquals } from "../support/assert.ts";
import { evaluate, prepareFlags, type Setting } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { subjectId } from "../../supabase/functions/_shared/flags/subject.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";

/** UUIDs in any mixture of letters, what is nearly one, and other text that Postgres can hold. */
const mixed = fc.tuple(fc.uuid(), fc.infiniteStream(fc.boolean())).map(([uuid, capitals]) =>
  Array.from(uuid, (letter) => capitals.next().value ? letter.toUpperCase() : letter).join("")
);
const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((id) => !id.includes("\0"));
const ids = fc.oneof(
  mixed,
  mixed.map((id) => `${id}\n`),
  mixed.map((id) => id.replaceAll("-", "")),
  mixed.map((id) => id.slice(1)),
  text,
);

databaseTest("subject_id(): equals TypeScript's for UUIDs in either case and other ids", async (sql) => {
  await holds(
    fc.asyncProperty(fc.array(ids, { minLength: 1, maxLength: 50 }), async (ids) => {
      const [{ same }] = await sql`
        select array_agg(private.subject_id(e.id) order by e.place) as same
        from jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb) with ordinality as e (id, place)`;
      assertEquals(same, ids.map(subjectId));
    }),
    { cases: 300 },
  );
});

databaseTest(
  "a UUID in other letter case is the same person: target, segment and bucket, in SQL and TypeScript",
  async (sql) => {
    await sql`insert into public.segments (key) values ('beta')`;
    await holds(
      fc.asyncProperty(mixed, mixed, mixed, async (target, member, anybody) => {
        await sql`delete from public.segment_members`;
        await sql`delete from public.settings`;
        await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${member})`;
        await sql`insert into public.settings (key, value, metadata) values
        ('t.enabled', 'true', ${
          sql.json({ target_user_ids: [target, target.toLowerCase()], rollout_percentage: 50 })
        }),
        ('s.enabled', 'true', '{"target_segments": ["beta"]}')`;
        const [{ config }] = await sql`select public.load_config() as config`;
        assertEquals(config.segments.beta, [member.toLowerCase()]);
        const { metadata } = config.settings.find(({ key }: Setting) => key === "t.enabled");
        assertEquals([...new Set(metadata.target_user_ids)], [target.toLowerCase()]);
        // As they were given, too: a database of before kept them so.
        for (
          const flags of [
            prepareFlags(config.settings, config.segments),
            prepareFlags([{
              ...config.settings[1],
              metadata: { target_user_ids: [target], rollout_percentage: 50 },
            }]),
          ]
        ) {
          for (const id of [target, member, anybody]) {
            const first = evaluate(flags, "t.enabled", id.toLowerCase());
            for (const asked of [id, id.toUpperCase(), id.toLowerCase()]) {
              assertEquals(evaluate(flags, "t.enabled", asked), first);
              const [{ value, reason }] =
                await sql`select * from private.evaluate_flag('t.enabled', ${asked})`;
              assertEquals({ value, reason }, { value: first.value, reason: first.reason });
            }
          }
        }
        const [{ value }] =
          await sql`select value from private.evaluate_flag('s.enabled', ${member.toUpperCase()})`;
        assertEquals(value, true);
      }),
      { cases: 100 },
    );
  },
);
