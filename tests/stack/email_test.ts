/** E-mail on a whole stack: out through the simulated SendGrid, back, on to the owner's inbox, and the answer to it. */
import { assert, assertEquals } from "../support/assert.ts";
import { ALEX, type MailGround, startMailStack } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";

let ground: Promise<MailGround> | undefined;
Deno.test.afterAll(async () => await (await ground)?.stop());

function mailTest(name: string, test: (ground: MailGround) => Promise<void>): void {
  Deno.test(name, async () => await test(await (ground ??= startMailStack())));
}

/** A person who gets a mail of ours, with that mail. */
async function written(mail: MailGround, address: string, more: Record<string, unknown> = {}) {
  const { status, body } = await mail.send({
    user_id: ALEX.user,
    to: { address, name: "Casey Brooks" },
    subject: "Your order is ready",
    html: "<p>Your order <b>1042</b> is ready.</p>",
    ...more,
  });
  assertEquals([status, body.status], [202, "queued"], JSON.stringify(body));
  return { id: String(body.id), sent: await mail.mailTo(address) };
}

const statusOf = async ({ sql }: MailGround, id: string) =>
  (await sql`select status, provider_id from public.messages where id = ${id}`)[0];

mailTest("a mail goes out with a token to answer to, and is delivered by SendGrid's word", async (mail) => {
  const { id, sent } = await written(mail, "casey@example.org");
  assertEquals(sent.from, { email: ALEX.from, name: ALEX.name });
  assertEquals(sent.to, [{ email: "casey@example.org", name: "Casey Brooks" }]);
  assert(/^[a-z2-7]{16}@reply\.example\.com$/.test(sent.replyTo!.email), sent.replyTo!.email);
  assertEquals(sent.replyTo!.name, ALEX.name);
  assertEquals(sent.headers["Message-ID"], `<${id}@example.com>`);
  assertEquals(sent.customArgs, { gl_message: id });
  assertEquals([sent.html, sent.text], [
    "<p>Your order <b>1042</b> is ready.</p>",
    "Your order 1042 is ready.",
  ]);
  assertEquals(sent.tracking.open_tracking, { enable: false });
  const delivered = await until("delivered", async () => {
    const row = await statusOf(mail, id);
    return row.status === "delivered" ? row : undefined;
  });
  assertEquals(delivered.provider_id, sent.id);
});

mailTest(
  "an answer comes back once, is forwarded once, and the owner's answer goes to the person",
  async (mail) => {
    const { sql } = mail;
    const { id, sent } = await written(mail, "jordan@example.net");
    const answer = {
      from: { address: "jordan@example.net", name: "Jordan Lee" },
      to: sent.replyTo!.email,
      subject: "Re: Your order is ready",
      text: "Can I come on Saturday?\n\nOn Tue, Alex wrote:\n> Your order 1042 is ready.",
      html: "<p>Can I come on Saturday?</p>",
      messageId: "answer-1@example.net",
      inReplyTo: sent.headers["Message-ID"],
      references: [sent.headers["Message-ID"]],
      attachments: [{
        name: "Stadtplan für Dich.pdf",
        type: "application/pdf",
        content: btoa("%PDF-1.7 a map"),
      }],
    };
    const posts = await mail.receive(answer, {}, 3);
    assertEquals(posts.map(({ state }) => state), ["accepted", "accepted", "accepted"]);
    const stored = await sql`
    select m.id, m.text, m.native ->> 'verdict' as verdict, m.native ->> 'via' as via
    from public.messages m where m.provider_id = '<answer-1@example.net>'`;
    assertEquals(stored.map(({ id: _, ...row }) => row), [
      { text: "Can I come on Saturday?", verdict: "forward", via: "token" },
    ]);

    const forward = await mail.mailTo(ALEX.inbox);
    assertEquals(forward.from, { email: "replies@example.com", name: "Jordan Lee via Gatelink" });
    assertEquals(forward.subject, "Re: Your order is ready");
    assert(forward.html!.includes("Can I come on Saturday?"));
    assertEquals(forward.attachments.map(({ type, bytes }) => [type, bytes]), [["application/pdf", 14]]);
    assertEquals(forward.headers["Message-ID"], `<${stored[0].id}@example.com>`);
    assert(forward.headers.References.includes(sent.headers["Message-ID"]), forward.headers.References);
    await until(
      "the forward is settled",
      async () =>
        (await sql`select state from public.deliveries where message_id = ${stored[0].id}`)[0]?.state ===
          "delivered",
    );
    assertEquals(
      (await mail.mails()).sent.filter(({ to }) => to[0].email === ALEX.inbox).length,
      1,
    );

    const before = (await mail.mails()).sent.length;
    await mail.receive({
      from: { address: ALEX.inbox, name: "Alex" },
      to: forward.replyTo!.email,
      subject: "Re: Your order is ready",
      text: `Yes, until noon.\n\nOn Wed, Jordan Lee via Gatelink wrote:\n> Can I come on Saturday?`,
      messageId: "owner-1@corp.example",
      inReplyTo: forward.headers["Message-ID"],
    });
    const relayed = await until(
      "the owner's answer",
      async () =>
        (await mail.mails()).sent.slice(before).find(({ to }) => to[0].email === "jordan@example.net"),
    );
    assertEquals(relayed.from, { email: ALEX.from, name: ALEX.name });
    assertEquals([relayed.subject, relayed.text], ["Re: Your order is ready", "Yes, until noon."]);
    assertEquals(relayed.headers["In-Reply-To"], "<answer-1@example.net>");
    assert(!JSON.stringify(relayed).includes(ALEX.inbox), "the inbox's address appears");
    assert(id !== undefined);
  },
);

mailTest("a forger is kept and marked, and neither forwarded nor relayed", async (mail) => {
  const { sent } = await written(mail, "noor@example.org");
  const before = (await mail.mails()).sent.length;
  const [post] = await mail.receive({
    from: { address: "noor@example.org" },
    to: sent.replyTo!.email,
    subject: "Re: Your order is ready",
    text: "Please send the money here.",
    messageId: "forged-1@example.org",
  }, { spf: "fail", dkim: "attacker.example", sender: "a@attacker.example" });
  assertEquals([post.state, post.answers], ["accepted", [200]]);
  const [row] = await mail.sql`
    select m.id, m.native ->> 'verdict' as verdict, (m.native ->> 'verified')::boolean as verified,
      (select count(*)::int from public.deliveries d where d.message_id = m.id) as deliveries
    from public.messages m where m.provider_id = '<forged-1@example.org>'`;
  assertEquals([row.verdict, row.verified, row.deliveries], ["quarantine", false, 0]);
  assertEquals((await mail.mails()).sent.length, before);
});

mailTest("a lost answer is unknown until SendGrid reports, and is never sent twice", async (mail) => {
  await mail.configure({ answer: "lose", times: 1, events: false });
  const { status, body } = await mail.send({ to: "li.wei@example.org", subject: "Hello", text: "Once." });
  assertEquals(status, 202);
  const id = String(body.id);
  await until("nobody knows", async () => (await statusOf(mail, id)).status === "unknown");
  const { sent } = await mail.mails();
  const mine = sent.filter(({ to }) => to[0].email === "li.wei@example.org");
  assertEquals(mine.length, 1);
  await mail.configure({ answer: "accept", events: true, repeats: 2 });
  await fetch(`${mail.stack.url}/simulator/sendgrid/events`, {
    method: "POST",
    body: JSON.stringify({
      events: [{
        email: "li.wei@example.org",
        event: "delivered",
        timestamp: Math.floor(mine[0].at / 1000),
        sg_message_id: `${mine[0].id}.recvd-1`,
        gl_message: id,
        response: "250 OK",
      }],
    }),
  }).then((response) => response.body?.cancel());
  await until("delivered after all", async () => (await statusOf(mail, id)).status === "delivered");
  const [{ events }] = await until("all repetitions are answered", async () => {
    const { posts } = await mail.mails();
    if (posts.some(({ state }) => state === "waiting")) return undefined;
    return await mail.sql`
      select count(*)::int as events from public.email_events where event_type = 'delivered' and message_id = ${id}`;
  });
  assertEquals(events, 1);
  assertEquals((await mail.mails()).sent.filter(({ to }) => to[0].email === "li.wei@example.org").length, 1);
  await mail.configure({ repeats: 0 });
});

mailTest("429 and 503 of SendGrid only delay a mail", async (mail) => {
  for (const answer of [429, 503]) {
    await mail.configure({ answer, times: 1 });
    const address = `slow-${answer}@example.org`;
    const { sent } = await written(mail, address);
    assertEquals(sent.to[0].email, address);
  }
});

mailTest(
  "a wrong signature is 503 for a mail and 401 for events, and nothing of it is stored",
  async (mail) => {
    const { stack: { url }, sql } = mail;
    const count = async () => (await sql`select count(*)::int as n from public.webhook_events`)[0].n;
    const before = await count();
    const signed = {
      "x-twilio-email-event-webhook-signature": "MEUCIQChrXbbjzANjof17FM5kux6",
      "x-twilio-email-event-webhook-timestamp": "1795688551",
    };
    for (const headers of [signed, {}]) {
      for (const path of ["functions/v1/email-webhook/inbound", "api/sendgrid/inbound", "sendgrid/inbound"]) {
        const form = new FormData();
        form.set("email", "From: a@example.org\r\n\r\nHello");
        const answer = await fetch(`${url}/${path}`, { method: "POST", headers, body: form });
        const { code } = await answer.json();
        assertEquals(
          [answer.status, code],
          [503, headers === signed ? "signature_invalid" : "signature_missing"],
          path,
        );
      }
      const answer = await fetch(`${url}/functions/v1/email-webhook/events`, {
        method: "POST",
        headers,
        body: "[]",
      });
      assertEquals(answer.status, 401);
      await answer.body?.cancel();
    }
    assertEquals(await count(), before);
  },
);

mailTest(
  "the addresses of the former system answer at the stack's root, with its token and its body",
  async (mail) => {
    const { url, stack } = mail.stack;
    const post = (headers: Record<string, string>) =>
      fetch(`${url}/api/sendgrid/send`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({
          user_id: "test-user-id",
          to: "test@example.com",
          subject: "Production Test",
          html: "<p>Testing new reply system</p>",
        }),
      });
    for (const headers of [{}, { authorization: "Bearer wrong" }]) {
      const refused = await post(headers as Record<string, string>);
      assertEquals([refused.status, (await refused.json()).code], [401, "unauthorized"]);
    }
    const taken = await post({ authorization: `Bearer ${stack.email.apiToken}` });
    assertEquals(taken.status, 202);
    const { id } = await taken.json();
    const sent = await mail.mailTo("test@example.com");
    // A user without an identity sends from the default one.
    assertEquals([sent.from.email, sent.customArgs.gl_message], [ALEX.from, id]);
  },
);

mailTest("what is no mail is kept and answered 200; a body that is cut off too", async (mail) => {
  const [post] = await mail.receive({
    from: { address: "stranger@example.org" },
    to: "nobody-knows@reply.example.com",
    subject: "Hello",
    text: "Who are you?",
    messageId: "stranger-1@example.org",
  });
  assertEquals(post.answers, [200]);
  const [row] = await mail.sql`
    select native ->> 'verdict' as verdict, native ->> 'kind' as kind from public.messages
    where provider_id = '<stranger-1@example.org>'`;
  assertEquals({ ...row }, { verdict: "store", kind: "new_mail" });
});
