/** Texts between clients and sitters, from the provider's webhook to the other side's phone, with the simulated Twilio. */
import { assert, assertEquals, assertMatch, assertNotMatch } from "../support/assert.ts";
import { type Edge, edgeTest } from "../support/edge.ts";
import {
  addOrgNamed,
  addPhone,
  assign as assignPair,
  CLIENT,
  DESK,
  giveNumbers,
  got,
  MASKING_ON as ON,
  POACHING,
  POOL,
  rest,
  SITTER,
  THIRD as STRANGER,
} from "../support/masked_texts.ts";

interface Scene {
  org: string;
  client: string;
  sitter: string;
  member: string;
}

/** An organisation with a front desk, a pool of one number, a client and a sitter, on both of whom nobody has written yet. */
async function scene({ sql }: Edge): Promise<Scene> {
  const org = await addOrgNamed(sql, "Moss");
  await giveNumbers(sql, org);
  const client = await addPhone(sql, CLIENT), sitter = await addPhone(sql, SITTER);
  const [{ member }] =
    await sql`select public.set_org_member(${org}, 'sitter', null, ${sitter}) ->> 'id' as member`;
  return { org, client, sitter, member };
}

const assign = ({ sql }: Edge, scene: Scene, inHours?: number) => assignPair(sql, scene, inHours);

/** Somebody writes, and everything that follows comes to rest. */
async function write(edge: Edge, from: string, to: string, body: string): Promise<void> {
  edge.texts.receive({ from, to, body });
  await rest(edge);
}

const decisions = ({ sql }: Edge) =>
  sql<{ said: string }[]>`
    select concat_ws(' ', from_role, outcome, reason) as said from public.thread_decisions order by id`
    .then((rows) => rows.map(({ said }) => said));

edgeTest(
  "masked texts: each side hears the other from the thread's number, and no route is asked",
  async (edge) => {
    const place = await scene(edge);
    await edge.set(ON);
    const thread = await assign(edge, place);
    await write(edge, CLIENT, POOL, "Is Bello well?");
    await write(edge, SITTER, POOL, "He sleeps.");
    assertEquals(got(edge), [[POOL, SITTER, "Is Bello well?"], [POOL, CLIENT, "He sleeps."]]);
    assertEquals(await decisions(edge), ["client leg relayed", "sitter leg relayed"]);
    const messages = await edge.sql`
    select direction, thread_id, (select r.reason from public.routing_decisions r where r.message_id = m.id) as reason
    from public.messages m where channel = 'sms' order by seq`;
    assertEquals(
      messages.map(({ direction, thread_id, reason }) => [direction, thread_id === thread, reason]),
      [["in", true, "masked"], ["out", true, null], ["in", true, "masked"], ["out", true, null]],
    );
  },
);

edgeTest(
  "masked texts: one that leads around the business is held, and its writer is told once",
  async (edge) => {
    const place = await scene(edge);
    await edge.set(ON);
    await assign(edge, place);
    await write(edge, SITTER, POOL, POACHING);
    await write(edge, SITTER, POOL, "My cell is 202 555 0190");
    const phones = got(edge);
    assertEquals(phones.map(([from, to]) => [from, to]), [[POOL, SITTER]], JSON.stringify(phones));
    assertMatch(phones[0][2], /was not delivered/);
    assertEquals(await decisions(edge), Array(2).fill("sitter blocked anti_poaching"));
    const found = await edge.sql`select type, redacted from public.policy_findings order by decision_id, ord`;
    assert(found.some(({ type }) => type === "phone"));
    for (const { redacted } of found) assertNotMatch(redacted, /555/);
  },
);

edgeTest("masked texts: a number that is spread over several texts is found with the last", async (edge) => {
  const place = await scene(edge);
  await edge.set(ON);
  await assign(edge, place);
  for (const part of ["call me:", "202 555", "0190"]) await write(edge, SITTER, POOL, part);
  assertEquals((await decisions(edge)).at(-1), "sitter blocked anti_poaching");
  assert(!got(edge).some(([, to, body]) => to === CLIENT && body.includes("0190")));
});

edgeTest("masked texts: outside of the window a sitter is told when the next one begins", async (edge) => {
  const place = await scene(edge);
  await edge.set(ON);
  await assign(edge, place, 48);
  await write(edge, SITTER, POOL, "Shall I bring food?");
  assertEquals(await decisions(edge), ["sitter held no_active_window"]);
  const [[from, to, body], ...rest] = got(edge);
  assertEquals([from, to, rest], [POOL, SITTER, []]);
  assertMatch(body, /The next time begins \w+, /);
  await write(edge, CLIENT, POOL, "Anybody there?");
  assertEquals((await decisions(edge)).at(-1), "client owner_inbox no_active_window");
  assertEquals(got(edge).length, 1);
});

edgeTest("masked texts: what came while off is kept for the owner, and never relayed later", async (edge) => {
  const place = await scene(edge);
  await edge.set({ ...ON, "messaging_v1.enabled": "false", "sms_router.enabled": "true" });
  await assign(edge, place);
  await write(edge, CLIENT, POOL, "Hello?");
  assertEquals(await decisions(edge), ["unknown held off"].map((said) => said.replace("unknown", "client")));
  await edge.set(ON);
  await write(edge, CLIENT, POOL, "Hello again");
  assertEquals(got(edge), [[POOL, SITTER, "Hello again"]]);
});

edgeTest(
  "masked texts: who writes to the front desk first has a thread there, and waits for the owner",
  async (edge) => {
    const { org } = await scene(edge);
    await edge.set(ON);
    await write(edge, STRANGER, DESK, "Do you walk dogs?");
    await write(edge, STRANGER, POOL, "Or is it this one?");
    assertEquals(await decisions(edge), [
      "unknown owner_inbox front_desk",
      "unknown owner_inbox unknown_sender",
    ]);
    const threads = await edge.sql`select number_class, opened_by from public.threads where org_id = ${org}`;
    assertEquals(threads.map((row) => Object.values(row)), [["front_desk", "first_message"]]);
    assertEquals(got(edge), []);
  },
);

edgeTest(
  "masked texts: STOP goes to nobody, and the other side's texts then wait for the owner",
  async (edge) => {
    const place = await scene(edge);
    await edge.set(ON);
    await assign(edge, place);
    await write(edge, CLIENT, POOL, "STOP");
    await write(edge, SITTER, POOL, "I am at the door");
    assertEquals(await decisions(edge), ["client held keyword", "sitter held opted_out"]);
    const phones = got(edge);
    assertEquals(phones.map(([, to]) => to), [SITTER]);
    assertMatch(phones[0][2], /does not want texts/);
  },
);

edgeTest("masked texts: with sending off a text waits for the owner and is not lost", async (edge) => {
  const place = await scene(edge);
  await edge.set({ ...ON, "sms_send.enabled": "false" });
  await assign(edge, place);
  await write(edge, CLIENT, POOL, "Is Bello well?");
  assertEquals(await decisions(edge), ["client owner_inbox feature_off"]);
  assertEquals(got(edge), []);
});

edgeTest(
  "record_relays(): a decision whose leg is over is made again, and one on a decided text changes nothing",
  async (edge) => {
    const place = await scene(edge);
    const { sql } = edge;
    const thread = await assign(edge, place);
    await edge.set({ ...ON, "messaging_v1.enabled": "true", "sms_send.enabled": "true" });
    const [{ conversation }] = await sql`
    insert into public.conversations (channel, number_id, contact_id, unrouted_since)
    values ('sms', ${POOL.slice(1)}, ${place.client}, now()) returning id as conversation`;
    const [{ message }] = await sql`
    insert into public.messages (channel, conversation_id, direction, type, text, status)
    values ('sms', ${conversation}, 'in', 'text', 'hello', 'received') returning id as message`;
    const [{ leg }] = await sql`
    select id as leg from public.thread_legs where thread_id = ${thread} and role = 'sitter'`;
    const record = async () =>
      (await sql`select public.record_relays(1, ${
        sql.json([{
          id: conversation,
          relays: [{
            message_id: message,
            org_id: place.org,
            thread_id: thread,
            from_role: "client",
            number_class: "pool",
            outcome: "leg",
            reason: "relayed",
            legs: [leg],
            message: { type: "text", text: "hello", encoding: "GSM-7", segments: 1 },
            opens: false,
          }],
        }])
      }) as answer`)[0].answer;
    await sql`update public.thread_legs set ended_at = now() where id = ${leg}`;
    assertEquals(await record(), { decided: 0, queued: 0, stale: [conversation], relayed: [] });
    assertEquals(
      (await sql`select unrouted_since from public.conversations where id = ${conversation}`)[0]
        .unrouted_since !== null,
      true,
    );
    await sql`update public.thread_legs set ended_at = null where id = ${leg}`;
    assertEquals((await record()).decided, 1);
    assertEquals(await record(), { decided: 0, queued: 0, stale: [], relayed: [] });
    assertEquals((await sql`select from public.outbound_messages where channel = 'sms'`).length, 1);
  },
);
