/** The clean-up and the rollback of the plan for reply tokens, letter for letter, beside the deployed functions. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { provideCron } from "../../local/database/cron.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const PLAN = await Deno.readTextFile(join(ROOT, "tests/fixtures/plans/reply_tracking.sql"));
const INBOX = "alex@corp.example";

/** Runs a step of the plan. */
async function step({ sql }: Edge, name: string): Promise<void> {
  const [, statement] = PLAN.split(`-- step: ${name}\n`);
  assert(statement !== undefined, name);
  await sql.unsafe(statement.split("-- step:")[0]);
}

/** A mail to a person, as SendGrid got it. */
async function sent(edge: Edge, to: string): Promise<SentMail> {
  const { status, body } = await edge.call("email-send", {
    headers: { authorization: `Bearer ${KEYS.apiToken}` },
    body: { user_id: "user-1", to, subject: "Hello", html: "<p>Hello</p>" },
  });
  assertEquals(status, 202, JSON.stringify(body));
  await edge.settled();
  return edge.mail.sent.find((mail) => mail.to[0].email === to)!;
}

/** The person answers; the forward that follows. */
async function answered(edge: Edge, { to: [{ email }], replyTo, headers }: SentMail): Promise<SentMail> {
  const before = edge.mail.sent.length;
  // The same text again would be a loop.
  const text = `An answer of ${email}: ${crypto.randomUUID()}.`;
  const mail = {
    from: { address: email, name: "Somebody" },
    to: replyTo!.email,
    subject: "Re: Hello",
    text,
    messageId: `${crypto.randomUUID()}@example.org`,
    headers: { "In-Reply-To": headers["Message-ID"], References: headers["Message-ID"] },
  };
  const { body, contentType } = formOf(mimeOf(mail, new Date()), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  await edge.settled();
  const forward = edge.mail.sent.slice(before).find(({ to }) => to[0].email === INBOX);
  assert(forward, `the answer of ${email} was forwarded`);
  assert(forward.text!.includes(text), forward.text);
  return forward;
}

edgeTest(
  "reply tokens: the plan's clean-up takes expired tokens away, and their answers still find their mail",
  async (edge) => {
    const { sql, mail } = edge;
    await begin(edge);
    mail.configure({ events: false });
    const [old, recent] = [await sent(edge, "old@example.org"), await sent(edge, "recent@example.org")];
    await step(edge, "tokens expire");
    await step(edge, "cleanup");
    await provideCron(sql);
    await step(edge, "schedule");
    await sql`update public.reply_tokens set expires_at = now() - interval '1 hour' where token = ${
      old.replyTo!.email.split("@")[0]
    }`;
    await sql`update cron.job set ran_at = date_trunc('day', now()) + interval '1 hour'`;
    await sql`call cron.run_due(date_trunc('day', now()) + interval '2 hours')`;
    const left = await sql`select token from public.reply_tokens`;
    assertEquals(left.map(({ token }) => token), [recent.replyTo!.email.split("@")[0]]);
    await answered(edge, old);
    await answered(edge, recent);
    const replies = await sql`select via, arm from public.email_replies order by via`;
    assertEquals(replies.map(({ via, arm }) => [via, arm]), [["references", "on"], ["token", "on"]]);
  },
);

edgeTest(
  "reply tokens: the plan's rollback SQL, with mails under way, leaves working functions and loses nothing",
  async (edge) => {
    const { sql, mail } = edge;
    await begin(edge);
    mail.configure({ events: false });
    const before = await sent(edge, "before@example.org");
    assertMatch(before.replyTo!.email, /^[a-z2-7]{16}@reply\.example\.com$/);
    await answered(edge, before);
    await step(edge, "rollback columns");
    await step(edge, "rollback tables");

    const after = await sent(edge, "after@example.org");
    assertMatch(after.replyTo!.email, /^msg_[0-9a-f-]{36}\..*@reply\.example\.com$/);
    const forward = await answered(edge, after);
    assertMatch(forward.replyTo!.email, /^msg_/);
    // Whoever still has the address with the token is found by the headers of the answer.
    await answered(edge, before);
    const replies =
      await sql`select via, count(*)::int as n from public.email_replies group by via order by via`;
    assertEquals(replies.map(({ via, n }) => [via, n]), [["legacy", 1], ["references", 1], ["token", 1]]);
    const [{ messages }] =
      await sql`select count(*)::int as messages from public.messages where channel = 'email'`;
    assertEquals(messages, 5);
  },
);

/** An identity with a confirmed inbox. */
async function begin({ sql }: Edge): Promise<void> {
  await sql`
    insert into public.email_identities (user_id, from_email, display_name, forward_to, is_default, verified_at)
    values ('user-1', 'alex@example.com', 'Alex', ${INBOX}, true, now())`;
}
