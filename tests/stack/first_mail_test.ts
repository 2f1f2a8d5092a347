/** The first mails of a new stack: an answer that came back is there before anybody has done anything. */
import { assert, assertEquals } from "../support/assert.ts";
import { READER, SENDER } from "../../local/first_mail.ts";
import { mailOn } from "../support/mail_stack.ts";
import { testDatabase } from "../support/postgres.ts";
import { startStack, temporaryFolder } from "../support/stack.ts";
import { until } from "../support/until.ts";

Deno.test("start: a mail, its answer and the forward are there; the next start plays nothing again", async () => {
  await using folder = await temporaryFolder();
  const { sql, url, drop } = await testDatabase();
  const start = () =>
    startStack({ data: folder.path + "/data", args: ["--mail"], env: { DATABASE_URL: url } });
  const played = () =>
    until(
      "it was played",
      async () => (await sql`select 1 from public.settings where key = 'local.mail_played'`)[0],
    );
  try {
    let stack = await start();
    try {
      const mail = mailOn(stack, sql);
      const sent = await mail.mailTo(READER.address);
      assertEquals([sent.from.email, sent.subject], [SENDER.from, "Your bread is ready"]);
      const forward = await mail.mailTo(SENDER.inbox);
      assertEquals(forward.from.name, "Casey Brooks via Gatelink");
      assert(forward.text!.includes("Could you slice it, please?"), forward.text);
      await played();
    } finally {
      await stack.stop();
    }
    stack = await start();
    try {
      const { sent } = await mailOn(stack, sql).mails();
      assertEquals(sent.map(({ to }) => to[0].email), [READER.address, SENDER.inbox], "the inboxes are kept");
      const [{ messages, replies }] = await sql`
        select (select count(*)::int from public.messages where channel = 'email') as messages,
          (select count(*)::int from public.email_replies) as replies`;
      assertEquals([messages, replies], [2, 1]);
    } finally {
      await stack.stop();
    }
  } finally {
    await drop();
  }
});

Deno.test("start: with identities of somebody's own, no mail is played", async () => {
  const { sql, url, drop } = await testDatabase();
  try {
    await sql`insert into public.email_identities (from_email) values ('own@example.com')`;
    const stack = await startStack({ args: ["--mail"], env: { DATABASE_URL: url } });
    try {
      await until(
        "it was decided",
        async () => (await sql`select 1 from public.settings where key = 'local.mail_played'`)[0],
      );
      assertEquals((await mailOn(stack, sql).mails()).sent, []);
      assertEquals((await sql`select from_email from public.email_identities`).map((row) => row.from_email), [
        "own@example.com",
      ]);
    } finally {
      await stack.stop();
    }
  } finally {
    await drop();
  }
});
