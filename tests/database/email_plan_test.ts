/** The statements of the rollout plan for reply tokens, letter for letter, forwards and back, with rows in the tables. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { join, MIGRATIONS, ROOT } from "../../lib/paths.ts";
import {
  answer,
  claim,
  claimForwards,
  enqueue,
  ingest,
  mailTest,
  ownerAnswer,
  resolve,
  row,
  send,
  settleForwards,
} from "../support/mail_rows.ts";
import { ALEX, CASEY } from "../support/mail_rows.ts";
import { sqlStatements } from "../../lib/sql_statements.ts";

const text = await Deno.readTextFile(join(ROOT, "tests/fixtures/plans/reply_tracking.sql"));
/** Statements by the name of their step. */
const STEPS = new Map(
  text.split(/^-- step: /m).slice(1).map((part) => {
    const end = part.indexOf("\n");
    return [part.slice(0, end), part.slice(end + 1).trim()];
  }),
);

/** Runs a step; the rows of its last statement. */
async function run(sql: Sql, step: string): Promise<Record<string, unknown>[]> {
  const statement = STEPS.get(step);
  assert(statement !== undefined, step);
  const found: unknown[] = await sql.unsafe(statement);
  const last = Array.isArray(found[0]) ? found.at(-1) as unknown[] : found;
  return [...last] as Record<string, unknown>[];
}

/** A file as `psql -f` runs it: statement by statement. */
async function psqlFile(sql: Sql, name: string): Promise<void> {
  const file = [...Deno.readDirSync(MIGRATIONS)].find((entry) => entry.name.endsWith(name))!.name;
  for (const statement of sqlStatements(await Deno.readTextFile(join(MIGRATIONS, file)))) {
    await sql.unsafe(statement);
  }
}

const LINK = "_add_email_identities_and_msg_link.sql";
const TOKENS = "_add_reply_tokens.sql";

mailTest("the plan's queries find tables and columns, and count what was sent and answered", async (sql) => {
  const tables = await run(sql, "verify tables");
  assertEquals(tables.map((row) => row.table_name).toSorted(), ["email_identities", "reply_tokens"]);
  const columns = await run(sql, "verify columns");
  assertEquals(columns.map((row) => row.column_name).toSorted(), [
    "from_email",
    "message_id_header",
    "sender_identity_id",
  ]);

  const sent = await send(sql);
  await ingest(sql, answer(sent.id));
  const plan = (await run(sql, "explain the look-up")).map((row) => row["QUERY PLAN"]).join("\n");
  assert(plan.includes("reply_tokens_pkey"), plan);
  assertEquals((await run(sql, "count"))[0], { reply_tokens_count: "2" });
  assertEquals((await run(sql, "tokens of the last hour"))[0], { count: "2" });
  const [messages] = await run(sql, "messages by day");
  assertEquals([messages.messages_sent, messages.with_identity, messages.with_headers], ["2", "1", "1"]);
  assertEquals((await run(sql, "tokens by day"))[0].tokens_created, "2");
  assertEquals((await run(sql, "replies by day"))[0].replies_processed, "1");
  assertEquals((await run(sql, "legacy replies"))[0], {
    legacy_replies: "1",
    via_legacy: "0",
    via_token: "1",
  });
  assertEquals((await run(sql, "conflicts")).length, 1);
});

mailTest(
  "tokens that a team lets expire no longer count, and the answer is found by its headers",
  async (sql) => {
    const old = await send(sql);
    await run(sql, "tokens expire");
    const recent = await send(sql);
    const [{ days }] = await sql`
    select round(extract(epoch from expires_at - now()) / 86400)::int as days from public.reply_tokens where token = ${
      old.mail!.token
    }`;
    assertEquals(days, 90);
    assertEquals((await resolve(sql, { tokens: [recent.mail!.token] })).message?.id, recent.id);

    await sql`update public.reply_tokens set expires_at = now() - interval '1 day' where token = ${
      old.mail!.token
    }`;
    const late = { tokens: [old.mail!.token], references: [old.mail!.message_id_header] };
    const found = await resolve(sql, late);
    assertEquals([found.via, found.token, found.message?.id, found.sender.is_recipient], [
      "references",
      null,
      old.id,
      true,
    ]);

    await run(sql, "cleanup");
    await sql`select cleanup_expired_tokens()`;
    assertEquals(await row(sql, "select array_agg(token) from public.reply_tokens"), [[recent.mail!.token]]);
    assertEquals((await resolve(sql, late)).message?.id, old.id);
  },
);

mailTest(
  "the plan's rollback runs with rows in the tables, and mail goes on: sent, answered, forwarded and relayed",
  async (sql) => {
    const before = await send(sql);
    const [first] = await ingest(sql, answer(before.id));
    await run(sql, "rollback columns");
    await run(sql, "rollback tables");
    assertEquals(await run(sql, "verify tables"), []);
    assertEquals(await run(sql, "verify columns"), []);

    // Nothing is lost.
    assertEquals(await row(sql, "select count(*)::int from public.messages where channel = 'email'"), [2]);
    assertEquals(await row(sql, "select count(*)::int from public.email_replies"), [1]);
    // What was on its way goes.
    const [forward] = await claimForwards(sql);
    assertEquals([forward.message.id, forward.mail!.token, forward.mail!.reply_to], [
      first.message_id,
      null,
      "legacy",
    ]);
    await settleForwards(sql, [forward]);

    // An answer to what had a token is found by its headers; a new mail has the legacy address, by which it is found too.
    assertEquals(
      (await resolve(sql, { tokens: [before.mail!.token], references: [before.mail!.message_id_header] }))
        .via,
      "references",
    );
    const after = await send(sql, { user_id: "user-alex" });
    assertEquals([after.mail!.token, after.mail!.user_id, after.number_id], [null, "user-alex", ALEX.from]);
    const legacy = { legacy: [{ message: after.id, user: "user-alex", campaign: null }] };
    const found = await resolve(sql, legacy);
    assertEquals([found.via, found.message?.id, found.identity?.forward_to], [
      "legacy",
      after.id,
      ALEX.inbox,
    ]);
    const [second] = await ingest(sql, answer(after.id, { via: "legacy" }));
    assertEquals([second.outcome, second.forward_to], ["stored", ALEX.inbox]);
    const [relayed] = await ingest(sql, ownerAnswer(second.message_id!));
    assertEquals(relayed.relayed, true);
    assertEquals(
      await row(sql, "select count(*)::int from public.email_replies where via = 'legacy' and arm = 'off'"),
      [1],
    );
    assertEquals((await sql`select public.email_overview(7) -> 'replies' as replies`)[0].replies.all, 2);
    await sql`select public.export_contact(${CASEY})`;
  },
);

mailTest(
  "the two migrations run statement by statement, twice, and after the rollback, and bring the identities back",
  async (sql) => {
    const sent = await send(sql);
    for (const file of [LINK, TOKENS, LINK, TOKENS]) await psqlFile(sql, file);
    assertEquals((await resolve(sql, { tokens: [sent.mail!.token] })).message?.id, sent.id);
    const identities = () =>
      sql`select id, user_id, from_email, forward_to, is_default, state from public.email_identities order by id`;
    const known = [...await identities()];
    assertEquals(known.length, 2);
    const [{ versions }] =
      await sql`select count(*)::int as versions from private.own_migrations where version in ('20261129002470', '20261129002480')`;
    assertEquals(versions, 2);

    await run(sql, "rollback columns");
    await run(sql, "rollback tables");
    for (const file of [LINK, TOKENS, LINK, TOKENS]) await psqlFile(sql, file);
    assertEquals([...await identities()], known);
    const again = await send(sql);
    assertEquals(typeof again.mail!.token, "string");
    assertEquals(
      await row(
        sql,
        "select from_email, sender_identity_id::text, message_id_header from public.messages where id = $1",
        again.id,
      ),
      [
        ALEX.from,
        ALEX.id,
        `<${again.id}@send.example>`,
      ],
    );
  },
);

mailTest(
  "with the flag off for the sender a mail has the legacy address, and is told apart by arm",
  async (sql) => {
    await sql`
    update public.settings set metadata = '{"rollout_percentage": 0, "target_user_ids": ["user-desk"]}'
    where key = 'email_reply_tokens.enabled'`;
    const [off, on] = [await send(sql, { user_id: "user-alex" }), await send(sql, { user_id: "user-desk" })];
    assertEquals([off.mail!.token, typeof on.mail!.token], [null, "string"]);
    await ingest(sql, answer(off.id, { via: "legacy" }), answer(on.id));
    assertEquals(
      (await sql`select via, arm from public.email_replies order by via`).map((row) => ({ ...row })),
      [{ via: "legacy", arm: "off" }, { via: "token", arm: "on" }],
    );
  },
);

mailTest("what is queued without the tables waits for nobody", async (sql) => {
  const [{ id }] = await enqueue(sql);
  await run(sql, "rollback columns");
  await run(sql, "rollback tables");
  assertEquals((await claim(sql)).map((message) => [message.id, message.mail!.token]), [[id, null]]);
});
