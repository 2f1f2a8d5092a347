/** Mailboxes in SQL: connections that count once, tokens under a lease, who may see what, and what the clock reads. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const NOW = "2026-11-30T10:00:00Z";
const later = (seconds: number) => new Date(Date.parse(NOW) + seconds * 1000).toISOString();
const ACCOUNT = {
  provider: "google",
  identity: null,
  addresses: ["sam@bakery.example", "orders@bakery.example"],
  proved: ["sam@bakery.example", "orders@bakery.example"],
  name: "Sam",
  scopes: ["gmail.send"],
  access: "v1.main.a.b",
  refresh: "v1.main.c.d",
  expires_in: 3600,
  by: "key:default",
};

type Json = Record<string, unknown>;
const connect = async (sql: Sql, change: Json = {}, at = NOW) =>
  (await sql`select private.connect_mailbox(${sql.json({ ...ACCOUNT, ...change } as never)}, ${at}) as m`)[0]
    .m;
const take = async (sql: Sql, identity: string, at: string, refused: number | null = null) =>
  (await sql`select private.take_mailbox_token(${identity}, ${refused}, ${at}) as t`)[0].t;
const settle = async (sql: Sql, settled: Json, at: string) =>
  (await sql`select private.settle_mailbox_token(${sql.json(settled as never)}, ${at}) as s`)[0].s;

databaseTest(
  "mailboxes: an account becomes an identity that is verified and sends through it",
  async (sql) => {
    const { identity, sends, keys } = await connect(sql);
    const [found] =
      await sql`select from_email, provider, state, is_default from public.email_identities where id = ${identity}`;
    assertEquals([{ ...found }, sends, keys], [
      { from_email: "sam@bakery.example", provider: "google", state: "active", is_default: true },
      true,
      ["main"],
    ]);
    assertEquals(
      (await sql`select private.mail_to_send(${crypto.randomUUID()}, 'sam@bakery.example', '{}') ->> 'provider' as p`)[
        0
      ].p,
      "google",
    );
    // Neither another identity's, nor another's address.
    await sql`insert into public.email_identities (from_email) values ('orders@bakery.example'), ('x@else.example')`;
    const idOf = async (address: string) =>
      (await sql`select id from public.email_identities where from_email = ${address}`)[0].id;
    assertEquals(await refusal(connect(sql, { identity: await idOf("orders@bakery.example") })), "GL409");
    assertEquals(
      await refusal(connect(sql, { identity: await idOf("x@else.example"), addresses: ["y@else.example"] })),
      "GL409",
    );
    assertEquals(await refusal(connect(sql, { identity: crypto.randomUUID() })), "GL404");
    // It goes with its identity, and so do its tokens.
    await sql`delete from public.email_identities where id = ${identity}`;
    assertEquals((await sql`select from private.mailbox_tokens`).length, 0);
  },
);

databaseTest(
  "mailboxes: an address that the provider does not vouch for is confirmed by a code, and takes nothing over",
  async (sql) => {
    const found = async (identity: string) =>
      (await sql`
        select i.provider, i.state, (select count(*)::int from private.identity_checks k
          where k.identity = i.id and k.what = 'from' and k.address = i.from_email) as checks
        from public.email_identities i where i.id = ${identity}`)[0];
    const kim = { provider: "microsoft", addresses: ["kim@flowers.example"], proved: ["kim@else.example"] };
    const { identity } = await connect(sql, kim);
    assertEquals(await found(identity), { provider: "microsoft", state: "unverified", checks: 1 });
    // Neither its own identity again, nor one that sends another way, unless it is named.
    assertEquals(await refusal(connect(sql, kim)), "GL409");
    const [{ id: verified }] = await sql`
      insert into public.email_identities (from_email, provider, verified_at) values ('shop@flowers.example', 'resend', now()) returning id`;
    const shop = { ...kim, addresses: ["shop@flowers.example"], proved: undefined };
    assertEquals(await refusal(connect(sql, shop)), "GL409");
    assertEquals(await found(verified), { provider: "resend", state: "active", checks: 0 });
    await connect(sql, { ...kim, identity });
    assertEquals(await found(identity), { provider: "microsoft", state: "unverified", checks: 1 });
    await connect(sql, { ...shop, identity: verified });
    assertEquals(await found(verified), { provider: "microsoft", state: "active", checks: 0 });
    // Proved later, it needs no code any more.
    await connect(sql, { ...kim, proved: kim.addresses });
    assertEquals(await found(identity), { provider: "microsoft", state: "active", checks: 0 });
  },
);

databaseTest("mailboxes: a state counts once, for ten minutes", async (sql) => {
  const start = (hash: string) =>
    sql`select public.begin_mailbox(${
      sql.json({
        state_hash: hash,
        provider: "google",
        identity: null,
        verifier: "v1.main.a.b",
        return_to: null,
        by: "key:x",
      })
    })`;
  const taken = async (hash: string) => (await sql`select public.take_mailbox_start(${hash}) as s`)[0].s;
  const [one, two] = ["1".repeat(64), "2".repeat(64)];
  await start(one);
  await start(two);
  assertEquals([(await taken(one)).by, await taken(one), await taken("3".repeat(64))], ["key:x", null, null]);
  await sql`update private.mailbox_starts set expires_at = now()`;
  assertEquals(await taken(two), null);
});

databaseTest("mailboxes: one caller refreshes, the others use or await what it gets", async (sql) => {
  const { id, identity } = await connect(sql);
  assertEquals((await take(sql, identity, later(2800))).state, "ready");
  const mine = await take(sql, identity, later(2900));
  assertEquals([mine.state, mine.refresh], ["refresh", "v1.main.c.d"]);
  assertEquals((await take(sql, identity, later(2900))).state, "ready", "the old one serves meanwhile");
  assertEquals(
    (await take(sql, identity, later(2900), mine.version)).state,
    "wait",
    "not one that was refused",
  );
  assertEquals((await take(sql, identity, later(2959))).state, "ready");
  // Whoever had it did not come back: another takes over, and what the first one gets counts no more.
  const other = await take(sql, identity, later(2961));
  assertEquals(other.state, "refresh");
  const refreshed = {
    mailbox: id,
    outcome: "refreshed",
    access: "v1.new.a.b",
    refresh: "v1.new.c.d",
    expires_in: 3600,
  };
  assertEquals(await settle(sql, { ...refreshed, lease: mine.lease }, later(2962)), { settled: false });
  assertEquals(await settle(sql, { ...refreshed, lease: other.lease }, later(2962)), {
    settled: true,
    version: 2,
  });
  const fresh = await take(sql, identity, later(2963), 1);
  assertEquals([fresh.state, fresh.access, fresh.version], ["ready", "v1.new.a.b", 2]);
  assertEquals((await sql`select refresh from private.mailbox_tokens`)[0].refresh, "v1.new.c.d");
});

databaseTest(
  "mailboxes: two at the same moment, of whom each waits for the other's row, refresh once",
  async (sql) => {
    const { identity } = await connect(sql);
    await sql`update private.mailbox_tokens set refresh_at = now(), expires_at = now()`;
    const states = await Promise.all(Array.from({ length: 2 }, () =>
      sql.begin(async (sql) => {
        const [{ t }] = await sql`select public.take_mailbox_token(${identity}) as t`;
        await sql`select pg_sleep(0.05)`;
        return t.state;
      })));
    assertEquals(states.sort(), ["refresh", "wait"]);
  },
);

databaseTest("mailboxes: what fails is tried later each time, and what was revoked never", async (sql) => {
  const { id, identity } = await connect(sql);
  let at = 4000;
  const waits: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const { state, lease } = await take(sql, identity, later(at));
    assertEquals(state, "refresh");
    await settle(sql, { mailbox: id, lease, outcome: "failed" }, later(at));
    const { state: then, retry_after_ms } = await take(sql, identity, later(at));
    assertEquals(then, "wait");
    waits.push(retry_after_ms / 1000);
    at += retry_after_ms / 1000;
  }
  assertEquals(waits, [2, 4, 8, 16]);
  const { lease } = await take(sql, identity, later(at));
  await settle(sql, { mailbox: id, lease, outcome: "revoked", error: "invalid_grant: expired" }, later(at));
  assertEquals((await take(sql, identity, later(at + 1e6))).state, "reauthorise");
  const [sender] = await sql`select held_code from public.senders where channel = 'email'`;
  assertEquals(sender.held_code, "mailbox_reauthorise");
  const urgent = (await sql`select private.attention(${later(at)}) as a`)[0].a as {
    kind: string;
    id: string;
  }[];
  assertEquals(urgent.some(({ kind, id }) => kind === "sender" && id === "sam@bakery.example"), true);
  await connect(sql, {}, later(at + 10));
  assertEquals((await take(sql, identity, later(at + 11))).state, "ready");
  assertEquals(
    (await sql`select held_since from public.senders where channel = 'email'`)[0].held_since,
    null,
  );
});

databaseTest("mailboxes: the team sees them by role, and nobody sees a token", async (sql) => {
  const { id } = await connect(sql);
  for (const role of ["viewer", "operator", "admin"] as const) {
    const caller = await signedIn(sql, role);
    const [list, rows] = await as(sql, caller, async (sql) => [
      JSON.stringify((await sql`select public.list_mailboxes() as l`)[0].l),
      JSON.stringify(await sql`select to_jsonb(m) as m from public.mailboxes m`),
    ]);
    assertMatch(list, /sam@bakery\.example/);
    assertEquals(/v1\.main\./.test(list + rows), false);
    const denied = (query: string) => refusal(as(sql, caller, (sql) => sql.unsafe(query)));
    assertEquals(await denied("select * from private.mailbox_tokens"), "42501");
    assertEquals(await denied(`select public.take_mailbox_token('${id}')`), "42501");
    assertEquals(await denied(`select public.disconnect_mailbox('${id}')`), "42501");
    assertEquals(
      await denied(`select public.set_mailbox('${id}', 'all')`),
      role === "admin" ? undefined : "42501",
    );
  }
  const stranger = await signedIn(sql);
  assertEquals(await refusal(as(sql, stranger, (sql) => sql`select public.list_mailboxes()`)), "42501");
  assertEquals(
    await refusal(as(sql, SERVICE, (sql) => sql`select public.set_mailbox(${id}, 'some')`)),
    "GL422",
  );
});

databaseTest("mailboxes: an identity sends through a mailbox only once it is connected", async (sql) => {
  await sql`insert into public.email_identities (from_email, verified_at) values ('sam@bakery.example', now())`;
  const [{ id }] = await sql`select id from public.email_identities`;
  const set = (provider: string) =>
    refusal(as(sql, SERVICE, (sql) => sql`select public.set_identity(${id}, ${sql.json({ provider })})`));
  assertEquals(await set("google"), "GL409");
  await connect(sql);
  assertEquals([await set("sendgrid"), await set("google"), await set("microsoft")], [
    undefined,
    undefined,
    "GL409",
  ]);
});

databaseTest("mailboxes: each is read once a minute by one reader, and on from where it was", async (sql) => {
  const { id } = await connect(sql);
  const due = async (at: string) => (await sql`select private.mailboxes_are_due(${at}) as d`)[0].d;
  const claim = async (at: string) => (await sql`select private.claim_mailbox_readings(10, ${at}) as c`)[0].c;
  const end = (lease: string, more: Json, at: string) =>
    sql`select private.settle_mailbox_reading(${sql.json({ mailbox: id, lease, ...more } as never)}, ${at})`;
  assertEquals([await due(later(-1)), await due(later(1))], [false, true]);
  const [first] = await claim(later(1));
  assertEquals([first.cursor, first.takes, first.unknown], [null, "replies", []]);
  assertEquals([await claim(later(2)), await due(later(2))], [[], false]);
  await end(first.lease, { cursor: "7", more: true }, later(3));
  const [second] = await claim(later(3));
  assertEquals(second.cursor, "7");
  await end(crypto.randomUUID(), { cursor: "99" }, later(4));
  await end(second.lease, { cursor: "8" }, later(4));
  assertEquals([await due(later(60)), await due(later(65))], [false, true]);
  const [third] = await claim(later(65));
  assertEquals(third.cursor, "8");
  await end(third.lease, { error: "429: busy", retry_after_ms: 300_000 }, later(66));
  const [{ cursor, error, failures }] = await sql`select cursor, error, failures from private.mailbox_reads`;
  assertEquals([cursor, error, failures, await due(later(300)), await due(later(367))], [
    "8",
    "429: busy",
    1,
    false,
    true,
  ]);
  const attempts = async () => (await sql`select attempts from private.mailbox_reads`)[0].attempts;
  const [fourth] = await claim(later(367));
  assertEquals(fourth.attempts, {});
  await end(fourth.lease, { error: "400: no", attempts: { m1: 1, m2: 0 } }, later(367));
  const [fifth] = await claim(later(1300));
  assertEquals(fifth.attempts, { m1: 1, m2: 0 });
  await end(fifth.lease, { error: "429: busy" }, later(1300));
  assertEquals(await attempts(), { m1: 1, m2: 0 }, "what concerns the mailbox says nothing of its mails");
  const [sixth] = await claim(later(3000));
  await end(sixth.lease, { cursor: "8" }, later(3000));
  assertEquals(await attempts(), {}, "the next place has other mails");
  // A reader that does not come back holds nobody up for long.
  await claim(later(3070));
  assertEquals([await due(later(3100)), await due(later(3161))], [false, true]);
  // One that is connected again goes on; another account begins anew.
  await connect(sql, {}, later(3200));
  assertEquals((await sql`select cursor from private.mailbox_reads`)[0].cursor, "8");
  await sql`update public.mailboxes set state = 'reauthorise'`;
  assertEquals(await due(later(3400)), false);
});
