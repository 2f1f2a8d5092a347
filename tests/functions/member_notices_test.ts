/** Owners and sitters are told once that a part of messaging began or ended for their organisation, by text or by mail. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { signedIn } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS, TEXT_NUMBERS } from "../support/edge.ts";
import { addIdentities, setFlags } from "../support/mail_rows.ts";
import { until } from "../support/until.ts";

const [DESK] = TEXT_NUMBERS;
const OWNER = "+12025550151", SITTER = "+4915112345678", SILENT = "+12025550153";
const ON = { value: "true", metadata: { rollout_percentage: 100 } };
const OFF = { value: "false", metadata: {} };
const MINUTE = 60_000;

/** An organisation with a front desk, an owner and two sitters with phones, and an admin who signs in alone. */
async function scene({ sql }: Edge): Promise<{ org: string; members: Record<string, string> }> {
  const [{ org }] =
    await sql`select public.set_org(null, '{"name": "Moss", "tell_members": true}') ->> 'id' as org`;
  const id = DESK.slice(1);
  await sql`insert into public.senders (channel, id, address, provider) values ('sms', ${id}, ${id}, 'twilio')
    on conflict (channel, id) do nothing`;
  await sql`select public.set_org_number(${org}, ${id}, 'front_desk')`;
  const members: Record<string, string> = {};
  const join = async (name: string, role: string, phone: string | null, user: string | null = null) => {
    let contact: string | null = null;
    if (phone !== null) {
      [{ id: contact }] = await sql`insert into public.contacts (channel) values ('sms') returning id`;
      await sql`insert into public.contact_identities (contact_id, channel, kind, value)
        values (${contact}, 'sms', 'phone', ${phone.slice(1)})`;
    }
    [{ id: members[name] }] =
      await sql`select public.set_org_member(${org}, ${role}, ${user}, ${contact}) ->> 'id' as id`;
  };
  await join("owner", "owner", OWNER);
  await join("sitter", "sitter", SITTER);
  await join("silent", "sitter", SILENT);
  const admin = await signedIn(sql);
  await join("admin", "admin", null, admin.sub!);
  return { org, members };
}

/** The clock notes what changed, and makes its call when somebody is due, as if so many minutes had passed. */
async function tell({ sql, call, texts, settled }: Edge, minutes: number): Promise<void> {
  await sql`select private.note_org_topics(now())`;
  await sql`update private.org_topics set since = since - ${minutes * MINUTE} * interval '1 millisecond'
    where since > now() - interval '5 minutes'`;
  const [{ due }] = await sql`select private.org_notices_are_due(now()) as due`;
  if (!due) return;
  assertEquals(
    (await call("sms-webhook/notices", { headers: { apikey: KEYS.secretKey } })).status,
    202,
  );
  await until(
    "everybody was told",
    async () => !(await sql`select private.org_notices_are_due(now()) as due`)[0].due,
  );
  for (let i = 0; i < 3; i++) {
    await settled();
    await texts.settled();
  }
}

/** What phones got, by number. */
const got = ({ texts }: Edge, phone: string) =>
  [...texts.texts.values()].filter(({ direction, to }) => direction === "outbound-api" && to === phone)
    .map(({ from, body }) => {
      assertEquals(from, DESK);
      return body;
    });

const noted = ({ sql }: Edge) =>
  sql`select m.role, n.topic, n.begins, n.way, n.why from public.org_notices n join public.org_members m on m.id = n.member_id
    order by n.topic, n.begins desc, m.role, n.way`.then((rows) =>
    rows.map(({ role, topic, begins, way, why }) =>
      [role, topic, begins ? "begins" : "ends", way, why].filter((one) => one !== null).join(" ")
    )
  );

edgeTest("member notices: each part once, to whom it concerns, and not to who sent STOP", async (edge) => {
  const { sql, set } = edge;
  await scene(edge);
  await set({ "sms_send.enabled": "true", "messaging_v1.enabled": OFF, "sitter_messages_v1.enabled": OFF });
  edge.texts.receive({ from: SILENT, to: DESK, body: "STOP" });
  await edge.texts.settled();
  await edge.settled();
  await tell(edge, 10);
  assertEquals(await noted(edge), [], "nothing has begun");

  await set({ "messaging_v1.enabled": ON });
  await tell(edge, 4);
  assertEquals(await noted(edge), [], "a flag may be turned back at once");
  await tell(edge, 10);
  await tell(edge, 10);
  const [begun, ...more] = got(edge, OWNER);
  assertMatch(begun, /^Moss: Clients and sitters now text each other .* Reply STOP for no more texts/);
  assertEquals([more, got(edge, SITTER)], [[], []], "sitters have nothing yet");

  await set({ "sitter_messages_v1.enabled": ON });
  await tell(edge, 10);
  assertMatch(got(edge, SITTER)[0], /^Moss: Sie können Ihren Kunden jetzt/);
  assertEquals(got(edge, SILENT), []);

  // The way back: all who were told that it began.
  await set({ "messaging_v1.enabled": OFF });
  await tell(edge, 10);
  await tell(edge, 10);
  assertMatch(got(edge, OWNER)[1], /^Moss: Messaging is switched off for now/);
  assertMatch(got(edge, SITTER)[1], /^Moss: Nachrichten zwischen Betreuern und Kunden pausieren/);
  assertEquals([got(edge, OWNER).length, got(edge, SITTER).length, got(edge, SILENT).length], [2, 2, 0]);
  assertEquals(await noted(edge), [
    "admin messaging begins none no_address",
    "owner messaging begins text",
    "owner messaging ends text",
    "sitter sitters begins none opted_out",
    "sitter sitters begins text",
    "sitter sitters ends text",
  ]);
  const [{ org_id }] = await sql`select org_id from public.org_notices limit 1`;
  const [{ seen }] = await sql`select public.list_org_notices(${org_id}) as seen`;
  assertEquals([seen.due, seen.notices.length], [0, 6]);
});

edgeTest(
  "member notices: none unless the organisation wants them, and none of a kill switch of nobody's",
  async (edge) => {
    const { sql, set } = edge;
    const { org } = await scene(edge);
    await sql`select public.set_org(${org}, '{"tell_members": false}')`;
    await set({ "sms_send.enabled": "true", "messaging_v1.enabled": ON });
    await tell(edge, 10);
    assertEquals(await noted(edge), []);
    await sql`select public.set_org(${org}, '{"tell_members": true}')`;
    await tell(edge, 10);
    assertEquals((await noted(edge)).length, 2);
    // ENABLE_MESSAGING_V1=false, as the functions report it.
    await sql`select private.report_kill_switches('{messaging_v1.enabled}', now())`;
    await tell(edge, 10);
    assertEquals((await noted(edge)).filter((one) => one.includes("ends")), ["owner messaging ends text"]);
  },
);

edgeTest("member notices: nobody is mailed because texts are off, or who sent STOP", async (edge) => {
  const { sql, set } = edge;
  const { org, members } = await scene(edge);
  const mails = async () =>
    Number((await sql`select count(*) as n from public.messages where channel = 'email'`)[0].n);
  for (const [name, address] of [["owner", "ada@people.example"], ["silent", "bea@people.example"]]) {
    const { sub } = await signedIn(sql);
    await sql`update auth.users set email = ${address} where id = ${sub!}`;
    await sql`update public.org_members set user_id = ${sub!} where id = ${members[name]}`;
  }
  await addIdentities(sql);
  await setFlags(sql, { email_send: true });
  edge.texts.receive({ from: SILENT, to: DESK, body: "STOP" });
  await edge.texts.settled();
  await edge.settled();
  await set({ "sms_send.enabled": "false", "messaging_v1.enabled": ON, "sitter_messages_v1.enabled": ON });
  await sql`select private.note_org_topics(now())`;
  await sql`update private.org_topics set since = now() - interval '1 hour'`;
  const tellAll = async () => {
    const [{ due }] = await sql`select public.org_notices_due() as due`;
    const notices = due.map((one: { topic: string }) => ({
      ...one,
      subject: "Moss",
      mail: "Moss: it begins",
      message: { type: "text", text: "Moss: it begins", segments: 1 },
    }));
    await sql`select private.tell_members(${sql.json(notices)}, now())`;
  };
  await tellAll();
  assertEquals([await noted(edge), await mails()], [
    // Who has no phone is mailed.
    ["admin messaging begins mail", "sitter sitters begins none opted_out"],
    1,
  ]);
  await set({ "sms_send.enabled": "true" });
  await tellAll();
  assertEquals([(await noted(edge)).filter((one) => one.endsWith("text")), await mails()], [
    ["owner messaging begins text", "sitter sitters begins text"],
    1,
  ]);
  assertEquals((await sql`select public.list_org_notices(${org}) ->> 'due' as due`)[0].due, "0");
});

edgeTest(
  "member notices: who cannot be told now is told later, and by mail without a phone",
  async (edge) => {
    const { sql, set } = edge;
    const { org, members } = await scene(edge);
    await set({ "sms_send.enabled": "false", "messaging_v1.enabled": ON });
    await sql`select private.note_org_topics(now())`;
    await sql`update private.org_topics set since = now() - interval '1 hour'`;
    const due = async () => (await sql`select public.org_notices_due() as due`)[0].due;
    const notices = (await due()).map((one: { member_id: string; topic: string; since: string }) => ({
      ...one,
      subject: "Moss: Messaging begins",
      mail: "Moss: it begins",
      message: { type: "text", text: "Moss: it begins", segments: 1 },
    }));
    const told = async () =>
      (await sql`select private.tell_members(${sql.json(notices)}, now()) as told`)[0].told;
    assertEquals((await told()).map(({ member_id, why }: Record<string, string>) => [member_id, why]), [
      [members.admin, "no_address"],
    ]);
    assertEquals((await due()).map(({ member_id }: { member_id: string }) => member_id), [members.owner]);
    await set({ "sms_send.enabled": "true" });
    assertEquals((await told()).map(({ way }: { way: string }) => way), ["text"]);
    assertEquals([await told(), await due()], [[], []], "once");

    // An admin who signs in by mail, with an identity that mails go out from.
    const other = await signedIn(sql);
    await sql`update auth.users set email = 'ada@people.example' where id = ${other.sub!}`;
    await sql`select public.set_org_member(${org}, 'admin', ${other.sub!})`;
    const [mailed] = await due();
    assertEquals(mailed.prefix, null);
    await addIdentities(sql);
    await setFlags(sql, { email_send: true });
    const [{ answer }] = await sql`select private.tell_members(${
      sql.json([{
        ...mailed,
        subject: "Moss: Messaging begins",
        mail: "Moss: it begins",
        message: { type: "text", text: "t", segments: 1 },
      }])
    }, now()) as answer`;
    assertEquals(answer.map(({ way, why }: Record<string, string>) => [way, why]), [["mail", null]]);
    const mails =
      await sql`select native ->> 'subject' as subject, text from public.messages where channel = 'email'`;
    assertEquals([...mails].map((mail) => ({ ...mail })), [{
      subject: "Moss: Messaging begins",
      text: "Moss: it begins",
    }]);
  },
);
