/** Accounts in SQL: credentials, what the provider reports, and that one account's fault holds its numbers alone. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { refusal } from "../support/callers.ts";
import { ingest, message } from "../support/intake.ts";
import { at, claim, databaseTest, send, settle, text, to } from "../support/outbound.ts";
import type { Sql } from "postgres";

/** Two accounts: A with numbers 1 and 2, B with number 3; one person has written to each. */
async function twoAccounts(sql: Sql): Promise<void> {
  await sql`insert into public.senders (id, address, account) values
    ('1', '4930111', 'A'), ('2', '4930222', 'A'), ('3', '4930333', 'B')`;
  for (const [number, phone] of [["1", "491"], ["2", "492"], ["3", "493"]]) {
    await ingest(sql, message({ sender_id: number, phone, at: at(0) }));
  }
}

const toEach = [["1", "491"], ["2", "492"], ["3", "493"]].map(([number_id, phone]) =>
  text("hi", { ...to(phone), number_id })
);

const FAULT = {
  outcome: "retry",
  retry_after_ms: 5000,
  put_off: "held",
  scope: "account",
  error: { code: 190 },
};

const held = async (sql: Sql) =>
  (await sql`select id, held_code from public.senders where held_since is not null order by id`)
    .map(({ id, held_code }) => `${id} ${held_code}`);

/** What Meta reports, as the channel reads it. */
let serial = 0;
const news = (seconds: number, told: Record<string, unknown>) => ({
  key: `x:${++serial}`,
  field: "account_update",
  kind: "other",
  news: told,
  at: at(seconds),
  raw: {},
});

databaseTest("accounts: a fault of the account holds its numbers at once, and no others", async (sql) => {
  await twoAccounts(sql);
  await send(sql, 1, toEach[0]);
  await settle(sql, 2, await claim(sql, 2), FAULT);
  assertEquals(await held(sql), ["1 190", "2 190"]);
  await send(sql, 3, toEach[1], toEach[2]);
  const gone = await claim(sql, 4);
  assertEquals(gone.map((one) => one.to), ["493"], "the other account sends");
  await settle(sql, 4, gone, { outcome: "sent", provider_id: "wamid.b" });
  assertEquals(await held(sql), ["1 190", "2 190"], "and proves nothing about this one");
});

databaseTest(
  "accounts: once one number gets through, the others of the account are tested at once",
  async (sql) => {
    await twoAccounts(sql);
    await send(sql, 1, toEach[0], toEach[1]);
    const both = await claim(sql, 2);
    await settle(sql, 2, both, FAULT);
    // Long tests are far apart.
    await sql`update public.senders set held_until = ${at(400)}, held_probes = 10 where id = '2'`;
    const probe = await claim(sql, 10);
    assertEquals(probe.map((one) => one.to), ["491"]);
    await settle(sql, 11, probe, { outcome: "sent", provider_id: "wamid.a" });
    assertEquals(await held(sql), ["2 190"]);
    const next = await claim(sql, 12);
    assertEquals(next.map((one) => one.to), ["492"]);
    await settle(sql, 13, next, { outcome: "sent", provider_id: "wamid.c" });
    assertEquals(await held(sql), []);
  },
);

databaseTest("accounts: a fault of one number leaves the others of its account alone", async (sql) => {
  await twoAccounts(sql);
  await send(sql, 1, toEach[0]);
  await settle(sql, 2, await claim(sql, 2), { ...FAULT, scope: "number", error: { code: 133010 } });
  assertEquals(await held(sql), ["1 133010"]);
});

databaseTest("accounts: a name selects the credentials of its numbers, also of later ones", async (sql) => {
  await twoAccounts(sql);
  const [{ named }] = await sql`select public.name_account('A', 'acme') as named`;
  assertEquals(named, { id: "A", name: "acme", numbers: ["1", "2"] });
  await sql`select public.tell_accounts(${
    sql.json([{ channel: "whatsapp", id: "4", address: "4930444", provider: "whatsapp", account: "A" }])
  })`;
  assertEquals(
    (await sql`select id, credentials from public.senders order by id`).map((
      row,
    ) => [row.id, row.credentials]),
    [["1", "WHATSAPP_ACCESS_TOKEN_ACME"], ["2", "WHATSAPP_ACCESS_TOKEN_ACME"], ["3", null], [
      "4",
      "WHATSAPP_ACCESS_TOKEN_ACME",
    ]],
  );
  await send(sql, 1, ...toEach);
  const claimed = await claim(sql, 2) as unknown as { number_id: string; credentials: string | null }[];
  assertEquals(claimed.map((one) => [one.number_id, one.credentials]).sort(), [
    ["1", "WHATSAPP_ACCESS_TOKEN_ACME"],
    ["2", "WHATSAPP_ACCESS_TOKEN_ACME"],
    ["3", null],
  ]);
  await sql`select public.name_account('A', null)`;
  assertEquals((await sql`select from public.senders where credentials is not null`).length, 0);
  assertEquals(await refusal(sql`select public.name_account('A', 'Not a name')`), "GL422");
  assertEquals(await refusal(sql`select public.name_account('nothing', 'x')`), "GL404");
});

databaseTest("accounts: a new token is tried at once, not when the next test is due", async (sql) => {
  await twoAccounts(sql);
  await send(sql, 1, toEach[0]);
  await settle(sql, 2, await claim(sql, 2), FAULT);
  await sql`select public.name_account('A', 'acme')`;
  assertEquals(await held(sql), []);
});

databaseTest(
  "accounts: a ban holds the account's numbers until it ends; an older report changes nothing",
  async (sql) => {
    await twoAccounts(sql);
    const banned = {
      what: "account",
      account: "A",
      kind: "account.banned",
      state: "banned",
      why: "DISABLE",
      data: {},
    };
    await ingest(sql, news(10, banned));
    assertEquals(await held(sql), ["1 account_banned", "2 account_banned"]);
    await ingest(
      sql,
      news(5, { what: "account", account: "A", kind: "account.reinstated", state: "active" }),
    );
    assertEquals(await held(sql), ["1 account_banned", "2 account_banned"], "from before the ban");
    await ingest(
      sql,
      news(20, { what: "account", account: "A", kind: "account.reinstated", state: "active" }),
    );
    assertEquals(await held(sql), []);
    const [{ list }] = await sql`select public.list_numbers() as list`;
    const account = list.accounts.find(({ id }: { id: string }) => id === "A");
    assertEquals([account.state, account.events.map(({ kind }: { kind: string }) => kind)], [
      "active",
      ["account.reinstated", "account.reinstated", "account.banned"],
    ]);
  },
);

databaseTest("accounts: what is reported of a number is stored with it, the newest wins", async (sql) => {
  await twoAccounts(sql);
  const told = { what: "number", account: "A", address: "4930222", kind: "number.quality" };
  await ingest(sql, news(10, { ...told, quality: "red", limit: "TIER_1K" }));
  await ingest(sql, news(5, { ...told, quality: "unknown" }));
  await ingest(sql, news(20, { what: "number", account: "A", kind: "number.limit", limit: "TIER_10K" }));
  assertEquals(
    (await sql`select sender_id, quality, messaging_limit from public.sender_states order by 1`).map((row) =>
      Object.values(row)
    ),
    [["1", null, "TIER_10K"], ["2", "red", "TIER_10K"]],
  );
  const events = await sql`select kind, sender_id, subject from public.account_events order by id`;
  assertEquals(events.map((row) => Object.values(row)), [
    ["number.quality", "2", "4930222"],
    ["number.quality", "2", "4930222"],
    ["number.limit", null, null],
  ]);
});

databaseTest("accounts: a repeated webhook is one event, and those who want are told once", async (sql) => {
  await twoAccounts(sql);
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('hooks.example.com', 'forward')`;
  await sql`select public.add_notification_endpoint('on-call', 'webhook', 'https://hooks.example.com/x')`;
  const paused = news(10, {
    what: "template",
    account: "A",
    id: "7",
    name: "parcel",
    language: "en",
    kind: "template.paused",
    status: "paused",
  });
  assertEquals(await ingest(sql, paused), "s");
  assertEquals(await ingest(sql, paused), "d");
  const rows = await sql`select payload from public.notifications`;
  assertEquals(rows.map(({ payload }) => [payload.kind, payload.account_event.subject]), [[
    "template_paused",
    "parcel en",
  ]]);
  await ingest(
    sql,
    news(11, { what: "template", account: "A", id: "7", kind: "template.quality", quality: "red" }),
  );
  assertEquals((await sql`select from public.notifications`).length, 1, "quality alone is nobody's alarm");
  const [{ subject }] = await sql`select subject from public.account_events where kind = 'template.quality'`;
  assertEquals(subject, null, "no name is known for this id");
});

databaseTest(
  "record_number_check(): stores what was found, and the account of numbers that had none",
  async (sql) => {
    await sql`insert into public.senders (id, address) values ('1', '4930111')`;
    await sql`select public.name_account('10000', 'acme')`;
    await sql`select public.record_number_check(${
      sql.json([
        {
          id: "1",
          account: "10000",
          name: "Lumen",
          quality: "GREEN",
          messaging_limit: "TIER_1K",
          status: "CONNECTED",
        },
        { id: "9", account: "10000", name: "Another" },
      ])
    })`;
    const [{ list }] = await sql`select public.list_numbers() as list`;
    const [number, ...others] = list.numbers;
    assertEquals(others, [], "the number is not known here");
    assertEquals([number.account, number.credentials, number.name, number.quality, number.status], [
      "10000",
      "WHATSAPP_ACCESS_TOKEN_ACME",
      "Lumen",
      "green",
      "connected",
    ]);
    assertMatch(number.checked_at, /^20/);
  },
);
