/** Ways back beside a transaction that somebody forgot: nobody waits for it but for its own row, and it is named. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";
import { advance } from "../support/rollouts.ts";
import { until } from "../support/until.ts";

const SECRET = "+49 170 1234567";
const STAGES = [50, 100].map((percentage) => ({
  name: `at ${percentage} %`,
  percentage,
  hold_minutes: 30,
  min_samples: 20,
  advance_when: { error_rate_below: 0.01 },
  roll_back_when: { error_rate_above: 0.02 },
}));

/** Keeps what a statement locks while `during` runs. */
async function beside(sql: Sql, statement: string, during: (pid: number) => Promise<void>): Promise<void> {
  const other = await sql.reserve();
  try {
    await other`begin`;
    const [{ pid }] = await other`select pg_backend_pid() as pid`;
    await other.unsafe(statement);
    await until(
      "it has been open long enough to be told of",
      async () =>
        (await sql`select private.lock_holders(array['public.settings', 'public.rollouts']) <> '[]' as told`)[
          0
        ].told,
    );
    await during(pid);
  } finally {
    await other`rollback`;
    other.release();
  }
}

interface Told {
  code: string;
  message: string;
  detail: string;
  hint: string;
}

async function refusal(work: PromiseLike<unknown>): Promise<Told> {
  try {
    await work;
  } catch (error) {
    return error as Told;
  }
  throw new Error("it was done");
}

const flags = (sql: Sql, ...keys: string[]) =>
  sql`insert into public.settings (key, value, metadata) select k || '.enabled', 'true', '{"rollout_percentage": 0}'
    from unnest(${keys}::text[]) k`;

databaseTest(
  "a change of a flag does not wait for a transaction on another, and each makes a new revision",
  async (sql) => {
    await flags(sql, "a", "b");
    const revision = async () => Number((await sql`select revision from private.config_now()`)[0].revision);
    const before = await revision();
    let during = 0;
    await beside(sql, "update public.settings set value = 'false' where key = 'a.enabled'", async () => {
      await sql.begin(async (sql) => {
        await sql`set local lock_timeout = '1ms'`;
        await sql`select public.switch_off('b.enabled', 'at once')`;
      });
      during = await revision();
      assert(during > before, "b is seen");
      const [{ config }] = await sql`select public.load_config(${before}) as config`;
      assertEquals(
        config.settings.map(({ key, value }: { key: string; value: string }) => `${key} ${value}`),
        [
          "a.enabled true",
          "b.enabled false",
        ],
      );
    });
    assertEquals(await revision(), during, "what was taken back is no change");
    await sql`update public.settings set value = 'true' where key = 'b.enabled'`;
    assert(await revision() > during);
    assertEquals((await sql`select count(*)::int as n from private.config_changes`)[0].n, 0, "taken in");
  },
);

databaseTest(
  "config_now() grows with each commit, in whatever order transactions begin and end",
  async (sql) => {
    await flags(sql, "f0", "f1", "f2", "f3");
    const sessions = await Promise.all([0, 1, 2, 3].map(() => sql.reserve()));
    const open = sessions.map(() => false);
    try {
      await holds(
        fc.asyncProperty(fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 24 }), async (steps) => {
          let last = Number((await sql`select revision from private.config_now()`)[0].revision);
          for (const [i, commit] of steps) {
            const session = sessions[i];
            if (!open[i]) {
              await session`begin`;
              await session`update public.settings set metadata = metadata where key = ${`f${i}.enabled`}`;
            } else await (commit ? session`commit` : session`rollback`);
            const ended = open[i] && commit;
            open[i] = !open[i];
            const now = Number((await sql`select revision from private.config_now()`)[0].revision);
            assert(ended ? now > last : now === last, `${last} -> ${now} after ${ended ? "a" : "no"} commit`);
            last = now;
          }
          for (const [i, session] of sessions.entries()) if (open[i]) await session`rollback`;
          open.fill(false);
        }),
        { cases: 200 },
      );
    } finally {
      for (const session of sessions) {
        await session`rollback`;
        session.release();
      }
    }
  },
);

databaseTest(
  "the session that locks a flag is reported with process, age and statement, without values, and with the alternative",
  async (sql) => {
    await flags(sql, "a");
    const [{ id }] = await sql`select (public.create_rollout('a.enabled', ${
      sql.json({ stages: STAGES })
    })).id`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    const held =
      `update public.settings set metadata = '{"description": "${SECRET}"}' where key = 'a.enabled'`;
    await beside(sql, held, async (pid) => {
      for (
        const write of [
          sql`select public.switch_off('a.enabled', 'stop')`,
          sql`select public.roll_back_rollout(${id}, 2, 'stop')`,
          sql`select public.set_flag('a.enabled', '{"on": false}', 2)`,
        ]
      ) {
        const { code, message, detail, hint } = await refusal(write);
        assertEquals(code, "GL423");
        assertMatch(
          message,
          new RegExp(
            `a\\.enabled is locked by process ${pid} \\(.+\\), for \\d+ s: update public\\.settings set metadata = …`,
          ),
        );
        assertMatch(hint, /gatelink rollback 2 a\.enabled --why/);
        assertMatch(hint, new RegExp(`select pg_terminate_backend\\(${pid}\\)`));
        const [holder] = JSON.parse(detail);
        assertEquals([holder.pid, holder.state], [pid, "idle in transaction"]);
        assertEquals([message, detail, hint].join().includes("170"), false);
      }
    });
    await sql`select public.roll_back_rollout(${id}, 2, 'stop')`;
  },
);

databaseTest("statement_in_brief() stops before any value", async (sql) => {
  const cases: [statement: string, brief: string | null][] = [
    [`select * from t where phone = '${SECRET}'`, "select * from t where phone = …"],
    ["update t set a = $$secret$$", "update t set a = …"],
    ["with s as (select $1) select 1", "with s as (select …"],
    ["select 1 -- 491701234567", "select 1 …"],
    ["/* Ada */ select 1", "…"],
    ["delete from t\n  where n = 4917", "delete from t where n = …"],
    ["select e'it\\'s'", "select e…"],
    ["", null],
  ];
  for (const [statement, brief] of cases) {
    const [row] = await sql`select private.statement_in_brief(${statement}) as brief`;
    assertEquals(row.brief, brief, statement);
  }
});

databaseTest("who_blocks() answers while a table is locked against reading", async (sql) => {
  await beside(sql, "lock table public.settings in access exclusive mode", async (pid) => {
    const [{ holders }] = await sql`select public.who_blocks() as holders`;
    assertEquals(holders.map((holder: { pid: number }) => holder.pid), [pid]);
    const { code } = await refusal(sql`select public.load_config()`);
    assertEquals(code, "55P03", "what cannot be read does not keep its connection");
  });
});

for (
  const [what, held] of [
    ["flag", "select from public.settings where key = 'a.enabled' for update"],
    ["rollout", "select from public.rollouts where flag_key = 'a.enabled' for update"],
  ]
) {
  databaseTest(
    `the guard skips a rollout whose ${what} is locked, rolls back the next one, and health reports it`,
    async (sql) => {
      await flags(sql, "a", "b");
      const started: Record<string, Date> = {};
      for (const flag of ["a.enabled", "b.enabled"]) {
        const [{ id }] = await sql`select (public.create_rollout(${flag}, ${
          sql.json({ stages: STAGES })
        })).id`;
        const [{ at }] = await sql`select (public.start_rollout(${id}, 1, 'a test')).stage_started_at as at`;
        started[flag] = at;
        const edges = (await sql`select cardinality(private.latency_edges()) as n`)[0].n;
        await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
        select ${flag}, date_trunc('minute', ${at}::timestamptz) + make_interval(mins => g), a.arm, 100, a.failed, 100, 1000,
          array_fill(100, array[${edges}::int])
        from generate_series(1, 20) g, (values ('on', 60), ('off', 0)) as a (arm, failed)`;
      }
      const guard = async (seconds: number) =>
        (await advance(sql, started["a.enabled"], seconds)).map(({ flag_key, verdict, rule }) =>
          `${flag_key} ${verdict} ${rule}`
        ).sort();
      const health = async (seconds: number) =>
        (await sql`select private.guard_health(${new Date(
          started["a.enabled"].getTime() + seconds * 1000,
        )}) as part`)[0].part;
      await beside(sql, held, async (pid) => {
        assertEquals(await guard(1500), ["a.enabled hold locked", "b.enabled roll_back error_rate_relative"]);
        const { status, because, figures: { skipped: [first] } } = await health(1560);
        assertEquals([status, because, first.flag, first.seconds], ["degraded", "locked", "a.enabled", 60]);
        assertEquals(first.by.map((holder: { pid: number }) => holder.pid), [pid]);
        await guard(1860);
        assertEquals((await health(1860)).status, "down", "after five minutes");
      });
      assertEquals(
        await guard(1920),
        ["a.enabled roll_back error_rate_relative"],
        "tried again the next minute",
      );
      assertEquals((await health(1920)).status, "healthy");
    },
  );
}

databaseTest("an impossible schedule of one flag does not block the schedules of others", async (sql) => {
  await sql`insert into public.settings (key, value, metadata) select k || '.enabled', 'false', '{"schedule": {"on_at": "2096-12-01T08:00:00Z"}}'
    from unnest(array['a', 'b', 'c']) k`;
  await sql.unsafe(`
    create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
    create trigger refuse before update on public.settings for each row when (old.key = 'a.enabled') execute function public.refuse()`);
  assertEquals((await sql`select private.apply_flag_schedules('2096-12-01T08:00:00Z') as n`)[0].n, 2);
});
