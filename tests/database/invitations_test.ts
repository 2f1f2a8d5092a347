/** Colleagues who are invited by mail, on Postgres: who may, who joins, and what is kept of it. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { AuditEntry } from "../../supabase/functions/_shared/contract/answers/audit.ts";
import { auditInWords } from "../../supabase/functions/_shared/contract/words/audit.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const EMAIL = "grace@example.com";

/** An account as Supabase Auth makes it for an invitation; it proves its address by the link. */
async function account(sql: Sql, email = EMAIL): Promise<Caller & { sub: string }> {
  const [{ id }] =
    await sql`insert into auth.users (id, email) values (gen_random_uuid(), ${email}) returning id`;
  return { role: "authenticated", sub: id };
}
const proves = (sql: Sql, { sub }: { sub: string }) =>
  sql`update auth.users set email_confirmed_at = now() where id = ${sub}`;

const start = async (sql: Sql, by: string, email = EMAIL, role = "operator") =>
  (await sql`select public.start_invitation(${email}, ${role}, ${by}) as answer`)[0].answer;
const settle = async (sql: Sql, id: string, user: string): Promise<boolean> =>
  (await sql`select public.settle_invitation(${id}, ${user}) as answer`)[0].answer;
const accept = (sql: Sql, caller: Caller): Promise<{ role: string } | null> =>
  as(sql, caller, async (sql) => (await sql`select public.accept_invitation() as answer`)[0].answer);
const roleOf = async (sql: Sql, { sub }: { sub: string }) =>
  (await sql`select role from public.team_members where user_id = ${sub}`)[0]?.role;

databaseTest(
  "invitations: whoever proves the address joins with the role that was given, once",
  async (sql) => {
    const admin = await signedIn(sql, "admin");
    const { id, email, role } = await start(sql, admin.sub!, " Grace@Example.com ");
    assertEquals([email, role], [EMAIL, "operator"]);
    const grace = await account(sql);
    assertEquals(await settle(sql, id, grace.sub), true);
    assertEquals(await accept(sql, grace), null, "the address is not proved yet");
    await proves(sql, grace);
    const other = await account(sql, "other@example.com");
    await proves(sql, other);
    assertEquals(await accept(sql, other), null, "it is somebody else's");
    assertEquals(await accept(sql, grace), { role: "operator" });
    assertEquals(await roleOf(sql, grace), "operator");
    assertEquals(await accept(sql, grace), null);
    assertEquals(await refusal(start(sql, admin.sub!)), "GL409", "who has an account needs none");
    assertEquals(await refusal(accept(sql, ANON)), "42501");
  },
);

databaseTest("invitations: revoked, expired or of a changed address, one gives nothing", async (sql) => {
  const admin = await signedIn(sql, "admin");
  const operator = await signedIn(sql, "operator");
  const revoke = (caller: Caller, id: string) =>
    as(sql, caller, async (sql) => (await sql`select public.revoke_invitation(${id}) as answer`)[0].answer);
  const grace = await account(sql);
  const { id } = await start(sql, admin.sub!);
  await settle(sql, id, grace.sub);
  await proves(sql, grace);
  assertEquals(await refusal(revoke(operator, id)), "42501");
  assertEquals(await revoke(admin, id), true);
  assertEquals(await revoke(admin, id), false);
  assertEquals(await accept(sql, grace), null);
  assertEquals(await settle(sql, id, grace.sub), false, "a mail that went out meanwhile");

  for (
    const [n, spoil] of [
      sql`update public.team_invitations set expires_at = now() - interval '1 second'`,
      sql`update auth.users set email = 'moved@example.com' where email = 'p1@example.com'`,
    ].entries()
  ) {
    const person = await account(sql, `p${n}@example.com`);
    const { id } = await start(sql, admin.sub!, `p${n}@example.com`);
    await settle(sql, id, person.sub);
    await proves(sql, person);
    await spoil;
    assertEquals(await accept(sql, person), null, String(n));
    assertEquals(await roleOf(sql, person), undefined);
  }
});

databaseTest(
  "invitations: asked again they last anew; all of it is told without the address",
  async (sql) => {
    const admin = await signedIn(sql, "admin");
    const viewer = await signedIn(sql, "viewer");
    const grace = await account(sql);
    const first = await start(sql, admin.sub!);
    await settle(sql, first.id, grace.sub);
    await sql`update public.team_invitations set expires_at = now()`;
    const second = await start(sql, admin.sub!, EMAIL, "admin");
    assertEquals([second.id, second.role], [first.id, "admin"]);
    assert(second.expires_at >= first.expires_at);
    await settle(sql, second.id, grace.sub);
    assertEquals((await sql`select sends, role from public.team_invitations`).map((row) => ({ ...row })), [
      { sends: 2, role: "admin" },
    ]);
    await proves(sql, grace);
    await accept(sql, grace);
    const entries = await as(
      sql,
      viewer,
      async (sql): Promise<AuditEntry[]> =>
        (await sql`select public.list_audit('{"kinds": ["invitation"]}') as answer`)[0].answer,
    );
    assertEquals(entries.map(auditInWords), [
      "Invitation of g…@example.com accepted",
      "Invitation of g…@example.com sent again",
      "Invitation of g…@example.com sent",
    ]);
    assertEquals(entries.map(({ who }) => who), [grace.sub, admin.sub, admin.sub]);
    for (const [email, role] of [["no address", "viewer"], [EMAIL.replace("grace", "new"), "owner"]]) {
      assertEquals(await refusal(start(sql, admin.sub!, email, role)), "23514");
    }
    const seen = (caller: Caller) =>
      as(sql, caller, async (sql) => (await sql`select from public.team_invitations`).length);
    await start(sql, admin.sub!, "open@example.com");
    assertEquals([await seen(admin), await seen(viewer)], [1, 0]);
  },
);
