/** Two programs that answer each other through us, for ever: the contact's and that of the identity's owner. */
import { assert, assertEquals } from "../support/assert.ts";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";
import { MOST_PER_HOUR } from "../../supabase/functions/_shared/mail/loop.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const CONTACT = "casey@example.org", OWNER = "alex@corp.example";
/** More rounds than any of them may take. */
const ROUNDS = 3 * MOST_PER_HOUR;

/** How a program answers. */
interface Responder {
  /** What it says of itself. */
  headers?: Record<string, string>;
  subject?: string;
  text(round: number, answered: SentMail): string;
  /** Sender of the envelope. */
  sender?: string;
  /** Minutes until it answers. */
  after?: number;
}

const AWAY = "Thank you for your mail. I am not in until the ninth and will answer when I am back.";
const quoted = ({ text }: SentMail) => `${AWAY}\n\nOn Tue, Alex wrote:\n${text!.replace(/^/gm, "> ")}`;

/** Mails that programs wrote and that we sent on, by whom they reached. */
async function exchange(edge: Edge, responder: Responder): Promise<Record<string, number>> {
  const { call, hurry, mail, settled, sql } = edge;
  await sql`
    insert into public.email_identities (id, user_id, from_email, display_name, forward_to, is_default, verified_at)
    values (${crypto.randomUUID()}, 'user-1', 'alex@example.com', 'Alex', ${OWNER}, true, now())`;
  const { status } = await call("email-send", {
    headers: { apikey: KEYS.secretKey },
    body: { to: CONTACT, subject: "Your order", text: "It is ready." },
  });
  assertEquals(status, 202);
  await settled();
  const reached: Record<string, number> = { [CONTACT]: 0, [OWNER]: 0 };
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const got = mail.sent.at(answered++);
    if (got === undefined) break;
    const [{ email: me }] = got.to;
    // The first is a person's.
    if (round > 0) reached[me]++;
    const written: WrittenMail = {
      from: { address: me },
      to: got.replyTo!.email,
      subject: responder.subject ?? `Re: ${got.subject}`,
      text: responder.text(round, got),
      inReplyTo: got.headers["Message-ID"],
      headers: responder.headers ?? {},
    };
    const { body, contentType } = formOf(mimeOf(written, new Date()), written, {
      sender: responder.sender ?? me,
    });
    await sql`
      update private.mail_senders set created_at = created_at - make_interval(mins => ${
      responder.after ?? 0
    })`;
    await hurry();
    const answer = await call("email-webhook/inbound", {
      headers: { "content-type": contentType, ...mail.poster.headersFor(body) },
      body,
    });
    assertEquals([answer.status, answer.body.stored], [200, 1]);
    await settled();
  }
  return reached;
}

const NOBODY = { [CONTACT]: 0, [OWNER]: 0 };
const ONE_EACH = { [CONTACT]: 1, [OWNER]: 1 };

const honest: Record<string, Responder> = {
  "says so in a header": { headers: { "Auto-Submitted": "auto-replied" }, text: () => AWAY },
  "says so in its subject": { subject: "Automatic reply: Your order", text: () => AWAY },
  "has no sender in the envelope": { text: () => AWAY, sender: "" },
};
for (const [what, responder] of Object.entries(honest)) {
  edgeTest(`a program that ${what} reaches nobody`, async (edge) => {
    assertEquals(await exchange(edge, responder), NOBODY);
  });
}

const silent: Record<string, Responder> = {
  "at once": { text: () => AWAY },
  "after ten minutes": { text: () => AWAY, after: 10 },
  "after an hour and a half, quoting what it got": { text: (_, got) => quoted(got), after: 90 },
};
for (const [what, responder] of Object.entries(silent)) {
  edgeTest(
    `two programs that answer each other ${what}, and say nowhere that they are, reach each other once`,
    async (edge) => {
      assertEquals(await exchange(edge, responder), ONE_EACH);
      // Nothing of it is lost.
      const [{ n }] = await edge.sql`
      select count(*)::int as n from public.messages where native ->> 'verdict' = 'store'`;
      assertEquals(n, 1);
    },
  );
}

edgeTest("two programs whose words are never the same stop at the pace of an hour", async (edge) => {
  const reached = await exchange(edge, {
    text: (round) => `Ticket ${round} was opened for you, please wait for it.`,
  });
  assertEquals(reached, { [CONTACT]: MOST_PER_HOUR, [OWNER]: MOST_PER_HOUR });
});

edgeTest("a person may say the same few words again, and the owner too", async (edge) => {
  const reached = await exchange(edge, { text: () => "Yes, please.", after: 5 });
  assert(reached[CONTACT] > 2 && reached[OWNER] > 2, JSON.stringify(reached));
});

edgeTest(
  "of a circle that only the database can see, no file is kept for longer than a day",
  async (edge) => {
    const { call, mail, settled, sql } = edge;
    const from = "alex@example.com";
    await sql`
    insert into public.email_identities (id, user_id, from_email, forward_to, is_default, verified_at)
    values (${crypto.randomUUID()}, 'user-1', ${from}, ${OWNER}, true, now())`;
    await call("email-send", {
      headers: { apikey: KEYS.secretKey },
      body: { to: CONTACT, subject: "Your order", text: "It is ready." },
    });
    await settled();
    // From the identity itself: a mail of ours that came back.
    const written = {
      from: { address: from },
      to: mail.sent[0].replyTo!.email,
      subject: "Re: x",
      text: "x",
      messageId: "came-back@mail.example.net",
    };
    const { body, contentType } = formOf(mimeOf(written, new Date()), written);
    const answer = await call("email-webhook/inbound", {
      headers: { "content-type": contentType, ...mail.poster.headersFor(body) },
      body,
    });
    assertEquals([answer.status, answer.body.stored], [200, 1]);
    const [{ loops }] =
      await sql`select count(*)::int as loops from public.email_events where event_type = 'loop'`;
    assertEquals(loops, 1);
    const files = await sql`
    select of_message, message_id, expires_at < now() + interval '25 hours' as soon from public.storage_objects`;
    assertEquals([...files], [{ of_message: false, message_id: null, soon: true }]);
  },
);
