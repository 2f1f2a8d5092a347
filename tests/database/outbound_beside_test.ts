/** What goes beside words: media, read receipts, reactions, echoes. */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ingest, message, status } from "../support/intake.ts";
import { at, claim, databaseTest, HOUR, send, settle, text, TO, to, written } from "../support/outbound.ts";

databaseTest(
  "receipt: a read receipt is sent in its message's conversation and is not stored as a message",
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

/** Queues a read receipt for what the person wrote. */
async function receipts(sql: Sql, seconds: number, count: number, more: Record<string, unknown> = {}) {
  const [{ wamid }] = await sql<{ wamid: string }[]>`
    select provider_id as wamid from public.messages where direction = 'in' order by seq desc limit 1`;
  const receipt = { message: { type: "read", message_id: wamid, ...more } };
  await send(sql, seconds, ...Array.from({ length: count }, () => receipt));
}

databaseTest(
  "receipt: messages never wait for read receipts, neither in the queue nor for their pace",
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
  "receipt: one that a message overtook shows no typing indicator, and waiting messages do not delay it",
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

databaseTest("reaction: names the message that it reacts to", async (sql) => {
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
  "echo: one that arrives before the provider's answer becomes the message when the answer arrives",
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

const IMAGE = { type: "image", image: { link: "https://files.example.com/1.png" } };

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

databaseTest(
  "media: the next message waits at most ten seconds for a media message's status",
  async (sql) => {
    await behindMedia(sql, IMAGE);
    assertEquals(await due(sql, 10.9), []);
    assertEquals(await due(sql, 11), ["below"]);
  },
);

const OFFER_WITH_IMAGE = {
  type: "template",
  template: {
    name: "offer",
    language: { code: "en" },
    components: [{ type: "header", parameters: [{ type: "image", image: { id: "1" } }] }],
  },
};

databaseTest(
  "media: the same holds for a template with a media header, and for messages queued later",
  async (sql) => {
    await behindMedia(sql, OFFER_WITH_IMAGE);
    await send(sql, 3, text("more"));
    assertEquals(await due(sql, 5), []);
  },
);

databaseTest(
  "media: a message queued into an otherwise empty chat waits too, and other chats do not",
  async (sql) => {
    await written(sql);
    await written(sql, "4915100000002");
    await send(sql, 1, { ...text(""), message: IMAGE });
    await settle(sql, 1, await claim(sql, 1), { outcome: "sent", provider_id: "wamid.media" });
    await send(sql, 2, text("below"), text("elsewhere", to("4915100000002")));
    assertEquals(await due(sql, 3), ["elsewhere"]);
    assertEquals(await due(sql, 11), ["below"]);
  },
);

for (const name of ["sent", "failed", "delivered"] as const) {
  databaseTest(`media: ${name} releases the next message, and reports so once`, async (sql) => {
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

databaseTest("media: a status that arrives before the answer leaves nothing to wait for", async (sql) => {
  await written(sql);
  const [{ id }] = await send(sql, 1, { ...text(""), message: IMAGE }, text("below"));
  const claimed = await claim(sql, 1);
  await ingest(sql, status("wamid.media", "sent", { callback: id }));
  await settle(sql, 1, claimed, { outcome: "sent", provider_id: "wamid.media" });
  assertEquals(await due(sql, 1), ["below"]);
});

databaseTest("media: a status wakes no worker if nothing waits behind the message", async (sql) => {
  await written(sql);
  await send(sql, 1, { ...text(""), message: IMAGE });
  await settle(sql, 1, await claim(sql, 1), { outcome: "sent", provider_id: "wamid.media" });
  const update = { channel: "whatsapp", provider: "whatsapp", ...status("wamid.media", "sent") };
  const [{ answer }] = await sql`select public.ingest_updates(${sql.json([update] as never)}) as answer`;
  assertEquals(answer, { outcomes: "s" });
  await send(sql, 2, text("below"));
  assertEquals(await due(sql, 2), ["below"]);
});

databaseTest(
  "media: a status that arrives together with the answer leaves nothing to wait for",
  async (sql) => {
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
  },
);

databaseTest(
  "media: a status finds the waiting lane through the index of waiting lanes",
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
