/** The rollout plan of masked messaging in the database: the pilot by organisation, its criteria, and the way back. */
import { assertEquals } from "../support/assert.ts";
import { relay } from "../../supabase/functions/_shared/masking/relay.ts";
import { databaseTest } from "../support/database.ts";
import { book, NO_FACTS } from "../support/masking.ts";
import { CORE, decide, FLAGS, has, pilot, WEEK } from "../support/masking_rollout.ts";
import { writeMinutes } from "../support/rollouts.ts";
import { after, HEALTHY, stateOf, verdict } from "../support/signals.ts";

databaseTest(
  "the pilot: its organisation alone has the three flags, and everybody once a week and the shares are as the plan asks",
  async (sql) => {
    const { rows: { org }, other, id, first } = await pilot(sql);
    assertEquals(await has(sql, org), [true, true, true]);
    assertEquals(await has(sql, other), [false, false, false]);
    await decide(sql, org, 6, "leg", "relayed");
    await decide(sql, org, 3, "owner_inbox", "late");
    // Organisations without the feature are no part of it.
    await decide(sql, other, 9, "owner_inbox", "unknown_sender");
    await decide(sql, org, 5, "held", "off");
    const [counted] = await sql`select sum(n)::int as n, sum(failed)::int as failed from public.flag_metrics
      where flag_key = ${CORE} and arm = 'on'`;
    assertEquals(counted.failed, 0);
    assertEquals(counted.n >= 1, true, "an organisation counts once a minute");

    await writeMinutes(
      sql,
      CORE,
      Array.from({ length: 7 * 24 }, (_, hour) => ({ minute: hour * 60, on: HEALTHY, off: HEALTHY })),
      first.getTime() / 60_000,
    );
    assertEquals(await verdict(sql, first, WEEK - 5), "hold hold_time");
    assertEquals(await verdict(sql, first, WEEK + 2), "hold share", "a third is in the inbox");
    await decide(sql, org, 6, "leg", "relayed");
    assertEquals(await verdict(sql, first, WEEK + 3), "advance criteria_met");
    assertEquals(await has(sql, other), [true, true, true]);
    assertEquals((await stateOf(sql, id)).state, "running");
  },
);

databaseTest(
  "the pilot holds while many texts are blocked, or sitters write outside of their windows",
  async (sql) => {
    const { rows: { org }, id, first } = await pilot(sql);
    await decide(sql, org, 8, "leg", "relayed");
    await decide(sql, org, 2, "blocked", "anti_poaching", "sitter");
    const figures = async () =>
      (await sql`select private.rollout_signals(r, private.rollout_stage(r), ${
        after(first, 5)
      }) -> 'said' -> 'figures' as seen from public.rollouts r where r.id = ${id}`)[0].seen;
    assertEquals(await figures(), {
      metric: "text.blocked",
      of: "text.decided",
      n: 2,
      of_n: 10,
      share_below: 0.1,
    });
    await decide(sql, org, 12, "leg", "relayed");
    await decide(sql, org, 3, "held", "no_active_window", "sitter");
    assertEquals((await figures()).metric, "text.no_window");
    // A thread that has lost its client is a failure of messaging.
    await decide(sql, org, 1, "held", "no_client", "sitter");
    const [{ failed }] = await sql`select sum(failed)::int as failed from public.flag_metrics
      where flag_key = ${CORE} and arm = 'on'`;
    assertEquals(failed, 1);
  },
);

databaseTest(
  "the way back: core off takes all three from the pilot, threads stay, and a text is kept and listed, not relayed",
  async (sql) => {
    const { rows, id } = await pilot(sql);
    const booking = await book(sql, rows, 0, "b");
    const [{ thread }] = await sql`select public.assign_sitter(${booking}, ${
      rows.sitters[0].member
    }, true) #>> '{thread,thread_id}' as thread`;
    await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a drill')`;
    assertEquals(await stateOf(sql, id), { state: "rolled_back", hold_reason: null, flag: "false" });
    assertEquals(await has(sql, rows.org), [false, false, false]);

    const said = relay({ ...NO_FACTS, on: { core: false, sitter: false } });
    assertEquals([said.to, said.reason], ["held", "off"]);
    await decide(sql, rows.org, 1, said.to, said.reason);
    const [waiting] = await sql`select count(*)::int as n from public.thread_decisions
      where org_id = ${rows.org} and reason = 'off' and done_at is null`;
    assertEquals(waiting.n, 1);
    // Without the proactive flag an assignment opens no thread, and those that are there stay.
    const again = await book(sql, rows, 1, "b1");
    await sql`select public.assign_sitter(${again}, ${rows.sitters[1].member}, false)`;
    const threads =
      await sql`select id, state, message_number_id is not null as numbered from public.threads`;
    assertEquals([...threads].map((row) => ({ ...row })), [{ id: thread, state: "live", numbered: true }]);
    const [{ proof }] = await sql`select public.messages_proof(${rows.org}) as proof`;
    assertEquals([proof.without_number, proof.without_client], [[], []]);
  },
);

databaseTest("the way back of one flag: proactive or sitters off, and owners go on", async (sql) => {
  const { rows } = await pilot(sql);
  for (const [place, flag] of [[1, FLAGS[1]], [2, FLAGS[2]]] as const) {
    await sql`select public.set_flag(${flag}, '{"on": false}', (select version from public.settings where key = ${flag}), 'back')`;
    assertEquals(await has(sql, rows.org), [true, false, place === 1]);
  }
});
