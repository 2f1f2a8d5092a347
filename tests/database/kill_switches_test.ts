/** Kill switches, as the functions report them: the rollout waits, says so, and nobody moves it on. */
import { assert, assertEquals } from "../support/assert.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import {
  after,
  complain,
  FLAG,
  LAST,
  people,
  stage,
  start,
  stateOf,
  story,
  traffic,
  verdict,
} from "../support/signals.ts";

databaseTest(
  "kill switch: the rollout waits and says so, nobody moves it on, and it goes on once it is unset",
  async (sql) => {
    const { id, first } = await start(sql, [stage({ hold_minutes: 5 }), LAST]);
    await traffic(sql, first, 60);
    const report = (flags: string[], minutes: number) =>
      sql`select private.report_kill_switches(${flags}, ${after(first, minutes)})`;
    await report([FLAG, "unknown.enabled"], 9);
    assertEquals(await verdict(sql, first, 10), "page kill_switch");
    assertEquals((await stateOf(sql, id)).hold_reason, "kill_switch");
    assertEquals(
      (await story(sql, id)).at(-1),
      "the kill switch is set: nobody has the feature, and the rollout waits",
    );
    const version = async () =>
      (await sql`select version::int as v from public.rollouts where id = ${id}`)[0].v;
    assertEquals(
      await refusal(sql`select public.advance_rollout(${id}, ${await version()}, 'now')`),
      "GL409",
    );
    assertEquals(
      await refusal(sql`select public.complete_rollout(${id}, ${await version()}, 'now')`),
      "GL409",
    );
    assertEquals(await refusal(sql`update public.rollouts set stage = 2 where id = ${id}`), "GL409");
    const [{ told }] = await sql`select public.list_kill_switches() as told`;
    assertEquals(told.map(({ flag_key }: { flag_key: string }) => flag_key), [FLAG]);
    const [{ status }] = await sql`select public.status() as status`;
    assert(status.rollouts[0].killed_since !== null && status.kill_switches.length === 1);
    const [{ shown }] = await sql`select private.overview(60, ${after(first, 11)}) as shown`;
    assert(shown.rollouts[0].killed_since !== null);
    // Who complains has not had it meanwhile.
    await complain(sql, people(true, 3), after(first, 11), FLAG);
    const arms = await sql`select distinct arm from public.rollout_feedback`;
    assertEquals(arms.map(({ arm }) => arm), ["off"]);
    await report([], 12);
    assertEquals(await verdict(sql, first, 13), "advance criteria_met");
  },
);

databaseTest(
  "kill switch: what nobody has said again for ten minutes is over, and a paused rollout may be taken back",
  async (sql) => {
    const { id, first } = await start(sql, [stage({ hold_minutes: 5 }), LAST]);
    await traffic(sql, first, 60);
    await sql`select private.report_kill_switches(${[FLAG]}, ${after(first, 9)})`;
    assertEquals(await verdict(sql, first, 10), "page kill_switch");
    assertEquals(await verdict(sql, first, 20), "advance criteria_met");
    await sql`select private.report_kill_switches(${[FLAG]}, now())`;
    const [{ state }] = await sql`
    select state from public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    assertEquals(state, "rolled_back", "the way back is open");
  },
);
