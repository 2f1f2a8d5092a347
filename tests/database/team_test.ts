/** Who may come into the team, that an admin is always left, and that roles and allowed hosts have a history. */
import { assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { until } from "../support/until.ts";

/** An account of Supabase Auth; confirmed unless `changes` say otherwise. */
async function account(sql: Sql, email: string, changes: Record<string, unknown> = {}): Promise<string> {
  const id = crypto.randomUUID();
  await sql`insert into auth.users ${
    sql({ id, email, email_confirmed_at: new Date(), ...changes } as never)
  }`;
  return id;
}

const add = (sql: Sql, by: Caller, email: string, role = "viewer") =>
  as(sql, by, (sql) => sql`select public.add_team_member(${email}, ${role})`);
const set = (sql: Sql, by: Caller, id: string, role: string) =>
  as(sql, by, (sql) => sql`select public.set_team_member(${id}, ${role})`);
const remove = (sql: Sql, by: Caller, id: string) =>
  as(sql, by, (sql) => sql`select public.remove_team_member(${id})`);

const admins = async (sql: Sql): Promise<string[]> =>
  (await sql`select user_id from public.team_members where role = 'admin' order by 1`).map((row) =>
    row.user_id
  );

const YESTERDAY = new Date(Date.now() - 86_400_000);
const TOMORROW = new Date(Date.now() + 86_400_000);
const CANNOT: [string, Record<string, unknown>][] = [
  ["not confirmed", { email_confirmed_at: null }],
  ["banned", { banned_until: TOMORROW }],
  ["deleted", { deleted_at: YESTERDAY }],
];

databaseTest(
  "add_team_member(): of accounts with one address it takes the confirmed one, regardless of age",
  async (sql) => {
    const admin = await signedIn(sql, "admin");
    const squatter = await account(sql, "boss@example.com", {
      email_confirmed_at: null,
      created_at: YESTERDAY,
    });
    assertEquals(await refusal(add(sql, admin, "boss@example.com", "admin")), "GL422");
    const boss = await account(sql, "Boss@example.com");
    await add(sql, admin, "boss@example.com", "admin");
    assertEquals((await admins(sql)).sort(), [admin.sub!, boss].sort());
    // By its id neither.
    assertEquals(await refusal(set(sql, admin, squatter, "viewer")), "GL422");
    assertEquals(await refusal(add(sql, admin, "BOSS@example.com")), "GL409");
  },
);

databaseTest("add_team_member(): several confirmed accounts must be resolved by a person", async (sql) => {
  const admin = await signedIn(sql, "admin");
  const first = await account(sql, "twin@example.com");
  await account(sql, "Twin@example.com");
  const error = await assertRejects(() => add(sql, admin, "twin@example.com", "admin"), Error);
  assertMatch(error.message, /^2 accounts have confirmed the address twin@example.com$/);
  assertEquals((error as { code?: string }).code, "GL300");
  assertEquals(await admins(sql), [admin.sub!]);
  await set(sql, admin, first, "admin");
  assertEquals((await admins(sql)).sort(), [admin.sub!, first].sort());
});

databaseTest("an account that cannot sign in cannot join the team, not even by plain SQL", async (sql) => {
  const admin = await signedIn(sql, "admin");
  for (const [why, changes] of CANNOT) {
    const email = `${why.replaceAll(" ", "-")}@example.com`;
    const id = await account(sql, email, changes);
    assertEquals(await refusal(add(sql, admin, email)), why === "deleted" ? "GL404" : "GL422", why);
    assertEquals(await refusal(set(sql, SERVICE, id, "viewer")), "GL422", why);
    assertEquals(
      await refusal(sql`insert into public.team_members (user_id, role) values (${id}, 'viewer')`),
      "GL422",
      why,
    );
  }
  // A ban that is over is none.
  await account(sql, "back@example.com", { banned_until: YESTERDAY });
  await add(sql, admin, "back@example.com");
});

databaseTest("a member who can no longer sign in can still be demoted", async (sql) => {
  const admin = await signedIn(sql, "admin");
  const other = await signedIn(sql, "admin");
  await sql`update auth.users set banned_until = ${TOMORROW} where id = ${other.sub!}`;
  await set(sql, admin, other.sub!, "viewer");
  await remove(sql, admin, other.sub!);
  assertEquals(await admins(sql), [admin.sub!]);
});

/** Each way to lose an admin: by the functions, in plain SQL, and by the account's end. */
const WAYS: [string, (sql: Sql, id: string) => Promise<unknown>][] = [
  ["demoted by function", (sql, id) => set(sql, SERVICE, id, "operator")],
  ["removed by function", (sql, id) => remove(sql, SERVICE, id)],
  [
    "demoted in SQL",
    (sql, id) => sql`update public.team_members set role = 'viewer' where user_id = ${id}`.execute(),
  ],
  ["removed in SQL", (sql, id) => sql`delete from public.team_members where user_id = ${id}`.execute()],
  ["account deleted", (sql, id) => sql`delete from auth.users where id = ${id}`.execute()],
];

databaseTest("the last admin cannot be lost in any way", async (sql) => {
  const { sub: last } = await signedIn(sql, "admin");
  await signedIn(sql, "operator");
  for (const [way, lose] of WAYS) {
    assertEquals(await refusal(lose(sql, last!)), "GL409", way);
    assertEquals(await admins(sql), [last!], way);
  }
  // Nor all of them in one statement.
  const { sub: second } = await signedIn(sql, "admin");
  for (
    const statement of [
      "delete from auth.users",
      "delete from public.team_members",
      "update public.team_members set role = 'viewer'",
    ]
  ) {
    assertEquals(await refusal(sql.unsafe(statement)), "GL409", statement);
  }
  assertEquals(await refusal(sql`truncate public.team_members cascade`), "42501");
  assertEquals((await admins(sql)).length, 2);
  await sql`delete from auth.users where id = ${second!}`;
  assertEquals(await admins(sql), [last!]);
});

databaseTest("an admin who cannot sign in does not count as a remaining admin", async (sql) => {
  const { sub: last } = await signedIn(sql, "admin");
  const { sub: away } = await signedIn(sql, "admin");
  for (const [why, changes] of CANNOT) {
    await sql`update auth.users set ${sql(changes as never)} where id = ${away!}`;
    for (const [way, lose] of WAYS) {
      assertEquals(await refusal(lose(sql, last!)), "GL409", `${way}, the other one ${why}`);
    }
    await sql`
      update auth.users set email_confirmed_at = now(), banned_until = null, deleted_at = null where id = ${away!}`;
  }
  const [{ team }] = await sql`select public.list_team() as team`;
  assertEquals(team.map((one: { can_sign_in: boolean }) => one.can_sign_in), [true, true]);
});

databaseTest("of two admins who remove each other at once, in any two ways, one remains", async (sql) => {
  for (const [firstWay, first] of WAYS) {
    for (const [secondWay, second] of WAYS) {
      const [one, other] = [await signedIn(sql, "admin"), await signedIn(sql, "admin")];
      let later: Promise<string | undefined> | undefined;
      await sql.begin(async (own) => {
        await own.savepoint((own) => first(nested(own as unknown as Sql), one.sub!));
        let settled = false;
        later = refusal(second(sql, other.sub!)).finally(() => settled = true);
        await until("the second waits, or is through", async () =>
          settled || (await sql`
            select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
              .length > 0);
      });
      assertEquals(await later, "GL409", `${firstWay}, then ${secondWay}`);
      assertEquals(await admins(sql), [other.sub!], `${firstWay}, then ${secondWay}`);
      // Room for the next pair, without the trigger that keeps this one.
      await sql.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`delete from public.team_members`;
      });
    }
  }
});

/** A transaction that takes `begin` for a part of itself. */
function nested(sql: Sql): Sql {
  return Object.assign(
    ((...args: Parameters<Sql>) =>
      (sql as unknown as (...args: unknown[]) => unknown)(...args)) as unknown as Sql,
    {
      unsafe: sql.unsafe,
      begin: (use: (sql: Sql) => Promise<unknown>) => use(sql),
    },
  );
}

databaseTest("team_history: who gave whom which role, also after the account is deleted", async (sql) => {
  const admin = await signedIn(sql, "admin");
  const id = await account(sql, "ada@example.com");
  await add(sql, admin, "ada@example.com", "operator");
  await set(sql, SERVICE, id, "operator"); // nothing changes
  await set(sql, SERVICE, id, "admin");
  await sql`delete from auth.users where id = ${id}`;
  const read = (caller: Caller) =>
    as(sql, caller, (sql) =>
      sql`
        select email, change, before ->> 'role' as before, after ->> 'role' as after, by from public.team_history
        where user_id = ${id} order by id`);
  const told = (await read(admin)).map((row) => ({ ...row }));
  const email = "ada@example.com";
  const [{ owner }] = await sql`select current_user as owner`;
  assertEquals(told, [
    { email, change: "added", before: null, after: "operator", by: admin.sub },
    { email, change: "changed", before: "operator", after: "admin", by: "service_role" },
    { email, change: "removed", before: "admin", after: null, by: owner },
  ]);
  assertEquals((await read(await signedIn(sql, "operator"))).length, 0);
  for (
    const statement of [
      "delete from public.team_history",
      "update public.team_history set by = 'me'",
      "truncate public.team_history",
    ]
  ) {
    assertEquals(await refusal(sql.unsafe(statement)), "42501");
  }
});

databaseTest("allowlist_history: who allowed which host, and who removed it", async (sql) => {
  const admin = await signedIn(sql, "admin");
  await as(sql, admin, (sql) => sql`select public.allow_host('hooks.example.com', 'forward')`);
  await as(sql, admin, (sql) => sql`select public.allow_host('hooks.example.com', 'forward')`); // is allowed already
  await as(sql, SERVICE, (sql) => sql`select public.disallow_host('hooks.example.com', 'forward')`);
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('a.example.com', 'redirect')`;
  await sql`update public.destination_allowlist set pattern = 'b.example.com'`;
  const read = (caller: Caller) =>
    as(
      sql,
      caller,
      (sql) => sql`select pattern, purpose, change, by from public.allowlist_history order by id`,
    );
  const [{ owner }] = await sql`select current_user as owner`;
  assertEquals((await read(admin)).map((row) => Object.values(row)), [
    ["hooks.example.com", "forward", "added", admin.sub],
    ["hooks.example.com", "forward", "removed", "service_role"],
    ["a.example.com", "redirect", "added", owner],
    ["a.example.com", "redirect", "removed", owner],
    ["b.example.com", "redirect", "added", owner],
  ]);
  assertEquals((await read(await signedIn(sql, "operator"))).length, 0);
  for (const table of ["destination_allowlist", "allowlist_history"]) {
    assertEquals(await refusal(sql.unsafe(`truncate public.${table}`)), "42501", table);
  }
  assertEquals(await refusal(sql`delete from public.allowlist_history`), "42501");
});
