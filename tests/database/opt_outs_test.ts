/** Who has said that they want no more: how wide it means, and who may still be written to. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { ingest, lost, message, status } from "../support/intake.ts";
import {
  at,
  claim,
  databaseTest,
  HOUR,
  send,
  settle,
  T0,
  TEMPLATE,
  text,
  TO,
  written,
} from "../support/outbound.ts";

const offer = (more: Record<string, unknown> = {}) => ({ ...text(""), message: { ...TEMPLATE, ...more } });

databaseTest("opt-out: blocks marketing templates and nothing else", async (sql) => {
  await written(sql);
  await sql`update public.conversations set opted_out_at = ${at(10)}`;
  const answers = await send(
    sql,
    20,
    text("hi"),
    offer(),
    offer({ category: "marketing" }),
    offer({ category: "MARKETING_LITE" }),
    offer({ category: "utility" }),
    offer({ category: "AUTHENTICATION" }),
  );
  assertEquals(answers.map((a) => a.error), [
    undefined,
    ...Array(3).fill("opted_out"),
    undefined,
    undefined,
  ]);
  assertEquals((await send(sql, 25 * HOUR, text("late")))[0].error, "window_closed", "the window stays");
});

/** The account that number 1 belongs to, as a webhook tells it. */
const account = (sql: Sql) =>
  sql`select public.tell_accounts(${
    sql.json([{
      channel: "whatsapp",
      id: "1",
      address: "15550783881",
      provider: "whatsapp",
      account: "WABA",
    }])
  })`;

/** A webhook about a template. */
const told = (category: string, seconds: number, changes: Record<string, unknown> = {}) => ({
  key: `x:${crypto.randomUUID()}`,
  field: "template_category_update",
  kind: "other",
  news: { what: "template", account: "WABA", id: "7", name: "hello", language: "en", category, ...changes },
  at: at(seconds),
  raw: {},
});

databaseTest("category: the provider's newest value takes precedence over the sender's", async (sql) => {
  await written(sql);
  await account(sql);
  await sql`update public.conversations set opted_out_at = ${at(1)}`;
  const goes = async (more = {}) => (await send(sql, 2, offer(more)))[0].error === undefined;
  await ingest(sql, told("UTILITY", 100));
  assertEquals(await goes(), true);
  await ingest(sql, told("MARKETING", 300), told("UTILITY", 200));
  assertEquals([await goes(), await goes({ category: "utility" })], [false, false]);
  await ingest(sql, told("UTILITY", 250));
  assertEquals(await goes(), false, "older than what is known");
  await ingest(sql, told("AUTHENTICATION", 400, { name: undefined, language: undefined }));
  assertEquals(await goes(), true, "by its id");
  await ingest(
    sql,
    told("MARKETING", 500, { account: "ANOTHER" }),
    told("MARKETING", 500, { language: "de" }),
  );
  assertEquals(await goes(), true, "another account's, or language");
});

databaseTest("category: an unknown one is requested once by the queue, and stored", async (sql) => {
  await written(sql);
  await account(sql);
  await sql`update public.conversations set opted_out_at = ${at(1)}`;
  const now = Math.round((Date.now() - T0) / 1000);
  const [{ id }] = await send(sql, now, offer());
  const claimed = await claim(sql, now);
  assertEquals(claimed.map(({ ask }) => ask), [{ account: "WABA", name: "hello" }]);
  const answer = async (found: unknown[]) =>
    (await sql`select public.answer_category(${id!}, ${sql.json(found as never)}) as answer`)[0].answer;
  assertEquals(
    await answer([{ language: "de", category: "MARKETING" }, { language: "en", category: "UTILITY" }]),
    {
      opted_out: false,
    },
  );
  await settle(sql, now, claimed, { outcome: "sent", provider_id: "wamid.asked" });
  await send(sql, now + 1, offer());
  const [next] = await claim(sql, now + 1);
  assertEquals([next.ask, next.opted_out], [undefined, undefined]);
  assertEquals(
    (await send(sql, now + 1, offer({ template: { name: "hello", language: { code: "de" } } })))[0].error,
    "opted_out",
  );
});

databaseTest(
  "category: if the provider has none, the stated one or marketing applies, and it is requested again in an hour",
  async (sql) => {
    await written(sql);
    await account(sql);
    await sql`update public.conversations set opted_out_at = ${at(1)}`;
    const now = Math.round((Date.now() - T0) / 1000);
    const [{ id }] = await send(sql, now, offer());
    await claim(sql, now);
    const [{ answer }] = await sql`select public.answer_category(${id!}, '[]') as answer`;
    assertEquals(answer, { opted_out: true });
    const errors = async (seconds: number) =>
      (await send(sql, seconds, offer(), offer({ category: "utility" }))).map(({ error }) => error);
    assertEquals(await errors(now + 1), ["opted_out", undefined]);
    assertEquals(await errors(now + HOUR + 2), [undefined, undefined], "queued, to be asked for");
  },
);

databaseTest("opt-out: a waiting message is not sent to a person who opts out meanwhile", async (sql) => {
  await written(sql);
  await send(sql, 1, offer(), offer({ category: "utility" }), text("answer"));
  await sql`update public.conversations set opted_out_at = ${at(2)}`;
  const told: unknown[] = [];
  for (let n = 0; n < 3; n++) {
    const claimed = await claim(sql, 3);
    told.push(claimed[0].opted_out);
    await settle(sql, 3, claimed, { outcome: "failed", error: { code: "opted_out" } });
  }
  assertEquals(told, [true, undefined, undefined]);
});

const optedOut = async (sql: Sql) =>
  (await sql<{ out: boolean }[]>`
    select opted_out_at is not null as out from public.conversations order by number_id`).map(({ out }) =>
    out
  );

databaseTest("opt-out: Meta's error 131050 is one, in an answer or in a status", async (sql) => {
  for (const way of ["answer", "status"]) {
    await sql`update public.conversations set opted_out_at = null, opt_told_at = null`;
    await written(sql);
    const [{ id }] = await send(sql, 1, offer());
    const claimed = await claim(sql, 1);
    if (way === "answer") {
      await settle(sql, 2, claimed, { outcome: "failed", error: { code: 131050 } });
    } else {
      await settle(sql, 2, claimed, { outcome: "sent", provider_id: `wamid.${way}` });
      await ingest(
        sql,
        status(`wamid.${way}`, "failed", { callback: id, error: [{ code: 131050 }], at: at(3) }),
        message({ at: at(4) }),
      );
    }
    assertEquals(await optedOut(sql), [true], way);
  }
  assertEquals(await lost(sql), []);
});

databaseTest("set_opt_out: a service may set it, also for a person who has never written", async (sql) => {
  await sql`insert into public.wa_numbers (id) values ('1'), ('2')`;
  const set = (to: string, out: boolean, number: string | null) =>
    as(
      sql,
      SERVICE,
      async (sql) => (await sql`select public.set_opt_out(${to}, ${out}, ${number}) as answer`)[0].answer,
    );
  const answer = await set("+49 151 00000001", true, null);
  assertEquals([answer.opted_out, answer.numbers], [true, ["1", "2"]]);
  assertEquals((await send(sql, 0, offer()))[0].error, "from_required", "nobody has written from either");
  assertEquals((await send(sql, 0, { ...offer(), number_id: "2" }))[0].error, "opted_out");
  await set(TO, false, "2");
  assertEquals(await optedOut(sql), [true, false]);
  assertEquals((await send(sql, 0, { ...offer(), number_id: "2" }))[0].status, "queued");
  await set("DE.998877665544", true, "1");
  assertEquals(await optedOut(sql), [true, true, false]);
  assertEquals(await refusal(set("nobody", true, null)), "GL422");
  assertEquals(await refusal(set(TO, true, "9")), "GL404");
});

databaseTest("opt-out: a message blocked by it does not affect the state of a held account", async (sql) => {
  await written(sql);
  await send(sql, 1, offer());
  await sql`update public.conversations set opted_out_at = ${at(2)}`;
  await sql`update public.senders set held_since = ${at(0)}, held_code = '190', held_until = ${at(3)}`;
  await settle(sql, 4, await claim(sql, 4), { outcome: "failed", error: { code: "opted_out" } });
  const [{ held_code }] = await sql`select held_code from public.senders`;
  assertEquals(held_code, "190");
});
