/** The team by address and the pace of numbers, on Postgres, by role. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

databaseTest("list_team: visible to the team only", async (sql) => {
  const viewer = await signedIn(sql, "viewer");
  await signedIn(sql, "admin");
  const stranger = await signedIn(sql);
  const team = await call<{ user_id: string; email: string; role: string }[]>(
    sql,
    viewer,
    "public.list_team()",
  );
  assertEquals(team.map(({ role }) => role).sort(), ["admin", "viewer"]);
  assertEquals(team.find(({ user_id }) => user_id === viewer.sub)?.email, `${viewer.sub}@example.com`);
  for (const caller of [ANON, stranger]) {
    assertEquals(await refusal(call(sql, caller, "public.list_team()")), "42501");
  }
});

databaseTest("add_team_member: by address, for admins, once", async (sql) => {
  const [admin, operator, newcomer] = [
    await signedIn(sql, "admin"),
    await signedIn(sql, "operator"),
    await signedIn(sql),
  ];
  const add = (email: string, role = "viewer") =>
    `public.add_team_member('${email}', '${role}', '{product}')`;
  const email = `${newcomer.sub}@example.com`;
  assertEquals(await refusal(call(sql, operator, add(email))), "42501");
  assertEquals(await refusal(call(sql, newcomer, add(email, "admin"))), "42501");
  assertEquals(await refusal(call(sql, admin, add("nobody@example.com"))), "GL404");
  assertEquals(await refusal(call(sql, admin, add(email, "owner"))), "23514");
  await call(sql, admin, add(` ${email.toUpperCase()} `));
  const [member] = await sql`select role, approvals from public.team_members where user_id = ${newcomer
    .sub!}`;
  assertEquals({ ...member }, { role: "viewer", approvals: ["product"] });
  assertEquals(await refusal(call(sql, admin, add(email, "admin"))), "GL409");
});

databaseTest("set_number_pace: within Meta's limits, for operators", async (sql) => {
  const [viewer, operator] = [await signedIn(sql, "viewer"), await signedIn(sql, "operator")];
  await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881')`;
  assertEquals(await refusal(call(sql, viewer, "public.set_number_pace('1', 20, 6, 45)")), "42501");
  await call(sql, operator, "public.set_number_pace('1', 20, 3, 10)");
  const [number] = await sql`select max_per_second, pair_seconds, pair_burst from public.wa_numbers`;
  assertEquals({ ...number }, { max_per_second: 20, pair_seconds: "3", pair_burst: 10 });
  assertEquals(await refusal(call(sql, operator, "public.set_number_pace('1', 1001, 6, 45)")), "23514");
  assertEquals(await refusal(call(sql, operator, "public.set_number_pace('2', 20, 6, 45)")), "GL404");
});

databaseTest("list_team: pages by address hold everybody once, whoever has no address last", async (sql) => {
  const people = ["dora", "ada", null, "carl", "bob", null].map((name) => name && `${name}@example.com`);
  for (const email of people) {
    await sql`
      with person as (
        insert into auth.users (id, email, email_confirmed_at, phone_confirmed_at)
        values (gen_random_uuid(), ${email}, now(), now()) returning id
      ) insert into public.team_members (user_id, role) select id, 'viewer' from person`;
  }
  const page = async (filter: Record<string, string>, limit: number | null) =>
    (await sql`select public.list_team(${sql.json(filter)}, ${limit}) as team`)[0].team as {
      user_id: string;
      email: string | null;
    }[];
  const whole = await page({}, null);
  for (const size of [1, 2, 4]) {
    const read: typeof whole = [];
    for (;;) {
      const last = read.at(-1);
      const next = await page(last ? { after: last.user_id } : {}, size);
      read.push(...next);
      if (next.length < size) break;
    }
    assertEquals(read, whole, `pages of ${size}`);
  }
  assertEquals(whole.slice(-2).map(({ email }) => email), [null, null]);
  assertEquals((await page({ search: "BOB@" }, null)).map(({ email }) => email), ["bob@example.com"]);
});
