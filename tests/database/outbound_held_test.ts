/** Sending in SQL: what is no fault of the message holds it, and costs it nothing. */
import { assert, assertEquals } from "../support/assert.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { at, claim, Claimed, databaseTest, send, settle, text, to, written } from "../support/outbound.ts";

databaseTest(
  "throttled: the number pauses as long as the provider says, and the message is sent later",
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

const HELD = {
  outcome: "retry",
  retry_after_ms: 30_000,
  put_off: "held",
  scope: "number",
  error: { code: 190 },
};

databaseTest(
  "held: an account's fault costs no attempts, and all messages go on once one gets through",
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
  "held: a message that the provider refuses for its content proves that the account works",
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

databaseTest("postponed: waiting for the pace uses no attempts, however long it lasts", async (sql) => {
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
  "aside: after the third attempt a repeatedly refused message lets the next ones pass, and is retried",
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

databaseTest("aside: a message that would block its chat for 30 s does not", async (sql) => {
  await written(sql);
  await send(sql, 0, text("slow"), text("next"));
  const claimed = await claim(sql, 1);
  await settle(sql, 16, claimed, { outcome: "retry", retry_after_ms: 60_000, error: { code: "timeout" } });
  assertEquals((await claim(sql, 17)).map((message) => message.message.text?.body), ["next"]);
});
