/** What can come back to a mail, posted by the simulator to a running stack: each is judged and handled as what it is. */
import { assert, assertEquals } from "../support/assert.ts";
import { type Reaction, REACTIONS } from "../../local/simulator/mail/reactions.ts";
import { ALEX, type MailGround, startMailStack } from "../support/mail_stack.ts";
import { until } from "../support/until.ts";

let ground: Promise<MailGround> | undefined;
Deno.test.afterAll(async () => await (await ground)?.stop());

/** The page's calls. */
async function call(mail: MailGround, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${mail.stack.url}/simulator/api/mail/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  return answer;
}

/** A mail to somebody new. */
async function written(mail: MailGround, address: string) {
  const { status, body } = await mail.send({
    user_id: ALEX.user,
    to: address,
    subject: "Your order is ready",
    html: "<p>Your order is ready.</p>",
  });
  assertEquals(status, 202);
  return { id: String(body.id), sent: await mail.mailTo(address) };
}

const WANTED: Record<Reaction, [kind: string, verdict: string, forwarded: number, suppressed: number]> = {
  away: ["auto_reply", "store", 0, 0],
  bounce_hard: ["bounce", "suppress", 0, 1],
  bounce_soft: ["bounce", "store", 0, 0],
  bounce_delayed: ["delay", "store", 0, 0],
  list: ["bulk", "store", 0, 0],
  forger: ["spoof", "quarantine", 0, 0],
  receipt: ["receipt", "store", 0, 0],
  big: ["reply", "forward", 1, 0],
};

for (const [reaction, wanted] of Object.entries(WANTED)) {
  Deno.test(`${REACTIONS[reaction as Reaction]}: ${wanted[1]}`, async () => {
    const mail = await (ground ??= startMailStack());
    const address = `${reaction.replace("_", "-")}@people.example`;
    const { id, sent } = await written(mail, address);
    await call(mail, "react", { inbox: address, mail: sent.id, reaction, language: "fr" });
    const row = await until("it is stored", async () =>
      (await mail.sql`
        select m.id, m.native ->> 'kind' as kind, m.native ->> 'verdict' as verdict,
          (select count(*)::int from public.deliveries d where d.message_id = m.id) as forwarded,
          (select count(*)::int from public.suppressions s where s.address = ${address}) as suppressed
        from public.messages m where m.direction = 'in' and m.native ->> 'answers' = ${id}`)[0]);
    assertEquals([row.kind, row.verdict, row.forwarded, row.suppressed], wanted);
    if (reaction !== "big") return;
    const forward = await mail.mailTo(ALEX.inbox);
    assert(forward.text!.includes("Here is the film of the party."), forward.text);
    const [post] = (await mail.mails()).posts.filter(({ kind, what }) =>
      kind === "inbound" && what.startsWith(address)
    );
    assertEquals([post.state, post.answers], ["accepted", [200]]);
  });
}

Deno.test("a report that is made by hand counts like SendGrid's own", async () => {
  const mail = await (ground ??= startMailStack());
  const address = "complains@people.example";
  const { sent } = await written(mail, address);
  await call(mail, "report", { mail: sent.id, event: "spamreport" });
  await until(
    "no more mail",
    async () =>
      (await mail.sql`select 1 from public.suppressions where address = ${address} and reason = 'complaint'`)[
        0
      ],
  );
});

Deno.test("one click ends mails to many, and a mail of somebody's own still goes", async () => {
  const mail = await (ground ??= startMailStack());
  const address = "enough@people.example";
  const more = { user_id: ALEX.user, to: address, subject: "News", text: "News.", bulk: true };
  assertEquals((await mail.send(more)).status, 202);
  const { id } = await mail.mailTo(address);
  assertEquals(await call(mail, "unsubscribe", { inbox: address, mail: id }), {
    how: "one click",
    status: 200,
  });
  await until(
    "suppressed",
    async () =>
      (await mail.sql`select 1 from public.suppressions where address = ${address} and scope = 'bulk'`)[0],
  );
  assertEquals((await mail.send(more)).body.code, "suppressed");
  assertEquals((await mail.send({ ...more, bulk: false })).status, 202);
});
