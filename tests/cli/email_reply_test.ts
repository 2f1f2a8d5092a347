/** `gatelink email reply` on a real stack: an answer waits ten seconds, can be undone, and leaves in the thread. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";
import { addIdentity, ALEX, mailOn } from "../support/mail_stack.ts";
import type { RunningStack } from "../support/stack.ts";

Deno.test("gatelink email reply: by the id of a message or a reply token; undone or sent, from whom it was written to", async () => {
  await addIdentity(sql);
  const mail = mailOn({ url: stack.url, stack } as unknown as RunningStack, sql);
  await mail.receive({
    from: { address: "riley@example.org", name: "Riley" },
    to: ALEX.from,
    subject: "A question",
    text: "Are you there?",
    messageId: "question@example.org",
  });
  const [{ id }] =
    await sql`select id from public.messages where native ->> 'message_id' = '<question@example.org>'`;
  await fails(`email reply ${id}`, 2, "usage", /--text TEXT/);
  await fails(
    "email reply 01968f00-0000-7000-8000-00000000dead --text Hello",
    4,
    "not_found",
    /such a thread/,
  );
  const undone = await document(`email reply ${id} --text Wrong`);
  assertEquals([undone.to, undone.from, undone.state], ["riley@example.org", ALEX.from, "waiting"]);
  assertMatch((await gatelink(`email reply ${undone.id} --undo`)).out, /Undone: nothing was sent/);
  assertEquals((await document(`email reply ${undone.id} --undo`)).state, "undone");

  const { id: answer } = await document(`email reply ${id} --text Yes`);
  const sent = await mail.mailTo("riley@example.org");
  assertEquals([sent.from.email, sent.subject, sent.headers["In-Reply-To"]], [
    ALEX.from,
    "Re: A question",
    "<question@example.org>",
  ]);
  assertMatch(sent.text!, /^Yes\n\n-- \n/);
  const [{ by }] =
    await sql`select a.by from public.contact_acts a join public.chat_replies r on r.out_id = a.message_id
    where r.id = ${answer}`;
  assertEquals(by, "service_role");
  // The token of what was sent leads to the same thread.
  const token = sent.replyTo!.email.split("@")[0];
  assertEquals((await document(`email reply ${token} --text Again`)).message_id, id);

  await sql`update public.messages set native = native || '{"automatic": true}' where id = ${id}`;
  await fails(`email reply ${id} --text Hello`, 4, "refused", /A machine or a list wrote/);
  await document(`email reply ${id} --text Hello --anyway`);
});
