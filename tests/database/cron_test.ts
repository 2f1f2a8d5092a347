/** The stand-in for pg_cron on a local stack: which minutes match, and that each job runs once for what it missed. */
import { assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { provideCron, RUN_CRON } from "../../local/database/cron.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { addIdentities, row, send, setFlags } from "../support/mail_rows.ts";
import { holds } from "../support/property.ts";

databaseTest("cron: schedules match the minutes that cron means, in UTC", async (sql) => {
  await provideCron(sql);
  await provideCron(sql);
  const table: [string, string, boolean][] = [
    ["0 2 * * *", "2026-11-21 02:00Z", true],
    ["0 2 * * *", "2026-11-21 02:01Z", false],
    ["0 2 * * *", "2026-11-21 03:00Z", false],
    ["*/15 * * * *", "2026-11-21 03:45Z", true],
    ["*/15 * * * *", "2026-11-21 03:46Z", false],
    ["5/20 * * * *", "2026-11-21 03:45Z", true],
    ["0-10,50 * * * *", "2026-11-21 03:50Z", true],
    ["0-10,50 * * * *", "2026-11-21 03:49Z", false],
    ["0 0 * * 0", "2026-11-22 00:00Z", true],
    ["0 0 * * 7", "2026-11-22 00:00Z", true],
    ["0 0 * * 1-5", "2026-11-22 00:00Z", false],
    ["0 0 1 * 0", "2026-11-22 00:00Z", true],
    ["0 0 1 * 1", "2026-11-22 00:00Z", false],
    ["0 0 1 12 *", "2026-12-01 00:00Z", true],
  ];
  for (const [schedule, at, expected] of table) {
    assertEquals(
      await row(sql, "select cron.matches($1, $2)", schedule, at),
      [expected],
      `${schedule} at ${at}`,
    );
  }
  for (
    const wrong of [
      "",
      "* * * *",
      "60 * * * *",
      "* 24 * * *",
      "*/0 * * * *",
      "5-1 * * * *",
      "30 seconds",
      "a * * * *",
    ]
  ) {
    assertEquals(await refusal(sql`select cron.schedule('x', ${wrong}, 'select 1')`), "22023", wrong);
  }
  await holds(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: 0, max: 59 }),
      async (minute, now) => {
        const at = new Date(Date.UTC(2026, 10, 21, 4, now)).toISOString();
        assertEquals(await row(sql, "select cron.matches($1, $2)", `${minute} * * * *`, at), [
          minute === now,
        ]);
      },
    ),
  );
});

databaseTest(
  "cron: the plan's cleanup is scheduled, runs at its time, once, and a job that fails holds up no other",
  async (sql) => {
    await provideCron(sql);
    await addIdentities(sql);
    await setFlags(sql, { email_send: true, email_reply_tokens: true });
    const { mail } = await send(sql);
    await sql.unsafe(`
    alter table public.reply_tokens add column expires_at timestamptz default (now() + interval '90 days');
    create or replace function cleanup_expired_tokens() returns void as $$
    begin delete from public.reply_tokens where expires_at is not null and expires_at < now(); end; $$ language plpgsql;`);
    await sql`update public.reply_tokens set expires_at = now() - interval '1 hour'`;
    await sql`select cron.schedule('broken', '* * * * *', 'select 1/0')`;
    await sql`SELECT cron.schedule('cleanup-tokens', '0 2 * * *', 'SELECT cleanup_expired_tokens();')`;
    await sql`update cron.job set ran_at = '2026-11-21 01:00Z'`;
    await sql`call cron.run_due('2026-11-21 01:59Z')`;
    assertEquals(await row(sql, "select token from public.reply_tokens"), [mail!.token]);
    await sql`call cron.run_due('2026-11-21 02:03Z')`;
    assertEquals(await row(sql, "select token from public.reply_tokens"), []);
    const ran =
      await sql`select jobname, to_char(ran_at at time zone 'UTC', 'HH24:MI') as at from cron.job order by jobid`;
    assertEquals(ran.map(({ jobname, at }) => [jobname, at]), [["broken", "02:03"], [
      "cleanup-tokens",
      "02:03",
    ]]);
    await sql`select cron.unschedule('broken')`;
    await sql.unsafe(RUN_CRON);
    assertEquals(await row(sql, "select count(*)::int from cron.job"), [1]);
  },
);
