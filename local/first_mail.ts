/**
 * A first exchange of mails, so that a newcomer finds an answer that came back: an identity sends a mail, its recipient
 * answers as people do, and the answer is forwarded to the identity's inbox. All of it by the real way.
 */
import type { Sql } from "postgres";
import type { MailApi } from "./simulator/mail/api.ts";
import type { SendGridSimulator } from "./simulator/mail/sendgrid.ts";

/** The identity that sends, and the person who answers. */
export const SENDER = {
  from: "robin@example.com",
  name: "Robin at the bakery",
  inbox: "robin@bakery.example",
  user: "robin",
};
export const READER = { address: "casey@example.org", name: "Casey Brooks" };

const MAIL = {
  user_id: SENDER.user,
  to: READER,
  subject: "Your bread is ready",
  html: "<p>Hello Casey,</p><p>your <b>sourdough</b> is ready. Would Saturday morning suit you?</p>" +
    "<p>Best wishes,<br>Robin</p>",
  idempotency_key: "local-first-mail",
};

/** The setting that says that it was played; what somebody deletes afterwards stays away. */
const PLAYED = "local.mail_played";

export interface FirstMailOptions {
  sql: Sql;
  /** URL of the stack, without a trailing slash. */
  url: string;
  secretKey: string;
  mail: SendGridSimulator;
  inboxes: MailApi;
  /** Ends the wait for the mail; the next start goes on. */
  signal: AbortSignal;
}

/** Plays the exchange, once per database; each step is done at most once, however often it is cut off. */
export async function playFirstMail(options: FirstMailOptions): Promise<void> {
  const { sql, url, secretKey, mail, inboxes, signal } = options;
  const [played] = await sql`select from public.settings where key = ${PLAYED}`;
  if (played !== undefined) return;
  if (await addSender(sql)) {
    const response = await fetch(`${url}/functions/v1/email-send`, {
      method: "POST",
      headers: { apikey: secretKey, "content-type": "application/json" },
      body: JSON.stringify(MAIL),
      signal,
    });
    const { id, detail } = await response.json();
    if (!response.ok) throw new Error(`email-send answered ${response.status}: ${detail}`);
    const sent = await taken(mail, id, signal);
    if (![...mail.store.written.values()].some(({ about }) => about === sent)) {
      inboxes.answer({
        inbox: READER.address,
        mail: sent,
        client: "gmail",
        language: "en",
        text: "Yes, Saturday morning is fine. Could you slice it, please?\n\nCasey",
      });
    }
  }
  await sql`insert into public.settings (key, value) values (${PLAYED}, 'true') on conflict (key) do nothing`;
}

/** The id at SendGrid of the mail with this id of ours, once it was taken. */
function taken(mail: SendGridSimulator, id: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const end = mail.listen((change) => {
    if (change.type === "sent" && change.mail.customArgs.gl_message === id) resolve(change.mail.id);
  });
  const found = mail.sent.find(({ customArgs }) => customArgs.gl_message === id);
  if (found !== undefined) resolve(found.id);
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return promise.finally(() => {
    end();
    signal.removeEventListener("abort", abort);
  });
}

/** Adds the identity with its confirmed inbox. False where there are others: then this is somebody's own database. */
async function addSender(sql: Sql): Promise<boolean> {
  return await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    await sql`set local role service_role`;
    const [{ identities }] = await sql<{ identities: { id: string; from_email: string }[] }[]>`
      select public.list_identities() as identities`;
    if (identities.length > 0) return identities.every(({ from_email }) => from_email === SENDER.from);
    const [{ identity }] = await sql`select public.add_identity(${SENDER.from}, ${
      sql.json({
        user_id: SENDER.user,
        display_name: SENDER.name,
        forward_to: SENDER.inbox,
        is_default: true,
      })
    }) as identity`;
    for (const what of ["from", "forward"]) {
      const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, ${what}) as begun`;
      await sql`select public.check_identity(${identity.id}, ${what}, ${begun.code})`;
    }
    return true;
  });
}
