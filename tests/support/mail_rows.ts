/** Mails in SQL: identities, mails that are queued, sent, answered and judged, for tests of the database. */
import type { Sql } from "postgres";
import type { IngestedMail, ResolvedMail } from "../../supabase/functions/_shared/contract/answers/mail.ts";
import type {
  ClaimedDelivery,
  ClaimedMessage,
} from "../../supabase/functions/_shared/contract/answers/pipeline.ts";
import { databaseTest } from "./database.ts";

/** Identities of the tests: who sends, and where answers go. */
export const ALEX = {
  id: "0197b000-0000-7000-8000-00000000000a",
  from: "alex@send.example",
  inbox: "alex@inbox.example",
};
export const DESK = {
  id: "0197b000-0000-7000-8000-00000000000b",
  from: "desk@send.example",
  inbox: "desk@inbox.example",
};
/** Whom mails go to. */
export const CASEY = "casey@people.example";

/** A test on a database with two identities, Alex the default one, and every flag of e-mail on. */
export function mailTest(name: string, test: (sql: Sql) => Promise<void>): void {
  databaseTest(name, async (sql) => {
    await addIdentities(sql);
    await setFlags(sql, { email_send: true, email_router: true, email_reply_tokens: true });
    await test(sql);
  });
}

/** The identities, as a team that has verified both adds them by SQL. */
export async function addIdentities(sql: Sql): Promise<void> {
  await sql`
    insert into public.email_identities (id, user_id, from_email, display_name, forward_to, is_default, verified_at) values
      (${ALEX.id}, 'user-alex', ${ALEX.from}, 'Alex Morgan', ${ALEX.inbox}, true, now()),
      (${DESK.id}, 'user-desk', ${DESK.from}, 'Desk', ${DESK.inbox}, false, now())`;
}

/** Turns `<name>.enabled` on and off. */
export async function setFlags(sql: Sql, flags: Record<string, boolean>): Promise<void> {
  for (const [name, on] of Object.entries(flags)) {
    await sql`
      insert into public.settings (key, value) values (${`${name}.enabled`}, ${String(on)})
      on conflict (key) do update set value = excluded.value`;
  }
}

/** Queues mails; what is left out of an item is a mail to Casey. */
export async function enqueue(
  sql: Sql,
  ...items: Record<string, unknown>[]
): Promise<{ id: string; error?: string }[]> {
  const whole = (items.length === 0 ? [{}] : items).map(({ to = CASEY, message, ...item }) => ({
    channel: "email",
    to,
    identities: [{ kind: "email", value: to }],
    send_domain: "send.example",
    message: { type: "email", subject: "Your order", html: "<p>It is ready.</p>", ...message as object },
    text: "It is ready.",
    ...item,
  }));
  const [{ answers }] = await sql`select public.enqueue_outbound(${sql.json(whole as never)}) as answers`;
  return answers;
}

/** A second from now: what was made due in this one is due then, whatever the clocks' precision. */
const soon = () => new Date(Date.now() + 1000);

/** Claims what may be sent. */
export async function claim(sql: Sql, at: Date = soon()): Promise<ClaimedMessage[]> {
  const [{ claimed }] = await sql`
    select private.claim_outbound(32, 60, '{}', '{email}', ${at.toISOString()}) as claimed`;
  return claimed.messages;
}

/** Settles what was claimed. */
export async function settle(
  sql: Sql,
  claimed: readonly ClaimedMessage[],
  outcome: Record<string, unknown>,
): Promise<void> {
  const results = claimed.map(({ id, lease }) => ({ id, lease, ...outcome }));
  await sql`select public.settle_outbound(${sql.json(results as never)})`;
}

/** Queues a mail, and says what the provider takes of it. */
export async function send(sql: Sql, item: Record<string, unknown> = {}): Promise<ClaimedMessage> {
  const [{ id, error }] = await enqueue(sql, item);
  if (error !== undefined) throw new Error(error);
  // Beyond the pace of sender and pair.
  await sql`update public.senders set send_tat = null where channel = 'email'`;
  await sql`update private.outbound_lanes set due_at = now(), pair_tat = null where due_at is not null`;
  const claimed = (await claim(sql)).find((message) => message.id === id);
  if (claimed === undefined) throw new Error(`${id} could not be claimed`);
  await settle(sql, [claimed], { outcome: "sent", provider_id: `sg-${id}` });
  return claimed;
}

/** What we know of a mail that came in. */
export async function resolve(sql: Sql, mail: Record<string, unknown>): Promise<ResolvedMail> {
  const [{ answers }] = await sql`
    select public.resolve_mails(${
    sql.json([{ from: CASEY, recipient: "x@reply.example", ...mail }] as never)
  }) as answers`;
  return answers[0];
}

let serial = 0;

/** A judged answer to a message: verified, from whom it went to, counted and to be forwarded, unless told otherwise. */
export function answer(
  message: string | null,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  const id = `<mail-${++serial}@people.example>`;
  return {
    provider: "sendgrid",
    key: `${id} x@reply.example`,
    recipient: "x@reply.example",
    from: { address: CASEY, name: "Casey Brooks" },
    message_id: id,
    in_reply_to: null,
    references: [],
    subject: "Re: Your order",
    text: `answer ${serial}`,
    text_full: `answer ${serial}\n> It is ready.`,
    kind: "reply",
    verdict: "forward",
    reasons: ["the token in the envelope"],
    via: message === null ? "none" : "token",
    message,
    identity: ALEX.id,
    verified: true,
    automatic: false,
    is_recipient: true,
    forward: true,
    counted: true,
    send_domain: "send.example",
    mail: { size: 2048 },
    ...changes,
  };
}

/** Stores judged mails. */
export async function ingest(sql: Sql, ...mails: Record<string, unknown>[]): Promise<IngestedMail[]> {
  const [{ answers }] = await sql`select public.ingest_mails(${sql.json(mails as never)}) as answers`;
  return answers;
}

/** A judged mail of an identity's owner that goes on to the contact. */
export const ownerAnswer = (forwarded: string, changes: Record<string, unknown> = {}) =>
  answer(forwarded, {
    kind: "owner_reply",
    verdict: "relay",
    from: { address: ALEX.inbox, name: "Alex" },
    is_recipient: false,
    is_owner: true,
    relay: true,
    forward: false,
    counted: false,
    ...changes,
  });

/** Claims forwards that are due. */
export async function claimForwards(sql: Sql, at: Date = soon()): Promise<ClaimedDelivery[]> {
  const [{ claimed }] = await sql`
    select private.claim_deliveries(32, 60, '{}', '{email}', ${at.toISOString()}) as claimed`;
  return claimed.deliveries;
}

/** Settles forwards. */
export async function settleForwards(
  sql: Sql,
  claimed: readonly ClaimedDelivery[],
  outcome: Record<string, unknown> = { outcome: "delivered", status: 202, latency_ms: 5 },
): Promise<void> {
  const results = claimed.map(({ delivery_id, lease }) => ({
    delivery_id,
    lease,
    latency_ms: 5,
    ...outcome,
  }));
  await sql`select public.settle_deliveries(${sql.json(results as never)})`;
}

/** Tells what a provider told. */
export async function events(sql: Sql, ...list: Record<string, unknown>[]): Promise<string> {
  const whole = list.map((event) => ({
    provider: "sendgrid",
    key: `e:${++serial}`,
    at: new Date().toISOString(),
    raw: { event: event.event },
    ...event,
  }));
  const [{ answer }] = await sql`select public.ingest_mail_events(${sql.json(whole as never)}) as answer`;
  return answer.outcomes;
}

/** The first row of a query as a list of its values. */
export async function row(sql: Sql, statement: string, ...values: unknown[]): Promise<unknown[]> {
  const [found = []] = await sql.unsafe(statement, values as never[]).values();
  return [...found];
}
