/** The mail page's part of the simulator, and the simulated SendGrid's faults, with time that a test moves. */
import { assert, assertEquals, assertMatch, assertRejects } from "../../../tests/support/assert.ts";
import { generateKeyPairSync } from "node:crypto";
import { readForm } from "../../../supabase/functions/_shared/mail/form.ts";
import { readPost } from "../../../supabase/functions/_shared/mail/inbound_parse.ts";
import { join } from "node:path";
import type { Json } from "../model.ts";
import { loadSamples } from "../samples.ts";
import { FakeClock } from "../testing.ts";
import { MailApi } from "./api.ts";
import { type MailChange, SendGridSimulator } from "./sendgrid.ts";

const ORIGIN = "http://127.0.0.1:54321";
const signingKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  .export({ format: "der", type: "pkcs8" }).toString("base64");

interface Arrived {
  path: string;
  type: string;
  body: Uint8Array;
}

/** The simulated SendGrid before webhooks that answer what the test says, with the page's part. */
function simulate({ answer = () => 200, folder }: { answer?: (n: number) => number; folder?: string } = {}) {
  const clock = new FakeClock();
  const arrived: Arrived[] = [];
  const receive: typeof fetch = (url, init) => {
    arrived.push({
      path: new URL(String(url)).pathname,
      type: new Headers(init?.headers).get("content-type") ?? "",
      body: init?.body instanceof Uint8Array ? init.body : new TextEncoder().encode(String(init?.body)),
    });
    return Promise.resolve(new Response(null, { status: answer(arrived.length) }));
  };
  const mail = new SendGridSimulator({
    ...{ apiKey: "SG.key", signingKey, inboundUrl: `${ORIGIN}/inbound`, eventsUrl: `${ORIGIN}/events` },
    ...(folder === undefined ? {} : { folder }),
    ...{ clock, fetch: receive },
  });
  const api = new MailApi({ mail, samples: loadSamples(), origin: ORIGIN, fetch: receive });
  const send = async (more: Json = {}) => {
    const response = await mail.fetch(
      new Request(`${ORIGIN}/simulator/sendgrid/v3/mail/send`, {
        method: "POST",
        headers: { authorization: "Bearer SG.key" },
        body: JSON.stringify({
          from: { email: "alex@example.com", name: "Alex" },
          reply_to: { email: "abcdefghijklmnop@reply.example.com", name: "Alex" },
          subject: "Your order",
          personalizations: [{ to: [{ email: "Casey@example.org" }], custom_args: { gl_message: "m1" } }],
          content: [{ type: "text/plain", value: "It is ready." }, {
            type: "text/html",
            value: '<p>It is <img src="cid:pic"> ready.</p><script>alert(1)</script>',
          }],
          headers: { "Message-ID": "<m1@example.com>" },
          attachments: [
            {
              filename: "a.png",
              type: "image/png",
              content: btoa("png"),
              content_id: "pic",
              disposition: "inline",
            },
          ],
          ...more,
        }),
      }),
    );
    await response.body?.cancel();
    return response.status;
  };
  /** Names of the events that were posted, in order. */
  const events = () =>
    arrived.filter(({ path }) => path === "/events").flatMap(({ body }) =>
      (JSON.parse(new TextDecoder().decode(body)) as Json[]).map(({ event }) => event)
    );
  const mails = () =>
    arrived.filter(({ path }) => path === "/inbound").map(({ body, type }) => {
      const form = readForm(body, type)!;
      const { start, end } = form.fields.get("email")!;
      return { ...readPost(body, form), raw: new TextDecoder().decode(body.subarray(start, end)) };
    });
  return { mail, api, clock, arrived, send, events, mails };
}

const about = { inbox: "casey@example.org", language: "en" };
const answer = { ...about, client: "gmail", text: "Thanks" };

Deno.test("MailApi: an answer goes to where answers go, in the thread, with its files", async () => {
  const { api, mail, send, clock, mails } = simulate();
  assertEquals(await send(), 202);
  const [{ id }] = mail.sent;
  await api.call("answer", { ...answer, mail: id, files: ["900000000000002"] });
  await clock.until(mail.poster.settled());
  const [post] = mails();
  assertEquals(post.envelope, { to: ["abcdefghijklmnop@reply.example.com"], from: "casey@example.org" });
  assertEquals([post.spf, post.dkim], ["pass", { "example.org": "pass" }]);
  assertMatch(post.raw, /^In-Reply-To: <m1@example\.com>\r$/m);
  assertMatch(post.raw, /receipt\.pdf/);
  const [record] = mail.store.written.values();
  assertEquals([record.how, record.about, record.state], ["Gmail, English", id, "accepted"]);
});

Deno.test("MailApi: what cannot be is refused with a sentence, and nothing is posted", async () => {
  const { api, mail, send, arrived } = simulate();
  await send();
  await mail.poster.settled();
  const before = arrived.length;
  const [{ id }] = mail.sent;
  const wrong: [path: string, body: Json, says: string][] = [
    ["answer", { ...answer, mail: id, inbox: "other@example.org" }, "inbox: this mail is not in it"],
    ["answer", { ...answer, mail: "?" }, "mail: it is not here"],
    ["answer", { ...answer, mail: id, client: "lotus" }, "client"],
    ["answer", { ...answer, mail: id, files: ["x"] }, "files: there is no such file"],
    ["react", { ...about, mail: id, reaction: "flood" }, "reaction"],
    ["unsubscribe", { inbox: about.inbox, mail: id }, "names no way"],
    ["write", { from: "nobody", to: "a@example.com", subject: "", text: "" }, "from: not an address"],
    ["settings", { answer: 200 }, "answer"],
  ];
  for (const [path, body, says] of wrong) await assertRejects(() => api.call(path, body), RangeError, says);
  assertEquals(await api.call("elsewhere", {}), undefined);
  assertEquals(arrived.length, before);
});

Deno.test("MailApi: HTML is shown without scripts and without images of others; files are downloads", async () => {
  const { api, mail, send } = simulate();
  await send();
  const [{ id }] = mail.sent;
  const shown = api.part(`${id}/html`)!;
  const policy = shown.headers.get("content-security-policy")!;
  assertMatch(policy, /^sandbox allow-popups [^;]*; default-src 'none';/);
  assert(!/script-src|https?:(?!\/\/127)/.test(policy), policy);
  assert((await shown.text()).includes(`src="data:image/png;base64,${btoa("png")}"`));
  const file = api.part(`${id}/files/0`)!;
  assertEquals(
    [file.headers.get("content-type"), file.headers.get("content-disposition"), await file.text()],
    ["application/octet-stream", "attachment; filename*=UTF-8''a.png", "png"],
  );
  for (const path of [`${id}/files/1`, "0000000000000000000000/html", `${id}/elsewhere`]) {
    assertEquals(api.part(path), undefined, path);
  }
});

Deno.test("MailApi: one click posts to the stack alone; without it a mail asks", async () => {
  const { api, mail, send, clock, arrived, mails } = simulate();
  const header = (url: string) => ({
    "Message-ID": "<m1@example.com>",
    "List-Unsubscribe": `<${url}>, <mailto:t@reply.example.com?subject=unsubscribe>`,
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
  });
  for (const url of [`${ORIGIN}/u/token`, "https://attacker.example/u"]) await send({ headers: header(url) });
  const [ours, theirs] = mail.sent;
  const call = ({ id }: { id: string }) => api.call("unsubscribe", { inbox: about.inbox, mail: id });
  assertEquals(await call(ours), { how: "one click", status: 200 });
  assertEquals(new TextDecoder().decode(arrived.at(-1)!.body), "List-Unsubscribe=One-Click");
  await call(theirs);
  await clock.until(mail.poster.settled());
  assertEquals(mails().map(({ envelope, raw }) => [envelope.to[0], /^Subject: (.+)\r$/m.exec(raw)?.[1]]), [
    ["t@reply.example.com", "unsubscribe"],
  ]);
});

Deno.test("SendGridSimulator: each fate is reported as SendGrid does", async () => {
  const { mail, send, clock, events, arrived } = simulate();
  const bounces = () =>
    arrived.flatMap(({ path, body }) =>
      path === "/events" ? JSON.parse(new TextDecoder().decode(body)) as Json[] : []
    ).filter(({ event }) => event === "bounce").map(({ type, status }) => [type, status]);
  for (const fate of ["delivered", "deferred", "bounce", "blocked", "dropped"] as const) {
    mail.configure({ fate });
    await send();
  }
  await clock.until(mail.poster.settled());
  assertEquals(events(), [
    ...["processed", "delivered"],
    ...["processed", "deferred", "delivered"],
    ...["processed", "bounce", "processed", "bounce"],
    "dropped",
  ]);
  assertEquals(bounces(), [["bounce", "5.1.1"], ["blocked", "5.7.1"]]);
});

Deno.test("SendGridSimulator: reports are repeated, late and in the wrong order on request", async () => {
  const { mail, send, clock, events } = simulate();
  mail.configure({ repeats: 1, delayMs: 60_000, outOfOrder: true });
  await send();
  await clock.until(clock.sleep(59_000));
  assertEquals(events(), ["delivered", "delivered"]);
  await clock.until(clock.sleep(2_000));
  assertEquals(events(), ["delivered", "delivered", "processed", "processed"]);
});

Deno.test("SendGridSimulator: the API fails as often as it is told, and a lost answer leaves the mail taken", async () => {
  const { mail, send } = simulate();
  const statuses = async (answer: "lose" | "miss" | number, times: number | null) => {
    mail.configure({ answer, times });
    return [await send(), await send(), await send()];
  };
  assertEquals(await statuses(429, 2), [429, 429, 202]);
  assertEquals(mail.sent.length, 1);
  assertEquals(await statuses("lose", 1), [504, 202, 202]);
  assertEquals(mail.sent.length, 4);
  assertEquals(await statuses("miss", null), [504, 504, 504]);
  assertEquals(mail.sent.length, 4);
  assertEquals(mail.calls.map(({ status }) => status), [429, 429, 202, 504, 202, 202, 504, 504, 504]);
});

Deno.test("SendGridSimulator: a mail is repeated at 503 and at a lost answer, and lost for good at 4xx", async () => {
  let status = 503;
  const { mail, api, send, clock, mails } = simulate({ answer: () => status });
  mail.configure({ events: false });
  await send();
  const [{ id }] = mail.sent;
  await api.call("answer", { ...answer, mail: id });
  await clock.until(clock.sleep(300));
  status = 200;
  mail.configure({ loseAnswers: 1 });
  await clock.until(mail.poster.settled());
  const posts = mails();
  assertEquals(mail.poster.posts.map(({ answers, state }) => [answers, state]), [
    [[503, 503, "none", 200], "accepted"],
  ]);
  assertEquals(new Set(posts.map(({ raw }) => raw)).size, 1, "the very same mail");
  assertEquals(mail.settings.loseAnswers, 0);
  status = 401;
  mail.configure({ copies: 1 });
  await api.call("answer", { ...answer, mail: id });
  await clock.until(mail.poster.settled());
  assertEquals(mail.poster.posts.slice(1).map(({ answers, state }) => [answers, state]), [
    [[401], "lost"],
    [[401], "lost"],
  ]);
});

Deno.test("SendGridSimulator: mails, files and what waits outlive a restart; a reset forgets them", async () => {
  const folder = await Deno.makeTempDir();
  const first = simulate({ folder, answer: () => 503 });
  first.mail.configure({ events: false });
  await first.send();
  const [{ id }] = first.mail.sent;
  await first.api.call("answer", { ...answer, mail: id });
  await first.api.call("inbox", { address: "Noor@example.net", name: "Noor" });
  first.mail.stop();
  await Deno.writeTextFile(join(folder, "mails.jsonl"), '{"is":"sent","mail":{"id"', { append: true });

  const second = simulate({ folder });
  await second.clock.until(second.mail.poster.settled());
  assertEquals(second.mail.sent, first.mail.sent);
  assertEquals([...second.mail.store.written.values()].map(({ state }) => state), ["accepted"]);
  assertEquals(second.mails().map(({ envelope }) => envelope.from), ["casey@example.org"]);
  assertEquals(second.mail.store.inboxes.get("noor@example.net")?.name, "Noor");
  assertEquals(await second.api.part(`${id}/files/0`)!.text(), "png");
  second.mail.reset();
  assertEquals([...Deno.readDirSync(join(folder, "files"))], []);
  assertEquals(simulate({ folder }).mail.sent, []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("MailApi: the page is told of each change, without files and HTML", async () => {
  const { api, mail, send, clock } = simulate();
  const told: MailChange["type"][] = [];
  const texts: string[] = [];
  const end = api.listen((event) => {
    told.push((event as MailChange).type);
    texts.push(JSON.stringify(event));
  });
  await send();
  await api.call("answer", { ...answer, mail: mail.sent[0].id, files: ["900000000000001"] });
  await clock.until(mail.poster.settled());
  end();
  await send();
  assertEquals([...new Set(told)].sort(), ["call", "post", "sent", "written"]);
  assertEquals(told.filter((type) => type === "sent").length, 1);
  assert(texts.every((text) => text.length < 2_000 && !text.includes("<p>")), "too much is told");
});
