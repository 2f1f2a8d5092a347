/** `gatelink campaign` on a real stack: a draft is filled, tested, sent by the clock, stopped and exported. */
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, folder, gatelink, sql, stack, unique } from "../support/cli.ts";
import { addIdentity, ALEX } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";

Deno.test.beforeAll(async () => {
  await addIdentity(sql);
  await sql`insert into public.settings (key, value) values ('email_send.enabled', 'true')
    on conflict (key) do update set value = excluded.value`;
});

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, `${unique("file")}-${name}`);
  await Deno.writeTextFile(path, text);
  return path;
}

/** The mail to an address, once it was sent. */
const mailTo = (address: string) =>
  until(`a mail to ${address}`, async () => {
    const { sent } = await (await fetch(`${stack.url}/simulator/sendgrid/mails`)).json() as {
      sent: SentMail[];
    };
    return sent.find(({ to }) => to[0].email === address);
  });

Deno.test("gatelink campaign: create, add, test, start, show, recipients and export", async () => {
  const html = await file(
    "october.html",
    '<p>Hi {{name|there}}</p><a href="{{unsubscribe_url}}">no more</a>',
  );
  const made = await document(
    `campaign create October --subject "News for {{name|you}}" --html ${html} --per-minute 600`,
  );
  assertEquals([made.state, made.from_email, made.counts], ["draft", ALEX.from, {}]);
  await fails(`campaign start ${made.id}`, 4, "conflict", /nobody/);

  const csv = await file(
    "people.csv",
    '\ufeffEmail;Name\r\nada@people.example;"Ada <3"\r\nada@people.example;Ada\r\nno;No\r\n',
  );
  assertEquals(await document(`campaign add ${made.id} ${csv}`), {
    added: 1,
    duplicates: 1,
    invalid: 1,
    suppressed: 0,
  });
  const lines = await file(
    "more.ndjson",
    '{"to":"first@people.example"}\n{"to":"bo@people.example","name":"Bo"}\n',
  );
  const added = await gatelink(`campaign add ${made.id} ${lines} --skip 1`);
  assertEquals([added.code, added.err], [0, ""], added.err);
  assertMatch(added.out, /added +1/);
  await fails(
    `campaign add ${made.id} ${await file("bad.csv", "name\nAda")}`,
    2,
    "usage",
    /column to or email/,
  );
  await fails(`campaign add ${made.id} ${join(folder, "none.csv")}`, 2, "usage", /no file/);

  assertMatch((await gatelink(`campaign test ${made.id} me@people.example --field name=Me`)).out, /Queued/);
  assertEquals((await mailTo("me@people.example")).subject, "News for Me");

  assertMatch((await gatelink(`campaign start ${made.id} --per-minute 1200`)).out, /pace +1200 a minute/);
  const mail = await mailTo("ada@people.example");
  assertEquals(mail.subject, "News for Ada <3");
  const [, url] = /<p>Hi Ada &lt;3<\/p><a href="(http[^"{]+\/u\/[0-9a-f-]{36})">/.exec(mail.html!) ?? [];
  assert(url, mail.html);
  assertMatch(mail.headers["List-Unsubscribe"], new RegExp(`<${url}>`));
  assertEquals(mail.customArgs.gl_campaign, made.id);
  const done = await until("both are delivered", async () => {
    const one = await document(`campaign show ${made.id}`);
    return one.counts.delivered === 2 ? one : undefined;
  });
  assertEquals([done.state, done.counts.recipients, done.counts.sent, done.rates.delivered], [
    "done",
    2,
    2,
    1,
  ]);
  assertMatch((await gatelink(`campaign show ${made.id}`)).out, /delivered +2 \(100\.0 % of sent\)/);
  assertMatch((await gatelink("campaign list")).out, /October +done +2 +2 +100\.0 %/);
  assertMatch((await gatelink(`campaign recipients ${made.id}`)).out, /ada@people\.example +delivered/);

  const target = join(folder, "export.csv");
  assertEquals((await document(`campaign export ${made.id} ${target}`)).recipients, 2);
  const rows = (await Deno.readTextFile(target)).trimEnd().split("\r\n");
  assertEquals(rows.length, 3);
  assertMatch(rows[0], /^\ufeffid,address,state/);
  assertMatch(rows[1], /,ada@people\.example,queued,/);
});

Deno.test("gatelink campaign: stop, start and cancel, with reasons on record", async () => {
  const text = await file("news.txt", "Hello {{name}}");
  const { id } = await document(
    `campaign create News --subject News --text ${text} --at 2099-01-01T00:00:00Z`,
  );
  await document(`campaign add ${id} ${await file("people.csv", "to\nada@people.example")}`);
  assertMatch((await gatelink(`campaign start ${id}`)).out, /state +sending, but it begins later/);
  await fails(
    `campaign add ${id} ${await file("people.csv", "to\nbo@people.example")}`,
    4,
    "conflict",
    /draft/,
  );
  const stopped = await document(`campaign stop ${id} --why "a wrong link"`);
  assertEquals([stopped.state, stopped.stopped_because], ["stopped", "a wrong link"]);
  await fails(`campaign stop ${id} --why again`, 4, "conflict", /stopped/);
  assertEquals((await document(`campaign cancel ${id} --why "no use"`)).state, "cancelled");
  await fails(`campaign start ${id}`, 4, "conflict", /cancelled/);
  const [{ list }] = await sql`select public.list_audit(${sql.json({ ref: id })}) as list`;
  assertEquals(list.map(({ after }: { after: { state: string } }) => after.state), [
    "cancelled",
    "stopped",
    "sending",
    "draft",
  ]);
  await fails("campaign create X --subject X --text none.txt", 2, "usage", /cannot be read/);
  await fails(`campaign create X --subject X --text ${text} --bounce-limit much`, 2, "usage", /share/);
});
