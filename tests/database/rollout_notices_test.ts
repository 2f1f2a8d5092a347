/** Notices of a rollout: scheduled from day 0, told on their days to those who listen, and skipped after a rollback. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { bodyOf, type Notification } from "../../supabase/functions/_shared/rollouts/notification.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const FLAG = "email_reply_tokens.enabled";
const DAY = 86_400_000;

async function plan(sql: Sql): Promise<string> {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false') on conflict do nothing`;
  await sql`insert into public.notification_endpoints (name, kind, host, events) values
    ('team', 'email', 'corp.example', '{notice}'), ('ops', 'webhook', 'hooks.example.com', '{paged}')`;
  return (await sql`select id from public.create_rollout(${FLAG}, '{"template": "replies"}')`)[0].id;
}

/** What those who listen were sent, as Slack would have it. */
const told = async (sql: Sql) =>
  (await sql`select n.payload from public.notifications n join public.notification_endpoints e on e.id = n.endpoint_id
    where e.name = 'team' order by n.id`).map(({ payload }) =>
    (bodyOf("slack", payload as Notification) as { text: string }).text
  );

const tell = async (sql: Sql, at: Date) =>
  (await sql`select private.tell_notices(${at}) as n`)[0].n as number;

databaseTest(
  "notices: the plan's are told on their days, with the report where it wants one, each once",
  async (sql) => {
    const id = await plan(sql);
    const now = Date.now();
    const day0 = new Date(now + 8 * DAY);
    const [{ planned }] = await sql`select public.schedule_notices(${id}, ${day0}) as planned`;
    assertEquals(
      planned.map(({ day, to, state }: Record<string, unknown>) => [day, to, state]),
      [
        [-7, "Engineering", "planned"],
        [-1, "Support", "planned"],
        [0, "All teams", "planned"],
        [1, "Leadership", "planned"],
        [7, "All teams", "planned"],
        [14, "Users", "planned"],
        [30, "Users", "planned"],
      ],
    );
    assertEquals(await tell(sql, new Date(now)), 0);
    assertEquals(await tell(sql, new Date(day0.getTime() - 7 * DAY)), 1);
    assertEquals(await tell(sql, new Date(day0.getTime() - 7 * DAY)), 0, "each once");
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    assertEquals(await tell(sql, new Date(day0.getTime() + DAY)), 3);
    const [first, , , status] = await told(sql);
    assertEquals(
      first,
      `${FLAG}, day -7: Engineering. Brief the team on the changes.\nTell them, unless you have.`,
    );
    assert(status.startsWith(`${FLAG}, day 1: Leadership. Status of the first day.\n`), status);
    assert(status.includes("nobody with the feature"), status);

    // Day 0 moves: what was told stays, and is not told again.
    const [{ moved }] = await sql`select public.schedule_notices(${id}, ${new Date(
      day0.getTime() + DAY,
    )}) as moved`;
    assertEquals(
      moved.map(({ state }: Record<string, unknown>) => state),
      ["told", "told", "told", "told", "planned", "planned", "planned"],
    );
    assertEquals(await tell(sql, new Date(day0.getTime() + 7 * DAY)), 0);

    // What was taken back is announced to nobody.
    await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts), 'a test')`;
    assertEquals(await tell(sql, new Date(day0.getTime() + 60 * DAY)), 0);
    const [{ listed }] = await sql`select public.list_notices(${id}) as listed`;
    assertEquals(
      listed.slice(4).map(({ state }: Record<string, unknown>) => state),
      ["skipped", "skipped", "skipped"],
    );
    assertEquals((await told(sql)).length, 4);
    assertEquals(await refusal(sql`select public.schedule_notices(${id}, ${day0})`), "GL409");
  },
);

databaseTest("notices: what is long over is skipped, and what cannot be is refused", async (sql) => {
  const id = await plan(sql);
  const own = [{ day: -30, to: "Support", text: "Read this." }, {
    day: 2,
    to: "Everybody",
    text: "It is there.",
  }];
  const [{ planned }] = await sql`select public.schedule_notices(${id}, now(), ${sql.json(own)}) as planned`;
  assertEquals(planned.map(({ state }: Record<string, unknown>) => state), ["skipped", "planned"]);
  for (
    const wrong of [
      [],
      {},
      [{ day: 1, to: "", text: "x" }],
      [{ day: 1.5, to: "x", text: "x" }],
      [{ day: 1000, to: "x", text: "x" }],
      [{ day: 1, to: "x", text: "x", report: "yes" }],
      [{ day: 1, to: "x" }],
    ]
  ) {
    assertEquals(
      await refusal(sql`select public.schedule_notices(${id}, now(), ${sql.json(wrong as never)})`),
      "GL422",
      JSON.stringify(wrong),
    );
  }
  await sql`insert into public.settings (key, value) values ('checkout.enabled', 'false')`;
  const [other] =
    await sql`select id from public.create_rollout('checkout.enabled', '{"template": "canary"}')`;
  assertEquals(await refusal(sql`select public.schedule_notices(${other.id}, now())`), "GL422");
  assertEquals(await refusal(sql`select public.schedule_notices(${crypto.randomUUID()}, now())`), "GL404");
});

databaseTest("notices: the plan of masked messaging has its own, for owners and sitters too", async (sql) => {
  await sql`insert into public.settings (key, value) values ('messaging_v1.enabled', 'false')`;
  const [{ id }] = await sql`
    select id from public.create_rollout('messaging_v1.enabled', '{"template": "masking", "user_ids": ["org:1"]}')`;
  const [{ planned }] = await sql`
    select public.schedule_notices(${id}, ${new Date(Date.now() + 8 * DAY)}) as planned`;
  assertEquals(
    planned.map(({ day, to }: Record<string, unknown>) => `${day} ${to}`).sort(),
    [
      "-1 Support",
      "0 Owners",
      "0 Sitters",
      "1 Engineering",
      "14 Engineering",
      "7 Leadership",
      "7 Owners and sitters",
    ],
  );
});
