/** The host of the functions, and Postgres, are killed while mails come in and are forwarded. */
import { assert, assertEquals } from "../support/assert.ts";
import { ALEX, startMailStack } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";

const ROUNDS = 4, OF_EACH = 8;
/** Rounds in which Postgres is killed too. */
const POSTGRES = [1, 3];
const PATIENCE = { withinMs: 180_000 };

Deno.test("killed in between, each mail is stored once, and forwarded once: at once, by a report, or by a person", async () => {
  const mail = await startMailStack({ ownPostgres: true });
  const { sql, stack } = mail;
  try {
    // A conversation for each round, for only so many go through one in an hour.
    const replyTo: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const to = `busy-${round}@example.org`;
      const { body } = await mail.send({ to, subject: "Your order is ready", text: "Come and get it." });
      assertEquals(body.status, "queued");
      replyTo.push((await mail.mailTo(to)).replyTo!.email);
    }
    const posts: Promise<string[]>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const answered = Array.from({ length: OF_EACH }, async (_, n) => {
        const messageId = `kill-${round}-${n}@example.org`;
        const accepted = await mail.receive(
          {
            from: { address: `busy-${round}@example.org` },
            to: replyTo[round],
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
      const { functions, postgres } = stack.pids();
      Deno.kill(functions, "SIGKILL");
      if (POSTGRES.includes(round)) {
        Deno.kill(postgres!, "SIGKILL");
        await until(
          "Postgres is restarted",
          () => ![undefined, postgres].includes(stack.pids().postgres),
          PATIENCE,
        );
      }
      await until("the host is restarted", () => stack.pids().functions !== functions, PATIENCE);
    }
    assertEquals((await Promise.all(posts)).flat(), Array(2 * ROUNDS * OF_EACH).fill("accepted"));

    const stored = await until("Postgres answers", () =>
      sql`
      select m.provider_id, count(*)::int as n, min(m.native ->> 'verdict') as verdict from public.messages m
      where m.provider_id like '<kill-%' group by 1`, PATIENCE);
    assertEquals([stored.length, Math.max(...stored.map(({ n }) => n))], [ROUNDS * OF_EACH, 1]);
    assertEquals([...new Set(stored.map(({ verdict }) => verdict))], ["forward"]);

    const deliveries = (isDone: (state: string) => boolean) =>
      until("every forward is settled", async () => {
        const found = await sql<{ id: string; state: string; last_error: string | null }[]>`
          select d.id, d.state, d.last_error from public.deliveries d join public.messages m on m.id = d.message_id
          where m.provider_id like '<kill-%'`;
        return found.length === stored.length && found.every(({ state }) => isDone(state))
          ? found
          : undefined;
      }, PATIENCE);
    // What a killed host was sending is unknown, until SendGrid reports it.
    await deliveries((state) => state === "delivered" || state === "dead");
    await until(
      "every report is answered",
      async () => (await mail.mails()).posts.every(({ state }) => state !== "waiting"),
      PATIENCE,
    );
    const forwarded = async () =>
      (await mail.mails()).sent.filter(({ to }) => to[0].email === ALEX.inbox).map(({ customArgs }) =>
        customArgs.gl_delivery
      );
    const got = await forwarded();
    assertEquals(got.length, new Set(got).size, "the provider got one twice");
    for (const { id, state, last_error } of await deliveries(() => true)) {
      if (state === "delivered") {
        assert(got.includes(id), "a forward counts as delivered, and was not");
        continue;
      }
      assert(last_error!.startsWith("unknown_outcome"), last_error!);
      assert(!got.includes(id), "SendGrid reported a forward, and it is still unknown");
      // A person looked, found nothing at the provider, and has it sent again.
      const response = await stack.rpc("resolve_unknown", { p_id: id, p_how: "resend" });
      assertEquals(response.status, 200, await response.text());
    }
    const all = await deliveries((state) => state === "delivered");
    assertEquals((await forwarded()).sort(), all.map(({ id }) => id).sort());
  } finally {
    await mail.stop();
  }
});
