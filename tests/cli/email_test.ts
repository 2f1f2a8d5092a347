/** `gatelink email` on a real stack, with the simulated SendGrid. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, folder, gatelink, sql, stack, unique } from "../support/cli.ts";
import { until } from "../support/until.ts";
import { join } from "node:path";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { examine } from "../../cli/commands/email/doctor.ts";
import { connect } from "../../cli/core/api.ts";
import type { Session } from "../../cli/core/session.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";

/** Mails to an address, as SendGrid got them. */
async function mailsTo(address: string): Promise<SentMail[]> {
  const response = await fetch(`${stack.url}/simulator/sendgrid/mails`);
  const { sent } = await response.json() as { sent: SentMail[] };
  return sent.filter(({ to }) => to[0].email === address);
}

const codeIn = (mail: SentMail) => /^\d{8}/.exec(mail.text!)![0];

/** An identity with its inbox, both confirmed by the codes that were mailed. */
async function confirmed(): Promise<{ from: string; inbox: string; id: string }> {
  const name = unique("alex");
  const from = `${name}@example.com`, inbox = `${name}@corp.example`;
  const added = await document(
    `email identities add ${from} --user ${name} --name Alex --forward-to ${inbox}`,
  );
  for (const [address, option] of [[from, ""], [inbox, " --inbox"]]) {
    const ran = await gatelink(
      `email identities verify ${from} ${codeIn((await mailsTo(address))[0])}${option}`,
    );
    assertEquals(ran.code, 0, ran.err + ran.out);
  }
  return { from, inbox, id: added.id };
}

Deno.test("gatelink email identities: codes are mailed to both addresses, and entered", async () => {
  const { from, inbox } = await confirmed();
  const listed = (await document("email identities list")).find((one: { from_email: string }) =>
    one.from_email === from
  );
  assertEquals([listed.state, listed.forward_to, listed.forward_to_confirm], ["active", inbox, null]);
  await fails(`email identities verify ${from}`, 4, "not_found", /confirmed already/);
  await fails(`email identities add ${from}`, 4, "conflict", /exists already/);
  await fails("email identities add nobody", 2, "usage", /e-mail address/);
});

Deno.test("gatelink email identities verify: counts wrong codes, and mails one a minute", async () => {
  const from = `${unique("wrong")}@example.com`;
  const added = await gatelink(`email identities add ${from}`);
  assertMatch(added.out, /A code was mailed to wrong-\d+@example\.com/);
  const right = codeIn((await mailsTo(from))[0]);
  const wrong = right === "00000000" ? "00000001" : "00000000";
  const tried = await gatelink(`email identities verify ${from} ${wrong}`);
  assertEquals(tried.code, 1);
  assertMatch(tried.out, /4 tries left/);
  await fails(`email identities verify ${from}`, 4, "refused", /less than a minute ago/);
  await sql`update private.identity_checks set sent_at = now() - interval '2 minutes' where address = ${from}`;
  assertMatch((await gatelink(`email identities verify ${from}`)).out, /A code was mailed/);
  const [, newest] = await mailsTo(from);
  assertEquals((await document(`email identities verify ${from} ${codeIn(newest)}`)).ok, true);
});

Deno.test("gatelink email identities: default, pause, resume, forward and remove", async () => {
  const { from, inbox, id } = await confirmed();
  assertEquals((await document(`email identities default ${from}`)).is_default, true);
  assertEquals((await document(`email identities pause ${id}`)).state, "paused");
  assertEquals((await document(`email identities resume ${from}`)).state, "active");
  const other = `${unique("other")}@corp.example`;
  const moved = await document(`email identities forward ${from} ${other}`);
  // Nothing goes to an inbox that nobody has confirmed.
  assertEquals([moved.forward_to, moved.forward_to_confirm], [inbox, other]);
  const [mail] = await mailsTo(other);
  await document(`email identities verify ${from} ${codeIn(mail)} --inbox`);
  assertEquals((await document(`email identities forward ${from} none`)).forward_to, null);
  await fails(`email identities remove ${from}`, 2, "usage", /Nothing was removed/);
  assertEquals((await document(`email identities remove ${from} --yes`)).removed, true);
  await fails(`email identities pause ${from}`, 4, "not_found", /no identity/);
});

/** A mail of ours, once it was sent. */
async function mailed(user: string, to: string): Promise<SentMail> {
  const response = await fetch(`${stack.url}/functions/v1/email-send`, {
    method: "POST",
    headers: { apikey: stack.secretKey, "content-type": "application/json" },
    body: JSON.stringify({ user_id: user, to, subject: "Hello", text: "Hello" }),
  });
  assertEquals(response.status, 202, await response.text());
  return await until("the mail is sent", async () => (await mailsTo(to)).at(0));
}

Deno.test("gatelink email explain: a file in each form is judged, and a message has its record", async () => {
  const { from, inbox } = await confirmed();
  const person = `${unique("casey")}@example.org`;
  const sent = await mailed(from.split("@")[0], person);
  const answer = {
    from: { address: person },
    to: sent.replyTo!.email,
    subject: "Re: Hello",
    text: "An answer.",
    messageId: `${unique("answer")}@example.org`,
  };
  const raw = mimeOf(answer, new Date());
  const file = join(folder, "answer.eml"), body = join(folder, "inbound.bin");
  await Deno.writeFile(file, raw);
  await Deno.writeFile(body, formOf(raw, answer).body);
  const unverified = await gatelink(`email explain ${file}`);
  assertMatch(unverified.out, /verdict +quarantine/);
  assertMatch(unverified.out, /Neither SPF nor DKIM passed/);
  const signed = await document(`email explain ${file} --dkim example.org`);
  assertEquals([signed.mode, signed.mails[0].verdict, signed.mails[0].forward_to], [
    "mime",
    "forward",
    inbox,
  ]);
  const posted = await document(`email explain ${body}`);
  assertEquals([posted.mode, posted.mails[0].via], ["raw", "token"]);
  assertEquals(
    (await sql`select from public.messages where direction = 'in' and channel = 'email'`).length,
    0,
  );

  const recorded = await gatelink(`email explain ${sent.customArgs.gl_message}`);
  assertEquals(recorded.code, 0, recorded.err);
  assertMatch(recorded.out, /\(out\)/);
  assert(!recorded.out.includes(person), "the record shows an address");
  await fails(`email explain ${crypto.randomUUID()}`, 4, "not_found", /no mail with/);
  await fails("email explain nowhere.eml", 2, "usage", /cannot be read/);
});

Deno.test("gatelink email doctor: checks the domains of all identities, and says what to enter", async () => {
  // The local stack has no key of Resend: the identity is there, and its code can be mailed later.
  const added = await gatelink(`email identities add ${unique("news")}@news.example.net --provider resend`);
  assertEquals(added.code, 1);
  assertMatch(added.out, /No code was mailed[\s\S]*identities verify news-/);
  const { url, secretKey } = stack;
  const api = connect({ url, secretKey, from: "the test", file: undefined });
  const session = { io: { env: {} }, api: () => Promise.resolve(api) } as unknown as Session;
  const asked: string[] = [];
  const nothing = (name: string) => Promise.resolve((asked.push(name), []));
  const dns = { mx: nothing, txt: nothing, cname: nothing };
  const { document: found, text, failed } = await examine(
    session,
    { sendDomain: "example.org", timeout: 1000 },
    dns,
    { sendgrid: (path) => Promise.resolve((asked.push(path), { refused: "not today" })) },
  );
  assertEquals(failed, true);
  for (
    const name of [
      // As the functions say.
      "reply.example.com",
      "s1._domainkey.example.org",
      "resend._domainkey.news.example.net",
      "/v3/user/webhooks/parse/settings",
    ]
  ) {
    assert(asked.includes(name), `${name} was not asked for`);
  }
  assertEquals(
    (found as { enter: Record<string, string> }).enter["SendGrid, Inbound Parse"],
    `${url}/functions/v1/email-webhook/inbound`,
  );
  assertMatch(text, /Enter MX 10 mx\.sendgrid\.net for reply\.example\.com/);
  assertMatch(text, /not today/);
  assertMatch(text, /mails are checked by SendGrid's signature/);
  assertMatch((await gatelink("status")).out, /Inbound Parse: mails are checked by SendGrid's signature/);
});

Deno.test("gatelink email unknown: lists what nobody knows, and a person decides", async () => {
  const { from } = await confirmed();
  const configure = (settings: unknown) =>
    fetch(`${stack.url}/simulator/sendgrid/settings`, { method: "POST", body: JSON.stringify(settings) })
      .then((response) => response.body?.cancel());
  await configure({ answer: "lose", times: 1, events: false });
  const lost = await mailed(from.split("@")[0], `${unique("lost")}@example.org`);
  await configure({ events: true });
  const id = lost.customArgs.gl_message;
  const listed = await until("it is listed", async () => {
    const rows: { id: string; overdue: boolean }[] = await document("email unknown list");
    return rows.find((one) => one.id === id);
  });
  assertEquals(listed.overdue, false);
  await fails(`email unknown resolve ${id} --as maybe --why x`, 2, "usage", /sent, resend, drop/);
  assertEquals(
    (await document(`email unknown resolve ${id} --as sent --why "in the activity"`)).status,
    "sent",
  );
  assertMatch((await gatelink("email unknown list")).out, /There are none/);
});

Deno.test("gatelink email consent and opens: what a person allows, and who looked at a mail", async () => {
  const { from } = await confirmed();
  const user = from.split("@")[0], to = `${unique("reader")}@example.org`;
  await fails(`email consent ${to} individual`, 4, "not_found", /Nobody is known/);
  await mailed(user, to);
  await fails(`email consent ${to} all`, 2, "usage", /off, aggregate or individual/);
  await fails(`email consent ${to} off --source "a form"`, 2, "usage", /one word/);
  assertEquals((await document(`email consent ${to} individual --source form`)).mode, "individual");
  const response = await fetch(`${stack.url}/functions/v1/email-send`, {
    method: "POST",
    headers: { apikey: stack.secretKey, "content-type": "application/json" },
    body: JSON.stringify({
      ...{ user_id: user, to, subject: "News", track: "individual" },
      html: `<p><a href="https://www.example.com/read?of=${user}">Read</a></p>`,
    }),
  });
  const { id } = await response.json();
  const mail = await until(
    "the mail is sent",
    async () => (await mailsTo(to)).find(({ subject }) => subject === "News"),
  );
  const [, link] = /href="([^"]+\/1)"/.exec(mail.html!)!;
  // On the stack's own origin, and by a person's browser.
  assertMatch(link, new RegExp(`^${stack.url}/c/[a-z2-7]{32}/1$`));
  const agent = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" };
  const clicked = await fetch(link, { redirect: "manual", headers: agent });
  assertEquals([clicked.status, clicked.headers.get("location")], [
    302,
    `https://www.example.com/read?of=${user}`,
  ]);
  await clicked.body?.cancel();
  const told = await until("the click is told", async () => {
    const told = await document(`email opens ${id}`);
    return told.clicks.length > 0 && told;
  });
  assertEquals([told.tracked, told.clicks[0].link, told.clicks[0].client], ["individual", 1, "firefox"]);
  assertMatch((await gatelink(`email opens ${id}`)).out, /www\.example\.com\/read/);
  const name = `click:${told.clicks[0].id}`;
  const corrected = await document(`email correct ${id} ${name} machine`);
  assertEquals([corrected.clicks[0].verdict, corrected.clicks[0].corrected_by], ["machine", "service_role"]);
  assertMatch((await gatelink(`email opens ${id}`)).out, new RegExp(`${name}.*machine.*corrected by`));
  assertEquals((await document(`email correct ${id} ${name} rules`)).clicks[0].corrected_by, null);
  await fails(`email correct ${id} click:999999999 machine`, 4, "not_found", /email opens/);
  await fails(`email correct ${id} reply:1 machine`, 2, "usage", /open:N/);
  await document(`email consent ${to} off`);
  assertEquals((await document(`email opens ${id}`)).clicks, []);
  await fails(`email opens ${crypto.randomUUID()}`, 4, "not_found", /no mail/);
  assertEquals(Array.isArray((await document("email export --days 1")).mails), true);
  // The other addresses at the root.
  const pixel = await fetch(`${stack.url}/pixel/test.png`);
  assertEquals([pixel.status, pixel.headers.get("content-type")], [200, "image/png"]);
  await pixel.body?.cancel();
  const page = await fetch(`${stack.url}/u/${id}`);
  assertMatch(page.headers.get("content-type")!, /^text\/html/);
  assertMatch(await page.text(), /Do not track me/);
});
