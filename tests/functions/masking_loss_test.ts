/** Masked texts while a fifth of Twilio's webhooks is lost, those about statuses among them. The time is the test's. */
import { assert, assertEquals } from "../support/assert.ts";
import { type Edge, edgeTest } from "../support/edge.ts";
import { allSent, compare, got, MASKING_ON, rest } from "../support/masked_texts.ts";
import { addOrg, CLIENTS, MaskedOrgInDatabase, phoneOf, SITTERS } from "../support/masking.ts";

const EACH = 8;

/** Pairs of a client and a sitter with an open window, each with a number of its own. */
async function pairs(edge: Edge): Promise<{ client: string; sitter: string; number: string }[]> {
  const { sql, texts } = edge;
  const rows = await addOrg(sql, CLIENTS, {}, (i) => phoneOf("n", i));
  texts.addNumbers(rows.numbers.map((id) => `+${id}`));
  await sql`update public.senders set max_per_second = 1000, pair_seconds = 0 where channel = 'sms'`;
  const org = new MaskedOrgInDatabase(sql, rows);
  for (let i = 0; i < CLIENTS; i++) await org.assign(i, i % SITTERS);
  const found = await sql<{ client: string; sitter: string; number: string }[]>`
    select '+' || c.value as client, '+' || s.value as sitter, '+' || t.message_number_id as number
    from public.threads t
    join public.thread_legs l on l.thread_id = t.id and l.role = 'sitter' and l.number_id is not null
    join public.contact_identities c on c.contact_id = t.client_id
    join public.contact_identities s on s.contact_id = l.contact_id order by 1`;
  assertEquals(found.length, CLIENTS);
  return found;
}

/** A minute passes; what the clock's question then answers is what makes it compare. */
async function minute(edge: Edge): Promise<void> {
  const { sql } = edge;
  const due = async (inSeconds: number) =>
    (await sql`select private.text_check_is_due(clock_timestamp() + make_interval(secs => ${inSeconds})) as due`)[
      0
    ].due;
  assertEquals([await due(0), await due(61)], [false, true]);
  await sql`
    update public.outbound_messages set updated_at = updated_at - interval '1 minute' where channel = 'sms'`;
  await compare(edge);
  await allSent(edge);
}

edgeTest(
  "with a fifth of the webhooks lost, after a minute each masked text is on the other side's phone, once",
  async (edge) => {
    await edge.set(MASKING_ON);
    const places = await pairs(edge);
    await compare(edge);
    edge.texts.configure({ lostPercent: 20 });
    const wanted: string[] = [];
    for (let i = 0; i < EACH; i++) {
      for (const [p, { client, sitter, number }] of places.entries()) {
        for (const [from, to] of [[client, sitter], [sitter, client]]) {
          const body = `Note ${i} of pair ${p} to the ${to === client ? "client" : "sitter"}`;
          edge.texts.receive({ from, to: number, body });
          wanted.push(`${number} ${to} ${body}`);
        }
      }
    }
    await allSent(edge);
    const heard = () => got(edge).map((text) => text.join(" "));
    const lost = (what: RegExp) =>
      edge.texts.posts.filter((post) => post.answer === "lost" && what.test(post.what)).length;
    assert(heard().length < wanted.length, "no text was lost");
    assertEquals(heard().length, wanted.length - lost(/^\+1\d{10}: Note/));
    await minute(edge);
    assertEquals(heard().sort(), wanted.sort());

    // What was found has its statuses lost, too. A minute later these are there.
    assert(lost(/^(sent|delivered): /) > 0, "no status was lost");
    await minute(edge);
    const statuses = await edge.sql`
      select direction, status, count(*)::int as n from public.messages where channel = 'sms' group by 1, 2 order by 1`;
    assertEquals(statuses.map((row) => Object.values(row)), [
      ["in", "received", wanted.length],
      ["out", "delivered", wanted.length],
    ]);
    assertEquals(heard().sort(), wanted.sort());
    const decided = await edge.sql`
      select count(*)::int as n, count(distinct message_id)::int as texts from public.thread_decisions where outcome = 'leg'`;
    assertEquals(Object.values(decided[0]), [wanted.length, wanted.length]);
  },
);

edgeTest(
  "after lost answers and lost statuses, a minute tells which texts went, and none goes twice",
  async (edge) => {
    await edge.set(MASKING_ON);
    const [{ client, sitter, number }, other] = await pairs(edge);
    await compare(edge);
    edge.texts.configure({ answer: "lose", times: 2, lostPercent: 0, statuses: false });
    edge.texts.receive({ from: client, to: number, body: "The first" });
    edge.texts.receive({ from: other.client, to: other.number, body: "The second" });
    await rest(edge);
    edge.texts.configure({ answer: "miss", times: 1 });
    edge.texts.receive({ from: sitter, to: number, body: "The third" });
    await rest(edge);
    const states = async () =>
      (await edge.sql`
        select m.text, o.state, o.error ->> 'listed' as listed from public.outbound_messages o
        join public.messages m on m.id = o.id order by m.seq`).map((row) => Object.values(row));
    assertEquals((await states()).map(([, state]) => state), Array(3).fill("unknown"));
    await minute(edge);
    assertEquals((await states()).toSorted(), [
      ["The first", "sent", null],
      ["The second", "sent", null],
      // Twilio does not have it. A person decides.
      ["The third", "unknown", "false"],
    ]);
    assertEquals(got(edge).map(([, , body]) => body).sort(), ["The first", "The second"]);
  },
);
