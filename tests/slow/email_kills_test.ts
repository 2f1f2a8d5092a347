/** The host of the functions is killed while mails come in and are forwarded. */
import { assert, assertEquals } from "../support/assert.ts";
import { startMailStack } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";

Deno.test("killed in between, each mail is stored once, and forwarded once or listed as unknown", async () => {
  const mail = await startMailStack();
  const { sql, stack } = mail;
  try {
    const { body } = await mail.send({
      to: "busy@example.org",
      subject: "Your order is ready",
      text: "Come and get it.",
    });
    assertEquals(body.status, "queued");
    const sent = await mail.mailTo("busy@example.org");
    const posts: Promise<string[]>[] = [];
    for (let round = 0; round < 3; round++) {
      const answered = Array.from({ length: 8 }, async (_, n) => {
        const messageId = `kill-${round}-${n}@example.org`;
        const accepted = await mail.receive(
          {
            from: { address: "busy@example.org" },
            to: sent.replyTo!.email,
            subject: "Re: Your order is ready",
            // Different words, or they would count as one mail that comes round and round.
            text: `Question ${messageId}`,
            messageId,
          },
          {},
          2,
        );
        return accepted.map(({ state }) => state);
      });
      posts.push(...answered);
      // In the middle of what was just posted.
      await Promise.any(answered);
      const pid = stack.pids().functions;
      Deno.kill(pid, "SIGKILL");
      await until("the host is restarted", () => stack.pids().functions !== pid);
    }
    assertEquals((await Promise.all(posts)).flat(), Array(48).fill("accepted"));
    const rows = await sql`
    select m.provider_id, count(*)::int as n, min(m.native ->> 'verdict') as verdict from public.messages m
    where m.provider_id like '<kill-%' group by 1`;
    assertEquals([rows.length, Math.max(...rows.map(({ n }) => n))], [24, 1]);
    const forwards = rows.filter(({ verdict }) => verdict === "forward").length;
    assert(forwards >= 10, `${forwards} of them are to be forwarded`);
    const settled = await until("every forward is settled", async () => {
      const found = await sql`
      select d.id, d.state, d.last_error from public.deliveries d join public.messages m on m.id = d.message_id
      where m.provider_id like '<kill-%'`;
      return found.length === forwards &&
          found.every(({ state }) => state === "delivered" || state === "dead")
        ? found
        : undefined;
    }, { withinMs: 120_000 });
    for (const { state, last_error } of settled) {
      if (state === "dead") assert(last_error.startsWith("unknown_outcome"), last_error);
    }
    // The provider never got one twice.
    const got = (await mail.mails()).sent.flatMap(({ customArgs }) => customArgs.gl_delivery ?? []);
    assertEquals(got.length, new Set(got).size);
  } finally {
    await mail.stop();
  }
});
