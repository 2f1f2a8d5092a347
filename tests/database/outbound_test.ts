/** Sending in SQL: window, opt-out, idempotency, pace, and what becomes of each message. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Sql } from "postgres";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { databaseTest as bareDatabaseTest } from "../support/database.ts";
import { until } from "../support/until.ts";
import { ingest, lost, message, status } from "../support/intake.ts";

const T0 = Date.UTC(2026, 10, 21, 12);
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const HOUR = 3600;
const TO = "4915100000001";

/** Sending is on, but where a test says otherwise. */
function databaseTest(name: string, test: (sql: Sql) => Promise<void>): void {
  bareDatabaseTest(name, async (sql) => {
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    await test(sql);
  });
}

interface Answer {
  id?: string;
  status?: string;
  error?: string;
  used_fallback?: boolean;
  repeated?: boolean;
}

/** Whom a message is for. */
const to = (phone: string) => ({ to: phone, identities: [{ kind: "phone", value: phone }] });

const text = (body: string, more: Record<string, unknown> = {}) => ({
  ...to(TO),
  text: body,
  message: { type: "text", text: { body } },
  ...more,
});
const TEMPLATE = { type: "template", template: { name: "hello", language: { code: "en" } } };

async function send(sql: Sql, seconds: number, ...items: Record<string, unknown>[]): Promise<Answer[]> {
  const [{ answers }] = await sql<{ answers: Answer[] }[]>`
    select private.enqueue_outbound(${sql.json(items as never)}, ${at(seconds)}) as answers`;
  return answers;
}

interface Claimed {
  id: string;
  lease: string;
  attempt: number;
  to: string;
  contact_id: string;
  ask?: { account: string; name: string };
  opted_out?: boolean;
  message: { type: string; text?: { body: string } };
}

async function claim(sql: Sql, seconds: number, limit = 1000): Promise<Claimed[]> {
  const [{ claimed }] = await sql`select private.claim_outbound(${limit}, 60, '{}', '{whatsapp}', ${
    at(seconds)
  }) as claimed`;
  return claimed.messages;
}

async function settle(sql: Sql, seconds: number, claimed: Claimed[], result: Record<string, unknown>) {
  const results = claimed.map(({ id, lease }) => ({ id, lease, ...result }));
  const [{ settled }] = await sql`select private.settle_outbound(${sql.json(results as never)}, ${
    at(seconds)
  }) as settled`;
  return settled as { settled: number; fenced: number };
}

/** A person who wrote to number 1 at T0. */
async function written(sql: Sql, phone = TO): Promise<void> {
  await ingest(sql, message({ phone, at: at(0) }));
}

databaseTest("window: free text for 24 hours after the person wrote, templates at any time", async (sql) => {
  await written(sql);
  const [open, closed, template] = [
    await send(sql, 24 * HOUR - 1, text("still open")),
    await send(sql, 24 * HOUR, text("too late")),
    await send(sql, 48 * HOUR, { ...text(""), message: TEMPLATE }),
  ];
  assertEquals([open[0].status, closed[0].error, template[0].status], ["queued", "window_closed", "queued"]);
  assertEquals(
    (await send(sql, 0, text("hi", to("49999"))))[0].error,
    "window_closed",
  );
});

databaseTest(
  "window: the template of the request, else that of the setting, goes when it is closed",
  async (sql) => {
    await written(sql);
    const [own] = await send(sql, 25 * HOUR, text("late", { fallback: TEMPLATE }));
    assertEquals(own.used_fallback, true);
    await sql`insert into public.settings (key, value) values ('wa_send.window_fallback', ${
      JSON.stringify(TEMPLATE)
    })`;
    const [setting] = await send(sql, 25 * HOUR, text("late"));
    assertEquals(setting.used_fallback, true);
    const rows = await sql<{ type: string }[]>`select type from public.messages where direction = 'out'`;
    assertEquals(rows.map((row) => row.type), ["template", "template"]);
  },
);

databaseTest("claim: a message that is committed while a claim begins is handed out whole", async (sql) => {
  await written(sql);
  let claiming: Promise<Claimed[]> | undefined;
  let queued = "";
  await sql.begin(async (writer) => {
    const item = { ...text("hi"), message: TEMPLATE };
    const [{ answers }] = await writer`select public.enqueue_outbound(${writer.json([item])}) as answers`;
    queued = answers[0].id;
    // The claim has begun, and has not yet looked at the queue.
    await writer`lock table private.outbound_lanes in access exclusive mode`;
    claiming = sql<{ claimed: { messages: Claimed[] } }[]>`select public.claim_outbound(10, 60) as claimed`
      .then(([{ claimed }]) => claimed.messages);
    await until("the claim waits", async () => {
      const [{ waits }] = await writer`
        select exists (select from pg_locks where not granted and relation = 'private.outbound_lanes'::regclass) as waits`;
      return waits;
    });
  });
  const claimed = await claiming!;
  const [{ state, contact_id }] = await sql`
    select o.state, c.contact_id from public.outbound_messages o
    join public.conversations c on c.id = o.conversation_id where o.id = ${queued}`;
  assertEquals(state, "leased");
  assertEquals(claimed.map((each) => [each.id, each.contact_id]), [[queued, contact_id]]);
});

const offer = (more: Record<string, unknown> = {}) => ({ ...text(""), message: { ...TEMPLATE, ...more } });

databaseTest("opt-out: marketing templates stop, all else goes as before", async (sql) => {
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
  template: { account: "WABA", id: "7", name: "hello", language: "en", category, ...changes },
  at: at(seconds),
  raw: {},
});

databaseTest("category: the newest word of the provider, before what the sender states", async (sql) => {
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

databaseTest("category: what is not known is asked for once, by the queue, and kept", async (sql) => {
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
  "category: none that the provider knows is as stated, else marketing, and asked again in an hour",
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

databaseTest("opt-out: who says it while a message waits does not get it", async (sql) => {
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

databaseTest("opt-out: Meta's error 131050 is one, answered at once or told by a status", async (sql) => {
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

databaseTest("set_opt_out: a service's word, also about somebody who never wrote", async (sql) => {
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

databaseTest(
  "idempotency: the same key is the same message, also at the same time; another request under it is refused",
  async (sql) => {
    await written(sql);
    const item = text("once", { idempotency_key: "k" });
    const answers = (await Promise.all(Array.from({ length: 8 }, () => send(sql, 1, item)))).flat();
    assertEquals(new Set(answers.map((answer) => answer.id)).size, 1);
    assertEquals(
      (await send(sql, 2, text("other", { idempotency_key: "k" })))[0].error,
      "idempotency_conflict",
    );
    const [{ n, m }] = await sql`
    select (select count(*)::int from public.outbound_messages) as n,
      (select count(*)::int from public.messages where direction = 'out') as m`;
    assertEquals([n, m], [1, 1]);
  },
);

databaseTest("from: the number of the conversation, else the only one, else it must be said", async (sql) => {
  assertEquals((await send(sql, 0, text("hi")))[0].error, "from_required");
  await sql`insert into public.wa_numbers (id) values ('1')`;
  assertEquals((await send(sql, 0, { ...text(""), message: TEMPLATE }))[0].status, "queued");
  await sql`insert into public.wa_numbers (id) values ('2')`;
  assertEquals((await send(sql, 0, { ...text(""), message: TEMPLATE }))[0].status, "queued");
  assertEquals(
    (await send(sql, 0, { ...text("", to("498")), message: TEMPLATE }))[0].error,
    "from_required",
  );
  assertEquals(
    (await send(sql, 0, { ...text(""), number_id: "3", message: TEMPLATE }))[0].error,
    "unknown_number",
  );
});

databaseTest("rate: a key that asks too fast is refused, and told when to come back", async (sql) => {
  await written(sql);
  const limit = { key: "send:k", per_second: 0.01, burst: 2 };
  const answers = await send(sql, 1, ...["1", "2", "3"].map((body) => text(body, { limit })));
  assertEquals(answers.map((answer) => answer.error), [undefined, undefined, "rate_limited"]);
});

databaseTest(
  "order: one message of a conversation at a time, the next when the one before is settled",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("1"), text("2"), text("3"));
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const claimed = await claim(sql, 2 + i);
      assertEquals(claimed.length, 1);
      order.push(claimed[0].message.text?.body);
      await settle(sql, 2 + i, claimed, { outcome: "sent", provider_id: `wamid.${i}` });
    }
    assertEquals(order, ["1", "2", "3"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "pace: a pair gets its burst and then one message in six seconds, whoever claims and however often",
  async (sql) => {
    await written(sql);
    await sql`update public.wa_numbers set pair_burst = 3`;
    await send(sql, 1, ...Array.from({ length: 10 }, (_, i) => text(String(i))));
    const sent: number[] = [];
    for (let second = 2; sent.length < 10; second++) {
      // Three isolates at once, in each second.
      for (const claimed of await Promise.all([claim(sql, second), claim(sql, second), claim(sql, second)])) {
        sent.push(...claimed.map(() => second));
        await settle(sql, second, claimed, { outcome: "sent", provider_id: `wamid.${second}` });
      }
      assert(sent.length <= 3 + (second - 2) / 6 + 1, `${sent.length} in ${second - 2} s`);
      assert(second < 100);
    }
  },
);

databaseTest(
  "pace: a number never exceeds its messages a second, in any second, over all its conversations",
  async (sql) => {
    await ingest(sql, ...Array.from({ length: 300 }, (_, i) => message({ phone: `c${i}`, at: at(0) })));
    await send(sql, 1, ...Array.from({ length: 300 }, (_, i) => text("hi", to(`c${i}`))));
    const sent: number[] = [];
    for (let tick = 0; sent.length < 300; tick++) {
      const now = 2 + tick / 50;
      for (const claimed of await Promise.all([claim(sql, now), claim(sql, now)])) {
        sent.push(...claimed.map(() => now));
        await settle(sql, now, claimed, { outcome: "sent", provider_id: `wamid.${now}` });
      }
      assert(sent.filter((time) => time > now - 1).length <= 80, `more than 80 in the second before ${now}`);
      assert(tick < 1000);
    }
  },
);

databaseTest(
  "throttled: the number rests as long as the provider says, the message goes later",
  async (sql) => {
    await written(sql);
    await written(sql, "492");
    await send(sql, 1, text("a"), text("b", to("492")));
    const first = await claim(sql, 2, 1);
    await settle(sql, 2, first, {
      outcome: "retry",
      retry_after_ms: 30_000,
      put_off: "throttle",
      scope: "number",
      error: { code: 130429 },
    });
    assertEquals((await claim(sql, 20)).length, 0);
    assertEquals((await claim(sql, 33)).length, 2);
  },
);

databaseTest("failed: given up with the provider's reason, and the conversation goes on", async (sql) => {
  await written(sql);
  await send(sql, 1, text("1"), text("2"));
  await settle(sql, 2, await claim(sql, 2), { outcome: "failed", error: { code: 131026 } });
  const [row] =
    await sql`select m.status, m.error, o.state from public.messages m join public.outbound_messages o on o.id = m.id
    where m.text = '1'`;
  assertEquals({ ...row }, { status: "failed", error: { code: 131026 }, state: "failed" });
  assertEquals((await claim(sql, 3)).map((claimed) => claimed.message.text?.body), ["2"]);
});

databaseTest(
  "crash: a message whose sender died goes again, unless its status has told that it went",
  async (sql) => {
    await written(sql);
    await written(sql, "492");
    const [a, b] = await send(sql, 1, text("a"), text("b", to("492")));
    const claimed = await claim(sql, 2);
    assertEquals(claimed.length, 2);
    await ingest(sql, status("wamid.a", "sent", { callback: a.id }));
    const again = await claim(sql, 63);
    assertEquals(again.map(({ id, attempt }) => ({ id, attempt })), [{ id: b.id!, attempt: 2 }]);
    assertEquals(await settle(sql, 64, claimed, { outcome: "failed", error: {} }), { settled: 0, fenced: 2 });
    const rows = await sql<{ text: string; status: string }[]>`
    select text, status from public.messages where direction = 'out' order by text`;
    assertEquals(rows.map((row) => ({ ...row })), [{ text: "a", status: "sent" }, {
      text: "b",
      status: "queued",
    }]);
  },
);

databaseTest(
  "receipt: a read receipt goes out in the conversation of its message, and is no message itself",
  async (sql) => {
    await ingest(sql, message({ provider_id: "wamid.read me", at: at(0) }));
    const item = (id: string) => ({ to: TO, message: { type: "read", message_id: id } });
    const answers = await send(sql, 30 * HOUR, item("wamid.read me"), item("wamid.nobody's"));
    assertEquals(answers.map((answer) => answer.error ?? answer.status), ["queued", "unknown_message"]);
    assertEquals((await claim(sql, 30 * HOUR + 1)).map((claimed) => claimed.message.type), ["read"]);
    const [{ n }] = await sql`select count(*)::int as n from public.messages where direction = 'out'`;
    assertEquals(n, 0);
  },
);

databaseTest("flag: off unless something says on, and decided for each contact", async (sql) => {
  await written(sql);
  await written(sql, "492");
  const both = () => send(sql, 1, text("a"), text("b", to("492")));
  await sql`delete from public.settings where key = 'wa_send.enabled'`;
  assertEquals((await both()).map((answer) => answer.error), ["feature_off", "feature_off"]);
  const [{ contact_id }] = await sql<{ contact_id: string }[]>`
    select contact_id from public.contact_identities where value = '492'`;
  await sql`insert into public.settings (key, value, metadata) values
    ('wa_send.enabled', 'true', ${sql.json({ rollout_percentage: 0, target_user_ids: [contact_id] })})`;
  assertEquals((await both()).map((answer) => answer.error), ["feature_off", undefined]);
});

databaseTest(
  "flag: what is queued for a contact for whom sending is off waits, and goes once it is on",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("a"), text("b"));
    await sql`update public.settings set metadata = '{"rollout_percentage": 0}' where key = 'wa_send.enabled'`;
    assertEquals(await claim(sql, 2), []);
    await sql`update public.settings set metadata = '{"rollout_percentage": 100}' where key = 'wa_send.enabled'`;
    assertEquals((await claim(sql, 8)).map((claimed) => claimed.message.text?.body), ["a"]);
    assertEquals(await lost(sql), []);
  },
);

const HELD = {
  outcome: "retry",
  retry_after_ms: 30_000,
  put_off: "held",
  scope: "number",
  error: { code: 190 },
};

databaseTest(
  "held: a fault of the account costs no message anything, and all go on once one gets through",
  async (sql) => {
    const people = Array.from({ length: 20 }, (_, i) => `49${i}`);
    for (const phone of people) await written(sql, phone);
    await sql`insert into public.wa_numbers (id) values ('2')`;
    await ingest(sql, message({ sender_id: "2", phone: "4999", at: at(0) }));
    await send(sql, 1, ...people.map((phone) => text("hi", to(phone))));
    const first = await claim(sql, 2, 8);
    assertEquals(first.length, 8);
    await settle(sql, 3, first, HELD);
    assertEquals(await claim(sql, 5), [], "nothing goes while it is held");
    // The other number's account is another matter.
    await send(sql, 5, text("hi", { ...to("4999"), number_id: "2" }));
    const other = await claim(sql, 6);
    assertEquals(other.map((claimed) => claimed.to), ["4999"]);
    await settle(sql, 6, other, { outcome: "sent", provider_id: "wamid.other" });

    const waits: number[] = [];
    let second = 3;
    for (let probes = 0; probes < 9; probes++) {
      const from = second;
      let probe: Claimed[] = [];
      for (; probe.length === 0; second++) probe = await claim(sql, second);
      assertEquals(probe.length, 1, "one message tries");
      waits.push(second - from);
      await settle(sql, second, probe, HELD);
    }
    assert(waits.every((wait, i) => i === 0 || wait >= waits[i - 1]) && waits[8] <= 301, String(waits));
    const [waiting] = (await sql`select private.waiting_because(${at(second)}) as w`)[0].w;
    assertEquals([waiting.because, waiting.code, waiting.n], ["held", "190", 20]);
    const [{ health }] = await sql`select private.senders_health(${at(second)}) as health`;
    assertEquals([health.status, health.figures.held[0].code], ["degraded", "190"]);
    assertEquals((await sql`select private.overdue_seconds(${at(second)}) as s`)[0].s, 0);

    const sent: string[] = [];
    for (second += 301; sent.length < 20; second++) {
      const claimed = await claim(sql, second);
      sent.push(...claimed.map((message) => message.to));
      if (sent.length === 0) assert(claimed.length <= 1);
      await settle(sql, second, claimed, { outcome: "sent", provider_id: `wamid.${second}` });
    }
    assertEquals([...sent].sort(), [...people].sort(), "each once");
    const rows = await sql`select distinct attempt from public.outbound_messages`;
    assertEquals(rows.map(({ attempt }) => attempt), [1], "whatever happened to the account");
  },
);

databaseTest(
  "held: a message that the provider refuses for itself says that the account is well",
  async (sql) => {
    await written(sql);
    await written(sql, "492");
    await send(sql, 1, text("a"), text("b", to("492")));
    await settle(sql, 2, await claim(sql, 2), HELD);
    const probe = await claim(sql, 33);
    await settle(sql, 33, probe, { outcome: "failed", error: { code: 131026 } });
    assertEquals((await claim(sql, 34)).length, 1);
    const [{ held_since }] = await sql`select held_since from public.senders`;
    assertEquals(held_since, null);
  },
);

databaseTest("put off: a pace uses up no attempts, however long it lasts", async (sql) => {
  await written(sql);
  await send(sql, 1, text("a"), text("b"));
  for (let i = 0; i < 30; i++) {
    const [claimed, ...rest] = await claim(sql, 2 + i * 1000);
    assertEquals([claimed.message.text?.body, claimed.attempt, rest], ["a", 1, []], "and its order stays");
    await settle(sql, 2 + i * 1000, [claimed], {
      outcome: "retry",
      retry_after_ms: 900_000,
      put_off: "throttle",
      scope: "pair",
      error: { code: 131056 },
    });
  }
});

databaseTest(
  "aside: what the provider keeps refusing lets the next ones pass after the third attempt, and goes on trying",
  async (sql) => {
    await written(sql);
    await send(sql, 0, text("stuck"), text("next"), text("last"));
    const body = (claimed: Claimed[]) => claimed.map((message) => message.message.text?.body);
    const refuse = async (second: number, retry_after_ms: number) => {
      const claimed = await claim(sql, second);
      await settle(sql, second, claimed, { outcome: "retry", retry_after_ms, error: { code: 131000 } });
      return body(claimed);
    };
    assertEquals(await refuse(1, 1000), ["stuck"]);
    assertEquals(await refuse(2, 4000), ["stuck"]);
    assertEquals(await claim(sql, 4), [], "in their order until then");
    assertEquals(await refuse(6, 16_000), ["stuck"]);
    const passed = await claim(sql, 7);
    assertEquals(body(passed), ["next"]);
    await settle(sql, 7, passed, { outcome: "sent", provider_id: "wamid.next" });
    assertEquals(await refuse(22, 64_000), ["stuck"], "it is due again");
    const last = await claim(sql, 23);
    assertEquals(body(last), ["last"]);
    await settle(sql, 23, last, { outcome: "sent", provider_id: "wamid.last" });
    assertEquals(await lost(sql), []);
    const own = await claim(sql, 87);
    assertEquals(own.map((message) => [message.message.text?.body, message.attempt]), [["stuck", 5]]);
    await settle(sql, 87, own, { outcome: "sent", provider_id: "wamid.stuck" });
    assertEquals(await claim(sql, 10_000), []);
  },
);

databaseTest("aside: a message that would hold the chat up for 30 s does not", async (sql) => {
  await written(sql);
  await send(sql, 0, text("slow"), text("next"));
  const claimed = await claim(sql, 1);
  await settle(sql, 16, claimed, { outcome: "retry", retry_after_ms: 60_000, error: { code: "timeout" } });
  assertEquals((await claim(sql, 17)).map((message) => message.message.text?.body), ["next"]);
});

const FALLBACK = { type: "template", template: { name: "shipped", language: { code: "en" } } };

/** What became of a message, and what is sent of it. */
async function stateOf(sql: Sql, id: string) {
  const [row] = await sql`
    select o.state, o.used_fallback, m.status, m.native #>> '{template,name}' as template, m.error
    from public.outbound_messages o join public.messages m on m.id = o.message_id where o.id = ${id}`;
  return { ...row };
}

databaseTest(
  "fallback: goes where the provider says that the window is closed, at once or later, and once",
  async (sql) => {
    for (const [phone, later] of [["4901", false], ["4902", true]] as const) {
      await written(sql, phone);
      const [{ id }] = await send(sql, 1, text("free", { ...to(phone), fallback: FALLBACK }));
      const first = await claim(sql, 2);
      const error = { code: 131047 };
      if (later) {
        await settle(sql, 2, first, { outcome: "sent", provider_id: "wamid.first" });
        await ingest(sql, status("wamid.first", "failed", { callback: id, error: [error] }));
      } else {
        await settle(sql, 2, first, { outcome: "failed", error });
      }
      assertEquals(await stateOf(sql, id!), {
        state: "queued",
        used_fallback: true,
        status: "queued",
        template: "shipped",
        error: null,
      });
      const again = await claim(sql, later ? 10 + (Date.now() - T0) / 1000 : 9);
      assertEquals(again.map(({ id, attempt, message }) => [id, attempt, message.type]), [[
        id,
        1,
        "template",
      ]]);
      await settle(sql, 10, again, { outcome: "failed", error });
      assertEquals((await stateOf(sql, id!)).state, "failed", "not for ever");
    }
    assertEquals(await lost(sql), []);
  },
);

databaseTest("fallback: without one, or for who wants no templates, the message has failed", async (sql) => {
  await written(sql);
  const [{ id }] = await send(sql, 1, text("free"));
  await settle(sql, 2, await claim(sql, 2), { outcome: "failed", error: { code: 131047 } });
  assertEquals((await stateOf(sql, id!)).state, "failed");
  const [other] = await send(sql, 3, text("free", { fallback: FALLBACK }));
  const claimed = await claim(sql, 4);
  await sql`update public.conversations set opted_out_at = ${at(4)}`;
  await settle(sql, 5, claimed, { outcome: "failed", error: { code: 131047 } });
  assertEquals((await stateOf(sql, other.id!)).state, "failed");
});

const identities = (...ids: [kind: string, value: string][]) => ids.map(([kind, value]) => ({ kind, value }));

/** Live contacts, by their ids. */
async function known(sql: Sql): Promise<string[]> {
  const rows = await sql<{ ids: string }[]>`
    select string_agg(i.value, ' ' order by i.id) as ids
    from public.contacts c join public.contact_identities i on i.contact_id = c.id and i.valid_to is null
    where c.merged_into is null group by c.id order by c.id`;
  return rows.map(({ ids }) => ids);
}

databaseTest("answer: who the provider says the person is, they are: one person, one window", async (sql) => {
  await written(sql, "499");
  await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
  const template = { ...text("", to("49030")), number_id: "1", message: TEMPLATE };
  await send(sql, 0, template);
  await settle(sql, 1, await claim(sql, 1), {
    outcome: "sent",
    provider_id: "wamid.1",
    identities: identities(["phone", "4930"], ["bsuid", "DE.1"]),
  });
  assertEquals(await known(sql), ["499", "49030 4930 DE.1"]);
  await ingest(sql, message({ phone: undefined, bsuid: "DE.1", at: at(2) }));
  for (const spelled of ["49030", "4930"]) {
    assertEquals((await send(sql, 3, text("hi", to(spelled))))[0].status, "queued");
  }
  assertEquals((await claim(sql, 3)).map((one) => one.to), ["49030"]);
  assertEquals(await lost(sql), []);
});

databaseTest(
  "answer: two contacts that it tells to be one are merged, with what waits for them",
  async (sql) => {
    await written(sql, "4930");
    await sql`update public.conversations set opted_out_at = ${at(1)}`;
    const [{ id }] = await send(sql, 0, { ...text("", to("49030")), message: TEMPLATE });
    await send(sql, 0, { ...text("", to("49030")), message: TEMPLATE });
    const [first] = await claim(sql, 1);
    assertEquals(first.id, id);
    // The lease that is broken by the merge fences this very result off; what it told is kept all the same.
    await settle(sql, 1, [first], { outcome: "sent", identities: identities(["phone", "4930"]) });
    assertEquals(await known(sql), ["4930 49030"]);
    assertEquals((await sql`select from public.conversations`).length, 1);
    const [refused] = await send(sql, 2, { ...text("", to("49030")), message: TEMPLATE });
    assertEquals(refused.error, "opted_out");
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "to: one person in each spelling of the number, written to as the caller spells it",
  async (sql) => {
    const pairs = [["554188887001", "5541988887001"], ["5215512340001", "525512340001"], [
      "5491123450001",
      "541123450001",
    ]];
    for (const [shown, dialled] of pairs) {
      await written(sql, shown);
      assertEquals((await send(sql, 1, text("hi", to(dialled))))[0].status, "queued");
    }
    assertEquals(
      (await claim(sql, 1)).map((one) => one.to).sort(),
      pairs.map(([, dialled]) => dialled).sort(),
    );
    assertEquals(await known(sql), pairs.map(([shown]) => shown));
    // An opt-out is the person's, not the spelling's.
    await ingest(
      sql,
      ...pairs.map(([, phone], n) => ({
        key: `x:opt${n}`,
        field: "user_preferences",
        kind: "other",
        sender_id: "1",
        phone,
        opt: "out",
        at: at(2),
        raw: {},
      })),
    );
    for (const phone of pairs.flat()) {
      assertEquals((await send(sql, 3, { ...text("", to(phone)), message: TEMPLATE }))[0].error, "opted_out");
    }
  },
);

databaseTest(
  "to: what was replaced leads to what replaced it, unless somebody else has it now",
  async (sql) => {
    await ingest(sql, message({ phone: "491", bsuid: "DE.1", at: at(0) }));
    const change = {
      kind: "identity",
      type: "system",
      prev_phone: "491",
      phone: "492",
      prev_bsuid: "DE.1",
      bsuid: "DE.2",
    };
    await ingest(sql, message({ ...change, at: at(1) }));
    const first = { ...text("one", to("491")), idempotency_key: "k" };
    const answers = await send(
      sql,
      2,
      first,
      text("two", { to: "DE.1", identities: identities(["bsuid", "DE.1"]) }),
    );
    assertEquals(answers.map(({ status }) => status), ["queued", "queued"]);
    assertEquals((await send(sql, 2, first))[0].repeated, true);
    const queued = await sql`select recipient from public.outbound_messages order by id`;
    assertEquals(queued.map(({ recipient }) => recipient), ["492", "492"]);
    assertEquals((await known(sql)).length, 1);
    await ingest(sql, message({ phone: "491", bsuid: "DE.3", at: at(3) }));
    assertEquals((await send(sql, 4, text("three", to("491"))))[0].status, "queued");
    const [{ recipient }] =
      await sql`select recipient from public.outbound_messages order by id desc limit 1`;
    assertEquals(recipient, "491");
  },
);

databaseTest(
  "to: our own id of a person, or a user name, reaches them; of nobody it is refused",
  async (sql) => {
    await ingest(sql, message({ phone: undefined, bsuid: "DE.1", username: "ada.l", at: at(0) }));
    const [{ id }] = await sql<{ id: string }[]>`select id from public.contacts`;
    const named = (...ids: [string, string][]) => ({
      ...text("hi"),
      to: undefined,
      identities: identities(...ids),
    });
    const nobody = "01968f00-0000-7000-8000-0000000000c1";
    const answers = await send(
      sql,
      1,
      named(["contact", id]),
      named(["username", "ada.l"]),
      named(["contact", nobody]),
      named(["username", "bob"]),
    );
    assertEquals(answers.map(({ status, error }) => status ?? error), [
      "queued",
      "queued",
      "unknown_recipient",
      "unknown_recipient",
    ]);
    const rows = await sql`select distinct recipient from public.outbound_messages`;
    assertEquals(rows.map(({ recipient }) => recipient), ["DE.1"]);
  },
);

databaseTest("refused: a message that may not go leaves nobody and nothing behind", async (sql) => {
  await written(sql);
  const all = async () => {
    const [{ kept }] = await sql`
      select jsonb_build_array((select jsonb_agg(c.id) from public.contacts c), (select jsonb_agg(v.id) from public.conversations v),
        (select jsonb_agg(i.id) from public.contact_identities i), (select count(*) from public.messages)) as kept`;
    return kept;
  };
  await sql`insert into public.wa_numbers (id) values ('2')`;
  const before = await all();
  const refused = [
    text("a", { ...to("492"), number_id: "1" }),
    text("b", { ...to("492"), number_id: "9" }),
    text("c", to("492")),
    text("d", { number_id: "2" }),
  ];
  const codes = ["window_closed", "unknown_number", "from_required", "window_closed"];
  assertEquals((await send(sql, 1, ...refused)).map(({ error }) => error), codes);
  await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
  const off = { ...text("", to("492")), number_id: "1", message: TEMPLATE };
  assertEquals((await send(sql, 1, off))[0].error, "feature_off");
  assertEquals(await all(), before);
});

/** Queues a read receipt for what the person wrote. */
async function receipts(sql: Sql, seconds: number, count: number, more: Record<string, unknown> = {}) {
  const [{ wamid }] = await sql<{ wamid: string }[]>`
    select provider_id as wamid from public.messages where direction = 'in' order by seq desc limit 1`;
  const receipt = { message: { type: "read", message_id: wamid, ...more } };
  await send(sql, seconds, ...Array.from({ length: count }, () => receipt));
}

databaseTest(
  "receipt: words never wait for read receipts, neither in the queue nor for their pace",
  async (sql) => {
    await written(sql);
    await receipts(sql, 0, 60);
    for (let n = 0; n < 55; n++) {
      const claimed = await claim(sql, 1);
      assertEquals(claimed.map(({ message }) => message.type), ["read"]);
      await settle(sql, 1, claimed, { outcome: "sent" });
    }
    await send(sql, 1, text("words"));
    const claimed = await claim(sql, 1);
    assertEquals(claimed.map(({ message }) => message.text?.body), ["words"]);
    await settle(sql, 1, claimed, { outcome: "sent", provider_id: "wamid.w" });
    const [{ send_tat, pair_tat }] = await sql`
    select extract(epoch from s.send_tat - ${at(1)}::timestamptz)::float8 as send_tat,
      extract(epoch from l.pair_tat - ${at(1)}::timestamptz)::float8 as pair_tat
    from public.senders s, private.outbound_lanes l`;
    assertEquals([Math.round(send_tat * 72), pair_tat], [1, 6]);
    assertEquals((await claim(sql, 1)).map(({ message }) => message.type), ["read"]);
  },
);

databaseTest(
  "receipt: one that words overtook shows nobody typing, and words that wait hold none up",
  async (sql) => {
    await written(sql);
    await receipts(sql, 0, 1, { typing_indicator: { type: "text" } });
    await send(sql, 0, text("words"));
    const words = await claim(sql, 0);
    await settle(sql, 0, words, { outcome: "sent", provider_id: "wamid.w" });
    const [late] = await claim(sql, 0);
    assertEquals(Object.keys(late.message).sort(), ["message_id", "type"]);
    await settle(sql, 0, [late], { outcome: "sent" });
    await send(sql, 1, text("refused for now"));
    await settle(sql, 1, await claim(sql, 1), { outcome: "retry", error: {}, retry_after_ms: 60_000 });
    await receipts(sql, 2, 1, { typing_indicator: { type: "text" } });
    assertEquals((await claim(sql, 2)).map(({ message }) => Object.keys(message).length), [3]);
  },
);

databaseTest("reaction: names the message that it is to", async (sql) => {
  await written(sql);
  await send(
    sql,
    1,
    text("", { message: { type: "reaction", reaction: { message_id: "wamid.x", emoji: "+" } } }),
  );
  const [{ reply_to }] = await sql`select reply_to from public.messages where direction = 'out'`;
  assertEquals(reply_to, "wamid.x");
});

databaseTest(
  "echo: one that overtakes the provider's answer becomes the message when that comes",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("once"));
    const claimed = await claim(sql, 1);
    await ingest(sql, message({ kind: "echo", provider_id: "wamid.o", body: "once", phone: TO }));
    await settle(sql, 2, claimed, { outcome: "sent", provider_id: "wamid.o" });
    const rows = await sql`select id from public.messages where provider_id = 'wamid.o'`;
    assertEquals(rows.map(({ id }) => id), [claimed[0].id]);
  },
);

databaseTest("groups: written to as the group, within 24 hours after one of it wrote", async (sql) => {
  await ingest(sql, message({ group: "R3JvdXA6MQ", phone: undefined, at: at(0) }));
  const item = text("hi all", { to: "R3JvdXA6MQ", identities: identities(["group", "R3JvdXA6MQ"]) });
  assertEquals((await send(sql, 1, item))[0].status, "queued");
  assertEquals((await claim(sql, 1)).map((one) => one.to), ["R3JvdXA6MQ"]);
  assertEquals((await send(sql, 25 * HOUR, item))[0].error, "window_closed");
});

const IMAGE = { type: "image", image: { link: "https://files.example.com/1.png" } };
const OFFER_WITH_IMAGE = {
  type: "template",
  template: {
    name: "offer",
    language: { code: "en" },
    components: [{ type: "header", parameters: [{ type: "image", image: { id: "1" } }] }],
  },
};

/** The words of what may go now. */
const due = async (sql: Sql, seconds: number) =>
  (await claim(sql, seconds)).map(({ message }) => message.text?.body ?? message.type);

/** Has media taken by Meta, with a text queued behind. */
async function behindMedia(sql: Sql, media: Record<string, unknown>): Promise<string> {
  await written(sql);
  const [{ id }] = await send(sql, 1, { ...text(""), message: media }, text("below"));
  await settle(sql, 1, await claim(sql, 1), { outcome: "sent", provider_id: "wamid.media" });
  return id!;
}

databaseTest("media: what comes after waits ten seconds at most for a status", async (sql) => {
  await behindMedia(sql, IMAGE);
  assertEquals(await due(sql, 10.9), []);
  assertEquals(await due(sql, 11), ["below"]);
});

databaseTest("media: also at the head of a template; and what is queued later waits too", async (sql) => {
  await behindMedia(sql, OFFER_WITH_IMAGE);
  await send(sql, 3, text("more"));
  assertEquals(await due(sql, 5), []);
});

databaseTest("media: what is queued when nothing else is waits too, and no other chat does", async (sql) => {
  await written(sql);
  await written(sql, "4915100000002");
  await send(sql, 1, { ...text(""), message: IMAGE });
  await settle(sql, 1, await claim(sql, 1), { outcome: "sent", provider_id: "wamid.media" });
  await send(sql, 2, text("below"), text("elsewhere", to("4915100000002")));
  assertEquals(await due(sql, 3), ["elsewhere"]);
  assertEquals(await due(sql, 11), ["below"]);
});

for (const name of ["sent", "failed", "delivered"] as const) {
  databaseTest(`media: ${name} lets the next one go, and says so once`, async (sql) => {
    const id = await behindMedia(sql, IMAGE);
    const freed = async (...updates: Record<string, unknown>[]) => {
      const whole = updates.map((update) => ({ channel: "whatsapp", provider: "whatsapp", ...update }));
      const [{ freed }] = await sql`
        select public.ingest_updates(${sql.json(whole as never)}) -> 'freed' as freed`;
      return freed;
    };
    assertEquals(await freed(status("wamid.another", "sent")), null);
    assertEquals(await freed(status("wamid.media", name, { callback: id })), true);
    assertEquals(await freed(status("wamid.media", "read")), null);
    assertEquals(await due(sql, 1.1), ["below"]);
  });
}

databaseTest("media: a status that overtakes the answer leaves nothing to wait for", async (sql) => {
  await written(sql);
  const [{ id }] = await send(sql, 1, { ...text(""), message: IMAGE }, text("below"));
  const claimed = await claim(sql, 1);
  await ingest(sql, status("wamid.media", "sent", { callback: id }));
  await settle(sql, 1, claimed, { outcome: "sent", provider_id: "wamid.media" });
  assertEquals(await due(sql, 1), ["below"]);
});

databaseTest("media: where nothing waits behind it, a status wakes nobody", async (sql) => {
  await written(sql);
  await send(sql, 1, { ...text(""), message: IMAGE });
  await settle(sql, 1, await claim(sql, 1), { outcome: "sent", provider_id: "wamid.media" });
  const update = { channel: "whatsapp", provider: "whatsapp", ...status("wamid.media", "sent") };
  const [{ answer }] = await sql`select public.ingest_updates(${sql.json([update] as never)}) as answer`;
  assertEquals(answer, { outcomes: "s" });
  await send(sql, 2, text("below"));
  assertEquals(await due(sql, 2), ["below"]);
});

databaseTest("media: a status at the moment of the answer leaves nothing to wait for", async (sql) => {
  await written(sql);
  for (let n = 1; n <= 10; n++) {
    const now = 100 * n;
    const [{ id }] = await send(sql, now, { ...text(""), message: IMAGE }, text(`below ${n}`));
    const claimed = await claim(sql, now);
    await Promise.all([
      settle(sql, now, claimed, { outcome: "sent", provider_id: `wamid.media${n}` }),
      ingest(sql, status(`wamid.media${n}`, "sent", { callback: id })),
    ]);
    const [below] = await claim(sql, now + 1);
    assertEquals(below?.message.text?.body, `below ${n}`);
    await settle(sql, now + 1, [below], { outcome: "sent", provider_id: `wamid.below${n}` });
  }
});

databaseTest("opt-out: what is not sent for one says nothing about an account that is held", async (sql) => {
  await written(sql);
  await send(sql, 1, offer());
  await sql`update public.conversations set opted_out_at = ${at(2)}`;
  await sql`update public.senders set held_since = ${at(0)}, held_code = '190', held_until = ${at(3)}`;
  await settle(sql, 4, await claim(sql, 4), { outcome: "failed", error: { code: "opted_out" } });
  const [{ held_code }] = await sql`select held_code from public.senders`;
  assertEquals(held_code, "190");
});

databaseTest(
  "media: a status finds the lane that waits for it by the index of those that wait",
  async (sql) => {
    const plan = await sql.begin(async (tx) => {
      // As ingest_updates has it.
      await tx`set local enable_seqscan = off`;
      await tx`set local plan_cache_mode = force_generic_plan`;
      await tx`
      prepare look_up (uuid[]) as
      select l.conversation_id from private.outbound_lanes l where l.waits_for = any ($1) for update skip locked`;
      const rows = await tx.unsafe("explain execute look_up ('{}')");
      await tx`deallocate look_up`;
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    assertStringIncludes(plan, "outbound_lanes_waits_idx");
    assertStringIncludes(plan, "Index Cond: (waits_for = ANY ($1))");
  },
);
