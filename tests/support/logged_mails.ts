/** The part of {@link file://./logged_run.ts} that is about mails: each way in and out, and each way in which one fails. */
import { assert, assertEquals } from "./assert.ts";
import { formOf, type MailWay, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, KEYS } from "./edge.ts";
import { until } from "./until.ts";

/** Marks a text as one that must not be printed, and returns it. */
type Hide = (text: string) => string;

const SECRET = { apikey: KEYS.secretKey };

/** Sends and receives mails, with every fault of providers, storage and database. */
export async function logMails(edge: Edge, hide: Hide): Promise<void> {
  const { call, hurry, mail, settled, sql } = edge;
  const owner = hide("wilma.tannengrund@postkasten.example"), from = hide("bestellung@tannengrund.example");
  const person = hide("quirin.hohenfels@briefe.example"), name = hide("Quirin Hohenfels");
  await addIdentity(edge, from, owner, hide("Wilma Tannengrund"));
  const written = (subject: string) => ({
    to: { address: person, name },
    subject: hide(subject),
    text: hide(`the text of ${subject}`),
    html: `<p>${hide(`the html of ${subject}`)}</p>`,
    attachments: [{
      name: hide("kontoauszug-quirin.pdf"),
      type: "application/pdf",
      content: btoa(hide("a bank statement")),
    }],
  });
  /** Everything was tried at least once; a further attempt is not waited for. */
  const tried = () =>
    until("everything was tried", async () => {
      const left = await sql`
        select from public.outbound_messages
        where channel = 'email' and (state = 'leased' or state = 'queued' and attempt = 0)
        union all
        select from public.deliveries where state = 'leased' or state = 'pending' and attempt = 0`;
      if (left.length === 0) return true;
      await hurry();
      settled().catch(() => {});
    });
  const send = async (body: unknown, status = 202, headers: HeadersInit = SECRET) => {
    await hurry();
    const answer = await call("email-send", { headers, body });
    assertEquals(answer.status, status, JSON.stringify(answer.body));
    await tried();
    return answer.body;
  };
  const receive = async (
    written: WrittenMail,
    way: MailWay = {},
    status = 200,
    path: `/${string}` | "" = "",
  ) => {
    await hurry();
    const { body, contentType } = formOf(mimeOf(written, new Date()), written, way);
    const headers = { "content-type": contentType, ...mail.poster.headersFor(body) };
    const answer = await call(`email-webhook/inbound${path}`, { headers, body });
    assertEquals(answer.status, status, JSON.stringify(answer.body));
    await tried();
    return answer.body;
  };

  // Out and back, with each answer of the provider.
  await send(written("the invoice of tulips"));
  const replyTo = mail.sent.at(-1)!.replyTo!.email;
  hide(replyTo.split("@")[0]);
  const answerOf = (subject: string, more: Partial<WrittenMail> = {}): WrittenMail => ({
    from: { address: person, name },
    to: replyTo,
    subject: hide(subject),
    text: hide(`all of ${subject}`),
    messageId: hide(`${crypto.randomUUID()}@briefe.example`),
    ...more,
  });
  await receive(answerOf("a question of tulips"));
  const forward = mail.sent.find(({ to }) => to[0].email === owner)!;
  hide(forward.replyTo!.email.split("@")[0]);
  await receive(answerOf("an answer of the owner", { from: { address: owner }, to: forward.replyTo!.email }));
  await receive(answerOf("a forged letter"), { spf: "fail", dkim: null });
  await receive(answerOf("I am away, says Quirin", { headers: { "Auto-Submitted": "auto-replied" } }));
  await receive(answerOf("unsubscribe"));
  await sql`delete from public.suppressions`;
  await receive(answerOf("a stranger's letter", {
    from: { address: hide("ottokar.nobody@fremde.example") },
    to: hide("nobody-knows-this@reply.example.com"),
  }));
  for (const answer of [400, 401, 403, 413, 429, 503, "lose", "miss"] as const) {
    mail.configure({ answer, times: 1 });
    await send(written(`the offer with ${answer}`));
    mail.configure({ answer, times: 1 });
    await receive(answerOf(`a letter that meets ${answer}`));
  }
  mail.configure({ answer: "accept", times: null });

  // A server in between that quotes the request, and none at all.
  let quoted = 0;
  const quoting = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    quoted++;
    const message = `${request.headers.get("authorization")} ${(await request.text()).slice(0, 3000)}`;
    return Response.json({ errors: [{ message, field: null }], message, name: message }, { status: 422 });
  });
  const at = `http://127.0.0.1:${quoting.addr.port}`;
  await withEnv({ SENDGRID_URL: at }, async () => {
    await send(written("the offer that is quoted"));
    await receive(answerOf("a letter that is quoted"));
  });
  await withEnv(
    { RESEND_URL: at, RESEND_API_KEY: hide("re_key-of-the-other-provider") },
    async () => {
      await sql`update public.email_identities set provider = 'resend'`;
      await send(written("the offer by another way"));
      await sql`update public.email_identities set provider = 'sendgrid'`;
    },
  );
  assert(quoted >= 3, `${quoted} were quoted`);
  await quoting.shutdown();
  await withEnv({ SENDGRID_URL: "http://127.0.0.1:9" }, () => send(written("the offer to nobody")));

  // What is refused.
  await sql`delete from public.suppressions`;
  const suppressed = hide("leopold.ruhe@stille.example");
  await sql`insert into public.suppressions (address, reason, source) values (${suppressed}, 'complaint', 'sendgrid')`;
  await send({ ...written("the mail to one who wants none"), to: suppressed }, 409);
  await send({ ...written("the mail from nowhere"), from: hide("nobody@tannengrund.example") }, 422);
  await send({ ...written("the mail to no address"), to: hide("quirin hohenfels at home") }, 422);
  await send(`{"to": "${person}", "subject": "${hide("half a subject of mine")}`, 400);
  await send(written("the mail without a key"), 401, {
    authorization: `Bearer ${hide("a-token-that-is-wrong")}`,
  });

  // What cannot be read, is not signed, or cannot be stored.
  const raw = mimeOf(answerOf("a letter cut off"), new Date());
  const form = formOf(raw, answerOf("a letter cut off"));
  const half = form.body.slice(0, -60);
  const posts: [number, string, Uint8Array, string][] = [
    [200, "inbound", half, form.contentType],
    [200, "inbound", form.body, `text/plain; name=${person}`],
    [
      200,
      "events",
      bytes(`[{"email": "${person}", "event": "bounce", "reason": "no ${person} here"}, "${person}", 7]`),
      "",
    ],
    [200, "events", bytes(`[{"email": "${person}", "event": "${hide("an event of quirin")}"}]`), ""],
    [400, "events", bytes(`[{"email": "${person}"`), ""],
  ];
  for (const [status, path, body, type] of posts) {
    const headers = { "content-type": type, ...mail.poster.headersFor(body as Uint8Array<ArrayBuffer>) };
    assertEquals((await call(`email-webhook/${path}`, { headers, body })).status, status, path);
    const wrong = await call(`email-webhook/${path}`, {
      body,
      headers: { ...headers, ...mail.poster.headersFor(raw) },
    });
    assert(wrong.status === 503 || wrong.status === 401, path);
  }
  const secret = hide("a-secret-of-the-address");
  await receive(answerOf("a letter with a secret"), {}, 200, `/${secret}`);
  await withEnv(
    { SENDGRID_INBOUND_PUBLIC_KEY: "", SENDGRID_INBOUND_SECRET: hide("the-real-secret-there") },
    async () => {
      await receive(answerOf("a letter with a wrong secret"), {}, 503, `/${secret}`);
    },
  );
  await withEnv({ SENDGRID_INBOUND_PUBLIC_KEY: "" }, async () => {
    await receive(answerOf("a letter without any check"), {}, 500);
  });
  for (const path of [replyTo.split("@")[0], encodeURIComponent(person)]) {
    for (const method of ["GET", "POST"]) {
      const { status } = await call(`email-webhook/u/${path}`, { method });
      assert(status < 500, path);
    }
  }
  await sql`delete from public.suppressions`;
  await sql`alter table public.messages add constraint no_cranes check (text is distinct from 'cranes for two')`;
  await receive(answerOf("cranes", { text: hide("cranes for two") }), {}, 500);
  await sql`alter table public.messages drop constraint no_cranes`;
  await sql`update storage.buckets set id = 'elsewhere', name = 'elsewhere' where id = 'email-raw'`;
  await receive(answerOf("a letter without a place"), {}, 503);
  await sql`update storage.buckets set id = 'email-raw', name = 'email-raw' where id = 'elsewhere'`;
  await edge.away(async () => {
    await receive(answerOf("a letter while the database is away"), {}, 503);
    assertEquals(
      (await call("email-send", { headers: SECRET, body: written("the mail meanwhile") })).status,
      503,
    );
    const { body } = { body: bytes(`[{"email": "${person}", "event": "delivered", "timestamp": 1}]`) };
    const headers = mail.poster.headersFor(body);
    assertEquals((await call("email-webhook/events", { headers, body })).status, 503);
  });
  await hurry();
  await settled();
  await until("all reports are answered", () => mail.poster.posts.every(({ state }) => state !== "waiting"));
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function addIdentity({ sql }: Edge, from: string, owner: string, name: string): Promise<void> {
  await sql`
    insert into public.email_identities (id, user_id, from_email, display_name, forward_to, is_default, verified_at)
    values (${crypto.randomUUID()}, 'user-wilma', ${from}, ${name}, ${owner}, true, now())`;
}

async function withEnv(env: Record<string, string>, use: () => Promise<void>): Promise<void> {
  const before = Object.keys(env).map((key) => [key, Deno.env.get(key)] as const);
  for (const [key, value] of Object.entries(env)) Deno.env.set(key, value);
  forgetEnv();
  try {
    await use();
  } finally {
    for (const [key, value] of before) value === undefined ? Deno.env.delete(key) : Deno.env.set(key, value);
    forgetEnv();
  }
}
