/** The host of the functions, and Postgres, are killed while clients and sitters text each other. */
import postgres, { type Sql } from "postgres";
import type { Text, TextPost } from "../../local/simulator/texts/twilio.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { configSeen } from "../support/config_seen.ts";
import { MASKING_ON } from "../support/masked_texts.ts";
import { addOrg, CLIENTS, MaskedOrgInDatabase, phoneOf, SITTERS } from "../support/masking.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const ROUNDS = 5, OF_EACH = 6;
/** Rounds in which Postgres is killed too. */
const POSTGRES = [1, 3];
const PATIENCE = { withinMs: 240_000 };

interface Pair {
  client: string;
  sitter: string;
  number: string;
}

/** A call of the simulated Twilio, which is reached through the host of the functions, which may be dead. */
function twilio(stack: RunningStack, path: string, body?: unknown) {
  return until(`the simulator answers ${path}`, async () => {
    const response = await fetch(`${stack.url}/simulator/twilio/${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const answer = await response.json();
    return response.ok ? answer : undefined;
  }, PATIENCE);
}

const seen = (stack: RunningStack): Promise<{ messages: Text[]; posts: TextPost[] }> =>
  twilio(stack, "texts");

/** Pairs with an open window, each with a number of its own. */
async function addPairs(stack: RunningStack, sql: Sql): Promise<Pair[]> {
  const rows = await addOrg(sql, CLIENTS, {}, (i) => phoneOf("n", i));
  await sql`update public.senders set max_per_second = 1000, pair_seconds = 0 where channel = 'sms'`;
  const org = new MaskedOrgInDatabase(sql, rows);
  for (let i = 0; i < CLIENTS; i++) await org.assign(i, i % SITTERS);
  for (const [key, value] of Object.entries(MASKING_ON)) {
    await sql`insert into public.settings (key, value) values (${key}, ${value})
      on conflict (key) do update set value = excluded.value`;
  }
  await configSeen(stack, sql);
  await twilio(stack, "numbers", { numbers: rows.numbers.map((id) => `+${id}`) });
  return await sql<Pair[]>`
    select '+' || c.value as client, '+' || s.value as sitter, '+' || t.message_number_id as number
    from public.threads t
    join public.thread_legs l on l.thread_id = t.id and l.role = 'sitter' and l.number_id is not null
    join public.contact_identities c on c.contact_id = t.client_id
    join public.contact_identities s on s.contact_id = l.contact_id order by 1`;
}

/** A minute passes for texts of which nobody knows whether they went, and the list is read. */
async function compare(stack: RunningStack, sql: Sql): Promise<void> {
  await sql`
    update public.outbound_messages set updated_at = updated_at - interval '1 minute'
    where channel = 'sms' and state = 'unknown'`;
  await sql`update private.text_checks set next_at = now() where lease_until is null or lease_until < now()`;
  const response = await fetch(`${stack.url}/functions/v1/sms-webhook/check`, {
    method: "POST",
    headers: { apikey: stack.stack.secretKey },
  });
  await response.body?.cancel();
}

Deno.test("killed in between, each masked text reaches the other side once: at once, by Twilio's list, or by a person", async () => {
  const stack = await startStack();
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  try {
    const pairs = await addPairs(stack, sql);
    assertEquals(pairs.length, CLIENTS);
    const writing: Promise<unknown>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const written = pairs.flatMap(({ client, sitter, number }, p) =>
        [client, sitter].map(async (from) => {
          for (let n = 0; n < OF_EACH; n++) {
            const body = `Note ${n} of round ${round}, pair ${p}, by the ${
              from === client ? "client" : "sitter"
            }`;
            await twilio(stack, "receive", { from, to: number, body });
          }
        })
      );
      writing.push(...written);
      // In the middle of what was just written.
      await Promise.any(written);
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
    await Promise.all(writing);

    const resent = new Set<string>();
    await until("every text is decided, and what became of each copy is known", async () => {
      await compare(stack, sql);
      const { messages } = await seen(stack);
      const came = messages.filter(({ direction }) => direction === "inbound");
      const [{ decided }] = await sql`
        select count(*)::int as decided from public.thread_decisions where outcome = 'leg'`;
      const open = await sql<{ id: string; text: string; state: string; listed: boolean }[]>`
        select o.id, m.text, o.state, coalesce(o.error ->> 'listed' = 'false', false) as listed
        from public.outbound_messages o join public.messages m on m.id = o.id
        where o.channel = 'sms' and o.state <> 'sent'`;
      for (const { id, text, state, listed } of open) {
        if (state !== "unknown" || !listed) continue;
        const went = messages.filter(({ direction, body }) => direction === "outbound-api" && body === text);
        assertEquals(went, [], "the list has a text, and it is still unknown");
        // A person looked, found nothing at the provider, and has it sent again.
        const response = await stack.rpc("resolve_unknown", { p_id: id, p_how: "resend" });
        assertEquals(response.status, 200, await response.text());
        resent.add(text);
      }
      const states = open.map(({ state }) => state);
      if (decided === came.length && open.length === 0) return true;
      throw new Error(`${decided} of ${came.length} are decided; copies: ${states.join(", ")}`);
    }, PATIENCE);

    const { messages, posts } = await seen(stack);
    const came = messages.filter(({ direction }) => direction === "inbound");
    const went = messages.filter(({ direction }) => direction === "outbound-api");
    const other = new Map(pairs.flatMap(({ client, sitter, number }) => [
      [`${client} ${number}`, sitter],
      [`${sitter} ${number}`, client],
    ]));
    // Whoever writes through the simulator twice, because its answer was lost, is heard twice.
    const wanted = came.map(({ from, to, body }) => `${to} ${other.get(`${from} ${to}`)} ${body}`);
    assertEquals(went.map(({ from, to, body }) => `${from} ${to} ${body}`).sort(), wanted.sort());
    assert(wanted.length >= ROUNDS * OF_EACH * 2 * CLIENTS, `${wanted.length} texts were written`);

    const stored = await sql<{ provider_id: string; text: string; conversation_id: string }[]>`
      select provider_id, text, conversation_id from public.messages
      where channel = 'sms' and direction = 'in' order by seq`;
    assertEquals(stored.map(({ provider_id }) => provider_id).sort(), came.map(({ sid }) => sid).sort());
    for (const id of new Set(stored.map(({ conversation_id }) => conversation_id))) {
      const said = stored.filter(({ conversation_id }) => conversation_id === id).map(({ text }) => text)
        .filter((text) => !resent.has(text));
      const heard = went.map(({ body }) => body).filter((body) => said.includes(body));
      assertEquals(heard, said, "heard in another order");
    }
    const [{ report }] = await sql`select public.reconcile() as report`;
    assertEquals(report.checks.filter((check: { ok: boolean }) => !check.ok), []);
    const unanswered = posts.filter(({ answer }) => answer !== 200).length;
    assert(unanswered > 0, "every webhook was answered 200: nothing was killed in between");
    console.log(
      `${ROUNDS} kills of the functions host, ${POSTGRES.length} of Postgres: ${came.length} texts; ${unanswered} webhooks ` +
        `were not answered 200, a person sent ${resent.size} again`,
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
});
