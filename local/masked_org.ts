/**
 * The organisation behind the simulator's two phones: a front desk, numbers that are lent to pairs, two clients and two
 * sitters, made and used by the functions of SQL that an organisation's own system calls.
 */
import postgres, { type Sql, type TransactionSql } from "postgres";
import { seedFlags } from "./seed/seed.ts";
import { STATE_HEADER } from "../supabase/functions/_shared/serve/state.ts";
import type { MaskedBusiness, MaskedDecision, MaskedPair, MaskedState } from "./simulator/texts/masked.ts";

/** Phones of people; these numbers and the organisation's are reserved for fiction. */
const PEOPLE = [
  { name: "Ana", phone: "+12065550141", role: "client" },
  { name: "Ben", phone: "+12065550142", role: "client" },
  { name: "Sam", phone: "+12065550151", role: "sitter" },
  { name: "Kim", phone: "+12065550152", role: "sitter" },
] as const;
const DESK = "12065550100";
const POOL = ["12065550101", "12065550102", "12065550103", "12065550104"];
const ORG = {
  name: "Moss Sitters",
  zone: "America/Los_Angeles",
  countries: ["US"],
  // Whoever tries it wants to see a number come back at once, and stay away from those who had it.
  grace_hours: 0,
  quarantine_days: 1,
};
const FLAGS = [
  "sms_send.enabled",
  "messaging_v1.enabled",
  "proactive_thread_creation.enabled",
  "sitter_messages_v1.enabled",
] as const;
/** When a booking begins, in hours from now; each lasts three. */
const BEGINS = { now: -1, tomorrow: 24 };
const LASTS_HOURS = 3;

/** Functions that decide about texts. */
const DECIDES = ["sms-webhook", "sms-send", "wa-router", "messages"];
/** They read the configuration every few seconds; so long they are waited for. */
const SEEN_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 250;

export interface MaskedOptions {
  sql: Sql;
  /** URL of the stack, without a trailing slash. */
  url: string;
  secretKey: string;
}

/** The numbers of the organisation as Twilio writes them; none before there is one. */
export async function maskedNumbers(sql: Sql): Promise<string[]> {
  const rows = await sql<{ number: string }[]>`
    select '+' || n.number_id as number from public.org_numbers n
    where n.org_id = (select d.org_id from public.org_numbers d where d.channel = 'sms' and d.number_id = ${DESK})
    order by n.number_id`;
  return rows.map(({ number }) => number);
}

/** The organisation as the simulator's page asks for it. */
export function maskedBusiness(options: MaskedOptions): MaskedBusiness {
  const { sql, url, secretKey } = options;
  return {
    state: () => stateOf(sql),
    begin: async () => {
      await refusing(() => sql.begin((sql) => begin(sql)));
      await seen(options);
    },
    assign: (client, sitter, when) => refusing(() => sql.begin((sql) => assign(sql, client, sitter, when))),
    unassign: (client, sitter) =>
      refusing(() =>
        sql.begin(async (sql) => {
          const { org, members } = await known(sql);
          await sql`
            select public.unassign_sitter(b.id, ${memberOf(members, sitter)}) from public.bookings b
            where b.org_id = ${org} and b.external_id = ${bookingOf(client, sitter)}`;
        })
      ),
    end: (client) =>
      refusing(() =>
        sql.begin(async (sql) => {
          const { org, contacts } = await known(sql);
          await sql`
            select public.end_thread(t.id) from public.threads t
            where t.org_id = ${org} and t.client_id = ${contactOf(contacts, client)} and t.state = 'live'`;
        })
      ),
    async minute() {
      // Of a text after whose answer nobody knows whether it went, a minute is waited for a status.
      await sql`
        update public.outbound_messages set updated_at = updated_at - interval '1 minute'
        where channel = 'sms' and state = 'unknown'`;
      await sql`update private.text_checks set next_at = now(), lease_until = null where provider = 'twilio'`;
      const response = await fetch(`${url}/functions/v1/sms-webhook/check`, {
        method: "POST",
        headers: { apikey: secretKey },
      });
      await response.body?.cancel();
      if (!response.ok) throw new RangeError(`The comparison was refused: ${response.status}`);
    },
  };
}

/**
 * Waits until the functions know of the flags: what came before would be held as "off", for good. One that does not answer
 * in time is not waited for.
 */
async function seen({ sql, url, secretKey }: MaskedOptions): Promise<void> {
  const [{ revision }] = await sql<{ revision: number }[]>`
    select (public.load_config(null) ->> 'revision')::float8 as revision`;
  const deadline = Date.now() + SEEN_WITHIN_MS;
  await Promise.all(DECIDES.map(async (name) => {
    while (Date.now() < deadline) {
      const response = await fetch(`${url}/functions/v1/${name}`, {
        headers: { apikey: secretKey, [STATE_HEADER]: FLAGS[1] },
      }).catch(() => undefined);
      const state: { config_revision?: number } = await response?.json().catch(() => ({})) ?? {};
      if ((state.config_revision ?? 0) >= revision) return;
      await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    }
  }));
}

/** Makes what is not there yet. A flag that somebody has turned off stays off. */
async function begin(sql: TransactionSql): Promise<void> {
  await seedFlags(sql, [...FLAGS]);
  const [row] = await sql<{ org: string }[]>`
    select org_id as org from public.org_numbers where channel = 'sms' and number_id = ${DESK}`;
  const org = row?.org ??
    (await sql<{ org: string }[]>`select (public.set_org(null, ${sql.json(ORG)}) ->> 'id')::uuid as org`)[0]
      .org;
  for (const number of [DESK, ...POOL]) {
    await sql`select public.set_text_number(${number})`;
    await sql`select public.set_org_number(${org}, ${number}, ${number === DESK ? "front_desk" : "pool"})`;
  }
  for (const { name, phone, role } of PEOPLE) {
    const contact = await contactWith(sql, phone, name);
    if (role === "sitter") await sql`select public.set_org_member(${org}, 'sitter', null, ${contact})`;
  }
  if (row === undefined) await assign(sql, PEOPLE[0].phone, PEOPLE[2].phone, "now");
}

async function assign(
  sql: TransactionSql,
  client: string,
  sitter: string,
  when: keyof typeof BEGINS,
): Promise<void> {
  const { org, contacts, members } = await known(sql);
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 19);
  const booking = {
    client_id: contactOf(contacts, client),
    starts_local: at(BEGINS[when]),
    ends_local: at(BEGINS[when] + LASTS_HOURS),
    zone: "UTC",
    repeats: "weekly",
  };
  await sql`
    select public.assign_sitter((public.set_booking(${org}, ${bookingOf(client, sitter)}, ${
    sql.json(booking)
  }) ->> 'id')::uuid, ${memberOf(members, sitter)}, true)`;
}

/** Id of the booking of a pair; it is moved, so that a pair has one window. */
const bookingOf = (client: string, sitter: string) => `phones-${client.slice(1)}-${sitter.slice(1)}`;

/** The organisation with its people, by phone. @throws RangeError before there is one */
async function known(
  sql: TransactionSql,
): Promise<{ org: string; contacts: Map<string, string>; members: Map<string, string> }> {
  const rows = await sql<{ org: string; phone: string; contact: string; member: string | null }[]>`
    select n.org_id as org, '+' || i.value as phone, i.contact_id as contact, m.id as member
    from public.org_numbers n
    join public.contact_identities i on i.channel = 'sms' and i.kind = 'phone' and i.valid_to is null
      and i.value = any (${PEOPLE.map(({ phone }) => phone.slice(1))})
    left join public.org_members m on m.org_id = n.org_id and m.contact_id = i.contact_id
    where n.channel = 'sms' and n.number_id = ${DESK}`;
  if (rows.length === 0) throw new RangeError("There is no organisation yet.");
  return {
    org: rows[0].org,
    contacts: new Map(rows.map(({ phone, contact }) => [phone, contact])),
    members: new Map(rows.flatMap(({ phone, member }) => member === null ? [] : [[phone, member] as const])),
  };
}

function contactOf(contacts: ReadonlyMap<string, string>, phone: string): string {
  const contact = contacts.get(phone);
  if (contact === undefined) throw new RangeError(`Nobody of the organisation has the number ${phone}.`);
  return contact;
}

function memberOf(members: ReadonlyMap<string, string>, phone: string): string {
  const member = members.get(phone);
  if (member === undefined) throw new RangeError(`No sitter of the organisation has the number ${phone}.`);
  return member;
}

async function contactWith(sql: TransactionSql, phone: string, name: string): Promise<string> {
  const value = phone.slice(1);
  const [found] = await sql<{ contact_id: string }[]>`
    select contact_id from public.contact_identities
    where channel = 'sms' and kind = 'phone' and value = ${value} and valid_to is null`;
  if (found !== undefined) return found.contact_id;
  const [{ id }] = await sql<{ id: string }[]>`
    insert into public.contacts (channel, name) values ('sms', ${name}) returning id`;
  await sql`
    insert into public.contact_identities (contact_id, channel, kind, value)
    values (${id}, 'sms', 'phone', ${value})`;
  return id;
}

async function stateOf(sql: Sql): Promise<MaskedState> {
  const people = PEOPLE.map((person) => ({ ...person }));
  const [org] = await sql<{ id: string; name: string }[]>`
    select o.id, o.name from public.orgs o join public.org_numbers n on n.org_id = o.id
    where n.channel = 'sms' and n.number_id = ${DESK}`;
  if (org === undefined) return { org: null, people, numbers: [], pairs: [], decisions: [], off: [] };
  const numbers = await sql<MaskedState["numbers"]>`
    select '+' || n.number_id as number, n.class, n.state,
      (select count(distinct l.thread_id)::int from public.thread_legs l
        where l.channel = n.channel and l.number_id = n.number_id and l.ended_at is null) as pairs
    from public.org_numbers n where n.org_id = ${org.id} order by n.class = 'pool', n.number_id`;
  const phones = (role: string) =>
    people.filter((person) => person.role === role).map(({ phone }) => phone.slice(1));
  const pairs = await sql<MaskedPair[]>`
    select '+' || c.value as client, '+' || s.value as sitter, '+' || thread.number_id as number, thread.number_class,
      w.state as window, w.opens_at
    from public.contact_identities c
    join public.contact_identities s on s.channel = 'sms' and s.kind = 'phone' and s.valid_to is null
      and s.value = any (${phones("sitter")})
    join public.org_members m on m.org_id = ${org.id} and m.contact_id = s.contact_id
    left join lateral (
      select l.number_id, t.number_class from public.threads t
      join public.thread_legs l on l.thread_id = t.id and l.contact_id = s.contact_id and l.ended_at is null
      where t.org_id = ${org.id} and t.client_id = c.contact_id and t.state = 'live' order by t.id desc limit 1
    ) thread on true
    left join lateral (
      select case when w.cancelled_at <= now() or w.closes_at <= now() then 'past'
        when w.opens_at > now() then 'upcoming' else 'active' end as state,
        to_char(w.opens_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as opens_at
      from public.assignment_windows w where w.member_id = m.id and w.client_id = c.contact_id
      order by w.cancelled_at is null desc, w.closes_at desc limit 1
    ) w on true
    where c.channel = 'sms' and c.kind = 'phone' and c.valid_to is null and c.value = any (${
    phones("client")
  })
    order by c.value, s.value`;
  const decisions = await sql<MaskedDecision[]>`
    select d.id, to_char(d.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, d.from_role, d.from_last4,
      d.number_last4, d.outcome, d.reason, d.types, coalesce(m.text, d.text) as text
    from public.thread_decisions d left join public.messages m on m.id = d.message_id
    where d.org_id = ${org.id} order by d.id desc limit 50`;
  const off = await sql<{ key: string }[]>`
    select f.key from unnest(${[...FLAGS]}::text[]) with ordinality as f (key, place)
    where not exists (select from public.settings s where s.key = f.key and s.value = 'true') order by f.place`;
  return {
    org,
    people,
    numbers: [...numbers],
    pairs: [...pairs],
    decisions: [...decisions],
    off: off.map(({ key }) => key),
  };
}

/** What SQL refuses for a reason is a sentence for the page. */
async function refusing(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof postgres.PostgresError && /^(GL|23)/.test(error.code)) {
      throw new RangeError(error.message, { cause: error });
    }
    throw error;
  }
}
