/** `gatelink feedback`, `gatelink metric` and kill switches on a real stack: what people say and do, and where it is shown. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, unique, written } from "../support/cli.ts";

async function underWay(): Promise<string> {
  const flag = `${unique("signals")}.enabled`;
  await sql`insert into public.settings (key, value) values (${flag}, 'false')`;
  const plan = await written(
    "signals.json",
    JSON.stringify({
      stages: [
        {
          name: "ten",
          percentage: 0,
          user_ids: ["tester-1"],
          users: 10,
          hold_minutes: 60,
          min_samples: 20,
          advance_when: { complaints_at_most: 0, positive_share_above: 0.5, min_ratings: 3 },
          roll_back_when: { error_rate_above: 0.05, complaints_above: 5 },
          first_day: { complaints_above: 2 },
        },
        {
          name: "half",
          percentage: 50,
          hold_minutes: 60,
          min_samples: 20,
          advance_when: {},
          roll_back_when: { error_rate_above: 0.05 },
          metrics: [{ name: "order.paid", max_fall: 0.05, then: "roll_back", at_least_per_day: 10 }],
        },
        {
          name: "all",
          percentage: 100,
          hold_minutes: 60,
          min_samples: 20,
          advance_when: {},
          roll_back_when: { error_rate_above: 0.05 },
        },
      ],
    }),
  );
  const { id } = await document(`rollout create ${flag} --plan ${plan}`);
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  return flag;
}

Deno.test("gatelink feedback: a complaint and a rating of somebody who has the feature, listed and shown with the rollout", async () => {
  const flag = await underWay();
  const added = await gatelink(`feedback add tester-1 --flag ${flag} --text "wrong total"`);
  assertEquals(added.code, 0, added.err);
  assertMatch(added.out, new RegExp(`It counts for the rollout of ${flag}`));
  assertMatch(
    (await gatelink(`feedback add somebody --flag ${flag}`)).out,
    /does not have .* not counted against it/,
  );
  assertEquals((await document(`feedback add tester-1 --flag ${flag} --rating 5`)).counts_for[0].arm, "on");
  await fails(`feedback add tester-1 --rating 6`, 2, "usage", /from 1 to 5/);
  await fails(`feedback add`, 4, "invalid", /who said it/i);
  await fails(`feedback add +4915100000099 --flag ${flag}`, 4, "not_found", /number/);
  const rows = await document(`feedback list --flag ${flag}`);
  assertEquals(
    rows.map(({ kind, who, text }: Record<string, unknown>) => [kind, who, text]),
    [["rating", "er-1", null], ["complaint", "body", null], ["complaint", "er-1", "wrong total"]],
  );
  assertMatch((await gatelink(`feedback list --flag ${flag}`)).out, /complaint +…er-1 +team +.*stage 1, on/);
  const shown = await gatelink(`rollout show ${flag}`);
  assertMatch(shown.out, /complaints +1 in this stage \(1 without the feature\)/);
  assertMatch(shown.out, /ratings +1 of 1 are content/);
  assertMatch(
    (await gatelink("status")).out,
    new RegExp(`rollout of ${flag} is running at ten and waits: hold_time; 1 complaint; 1 of 1 content`),
  );
  assertMatch(shown.out, /ten +10 people chosen, 1 person/);
  assertMatch(shown.out, /complaints at most 0, min ratings 3, positive share above 50 %/);
  assertMatch(shown.out, /\(first day: complaints above 2\)/);
  assertMatch(shown.out, /order.paid not down by more than 5 %, else back, order.paid at least 10 a day/);
});

Deno.test("gatelink feedback words: the team's own take the place of the built-in ones", async () => {
  assertEquals(await document("feedback words"), { complaint: null, praise: null });
  assertMatch((await gatelink("feedback words")).out, /complaint +built-in: complaint, beschwerde/);
  const set = await document("feedback words --complaint ikirego --complaint complaint");
  assertEquals(set, { complaint: ["ikirego", "complaint"], praise: null });
  assertMatch((await gatelink("feedback words --praise 👏")).out, /praise +👏/);
  const [{ value }] = await sql`select value from public.settings where key = 'feedback.complaint_words'`;
  assertEquals(JSON.parse(value), ["ikirego", "complaint"]);
});

Deno.test("gatelink metric: counted once a key, and listed", async () => {
  const name = `${unique("order").replaceAll("-", "_")}.paid`;
  assertMatch((await gatelink("metric list")).out, /gatelink metric add NAME|metric +times/);
  assertEquals(await document(`metric add ${name} --value 12.5 --key o-1`), { accepted: 1, repeated: 0 });
  assertMatch(
    (await gatelink(`metric add ${name} --value 12.5 --key o-1`)).out,
    /was counted with this key before/,
  );
  await fails("metric add Order", 4, "invalid", /./);
  const found = (await document("metric list --days 1")).find((one: { name: string }) => one.name === name);
  assertEquals([found.n, found.value, found.days.length], [1, 12.5, 1]);
});

Deno.test("gatelink status and rollout show: a kill switch is said, and nobody moves the rollout on", async () => {
  const flag = await underWay();
  await sql`select private.report_kill_switches(${[flag]}, now())`;
  assertMatch((await gatelink("status")).out, new RegExp(`kill switch of ${flag} is set`));
  assertMatch(
    (await gatelink("status")).out,
    new RegExp(`rollout of ${flag} is running at ten, and waits for its kill switch`),
  );
  assertMatch(
    (await gatelink(`rollout show ${flag}`)).out,
    /kill switch +set since .*nobody has the feature/,
  );
  await fails(`rollout advance ${flag} --why "now"`, 4, "conflict", /kill switch/);
  await fails(`rollout complete ${flag} --why "now"`, 4, "conflict", /kill switch/);
  await sql`select private.report_kill_switches('{}', now())`;
  assertEquals((await gatelink(`rollout advance ${flag} --why "now"`)).code, 0);
});
