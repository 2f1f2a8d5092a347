/** Calls to masked numbers: who is rung, what is said, what is stored; on a database. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { signTwilio } from "../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { addOrg, book, type OrgRows, phoneOf } from "../support/masking.ts";

const OWNER = "12025550399";

/** Posts a call as Twilio does, signed. */
function ring(
  { call, url }: Edge,
  from: string,
  to: string,
  more: Record<string, string> = {},
  query: "" | `?${string}` = "",
  account: string = KEYS.twilioAccount,
) {
  const body = new URLSearchParams({
    AccountSid: account,
    CallSid: `CA${"1".repeat(32)}`,
    CallStatus: "ringing",
    Direction: "inbound",
    From: from,
    To: to,
    ...more,
  }).toString();
  const path = `sms-webhook/voice${query}` as const;
  return call(path, {
    headers: {
      "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
      "x-twilio-signature": signTwilio(`${url}/functions/v1/${path}`, body, KEYS.twilioToken),
    },
    body,
  });
}

interface Scene {
  rows: OrgRows;
  /** Our number of the thread, the client's phone and the sitter's, as Twilio writes them. */
  number: string;
  client: string;
  sitter: string;
}

/** A client and a sitter with an open window and a number, and the flags on. */
async function scene({ sql, set }: Edge): Promise<Scene> {
  const rows = await addOrg(sql);
  const booking = await book(sql, rows, 0, "walk");
  const [{ assigned }] = await sql`
    select public.assign_sitter(${booking}, ${rows.sitters[0].member}, true) as assigned`;
  const on = { value: "true", metadata: { rollout_percentage: 100 } };
  await set({ "messaging_v1.enabled": on, "sitter_messages_v1.enabled": on });
  return {
    rows,
    number: `+${phoneOf("n", rows.numbers.indexOf(assigned.thread.number_id))}`,
    client: `+${phoneOf("c", 0)}`,
    sitter: `+${phoneOf("s", 0)}`,
  };
}

async function addOwner({ sql }: Edge, { rows }: Scene): Promise<void> {
  const [{ id }] = await sql`insert into public.contacts (channel) values ('sms') returning id`;
  await sql`insert into public.contact_identities (contact_id, channel, kind, value) values (${id}, 'sms', 'phone', ${OWNER})`;
  await sql`select public.set_org_member(${rows.org}, 'owner', null, ${id})`;
}

const decisions = async ({ sql }: Edge) =>
  (await sql`select from_role, from_last4, outcome, reason from public.thread_decisions order by id`)
    .map((row) => Object.values(row));

edgeTest("a call inside the window rings the other side, which sees the thread's number", async (edge) => {
  const { number, client, sitter } = await scene(edge);
  const of = (phone: string) =>
    `<Response><Dial callerId="${number}" answerOnBridge="true" timeout="20" ` +
    `action="${edge.url}/functions/v1/sms-webhook/voice?dialled=leg" method="POST">` +
    `<Number>${phone}</Number></Dial></Response>`;
  const called = await ring(edge, client, number);
  assertEquals([called.status, called.headers.get("content-type"), called.body], [
    200,
    "text/xml; charset=utf-8",
    of(sitter),
  ]);
  assertEquals((await ring(edge, sitter, number)).body, of(client));
  assertEquals(await decisions(edge), [
    ["client", client.slice(-4), "leg", "call_relayed"],
    ["sitter", sitter.slice(-4), "leg", "call_relayed"],
  ]);
});

edgeTest("a call that may not reach the other side rings the office, and names nobody", async (edge) => {
  const here = await scene(edge);
  const { rows, number, client, sitter } = here;
  await addOwner(edge, here);
  const toOffice = async (from: string, to = number, more: Record<string, string> = {}) => {
    const { status, body } = await ring(edge, from, to, more);
    assertEquals(status, 200);
    assert(!String(body).includes(client) && !String(body).includes(sitter), `a number is told: ${body}`);
    assertMatch(String(body), /^<Response><Say language="[a-z]{2}-[A-Z]{2}">[^<]+<\/Say><Dial [^>]*>/);
    assert(String(body).includes(`<Number>+${OWNER}</Number>`), String(body));
    assert(String(body).includes(`callerId="${to}"`), String(body));
    return String(body);
  };
  await toOffice("+266696687");
  await toOffice("anonymous");
  await toOffice("+12025550377");
  assertMatch(await toOffice("+4915228817386", number, { FromCountry: "DE" }), /language="de-DE"/);
  await toOffice(client, `+${phoneOf("n", rows.numbers.length - 1)}`);
  await edge.sql`select public.unassign_sitter(b.id, ${rows.sitters[0].member}) from public.bookings b`;
  await toOffice(client);
  await toOffice(sitter);
  await edge.set({ "messaging_v1.enabled": { value: "false", metadata: {} } });
  await toOffice(client);
  assertEquals((await decisions(edge)).map(([, , outcome, reason]) => `${outcome} ${reason}`), [
    "owner_inbox call_withheld",
    "owner_inbox call_withheld",
    "owner_inbox call_unknown_sender",
    "owner_inbox call_unknown_sender",
    "owner_inbox call_front_desk",
    "owner_inbox call_no_active_window",
    "held call_no_active_window",
    "held call_off",
  ]);
});

edgeTest("a call: with the sitters' flag off, nobody but the office is rung", async (edge) => {
  const { number, client, sitter } = await scene(edge);
  await edge.set({ "sitter_messages_v1.enabled": { value: "false", metadata: {} } });
  for (const from of [client, sitter]) assertMatch(String((await ring(edge, from, number)).body), /<Say /);
  assertEquals((await decisions(edge)).map((row) => row[3]), ["call_sitter_off", "call_sitter_off"]);
});

edgeTest("a call that nobody answers goes to the office, then ends with a sentence", async (edge) => {
  const here = await scene(edge);
  const { number, client } = here;
  const ended = (whom: "leg" | "desk", status: string) =>
    ring(edge, client, number, { DialCallStatus: status }, `?dialled=${whom}`);
  assertEquals((await ended("leg", "completed")).body, "<Response><Hangup/></Response>");
  const nobody = /^<Response><Say language="en-US">Nobody [^<]+<\/Say><\/Response>$/;
  assertMatch(String((await ended("leg", "no-answer")).body), nobody);
  await addOwner(edge, here);
  assert(String((await ended("leg", "busy")).body).includes(`<Number>+${OWNER}</Number>`));
  assertMatch(String((await ended("desk", "no-answer")).body), nobody);
  // The owner is not rung by the owner's own call.
  assertMatch(String((await ring(edge, `+${OWNER}`, number)).body), nobody);
  assertEquals((await decisions(edge)).map((row) => row[3]), [
    "call_unanswered",
    "call_unanswered",
    "call_unknown_sender",
  ]);
});

edgeTest(
  "a sitter who has a thread in the app alone is not rung: calling back would reach another",
  async (edge) => {
    const { rows, number, client } = await scene(edge);
    await edge.sql`update public.thread_legs set number_id = null where role = 'sitter'`;
    assertMatch(String((await ring(edge, client, number)).body), /<Say /);
    assertEquals((await decisions(edge)).map((row) => row[3]), ["call_no_phone"]);
    assert(rows.org !== "");
  },
);

edgeTest("a call from a number of ours, or to none of an organisation, is refused", async (edge) => {
  const { rows, number } = await scene(edge);
  const other = rows.numbers.map((_, i) => `+${phoneOf("n", i)}`).find((one) => one !== number)!;
  assertEquals((await ring(edge, other, number)).body, "<Response><Reject/></Response>");
  assertEquals((await ring(edge, "+12025550143", "+12025550398")).body, "<Response><Reject/></Response>");
  assertEquals((await decisions(edge)).map((row) => row[3]), ["call_loop"]);
});

edgeTest(
  "sms-webhook/voice: takes signed calls of our account alone, and speaks while the database is away",
  async (edge) => {
    const { number, client } = await scene(edge);
    const unsigned = await edge.call("sms-webhook/voice", { body: "CallSid=CA1" });
    assertEquals([unsigned.status, unsigned.body.code], [401, "signature_missing"]);
    const forged = await edge.call("sms-webhook/voice", {
      headers: { "x-twilio-signature": "AAAA" },
      body: "CallSid=CA1",
    });
    assertEquals([forged.status, forged.body.code], [401, "signature_invalid"]);
    const foreign = await ring(edge, client, number, {}, "", `AC${"9".repeat(32)}`);
    assertEquals([foreign.status, foreign.body.code], [403, "forbidden"]);
    await edge.away(async () => {
      const { status, body } = await ring(edge, client, number, { FromCountry: "FR" });
      assertEquals(status, 200);
      assertMatch(String(body), /^<Response><Say language="fr-FR">[^<]+<\/Say><\/Response>$/);
    });
    assertEquals(await decisions(edge), []);
  },
);
