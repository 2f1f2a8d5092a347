/** Masked messaging in tests: an organisation in memory, and one in the database, with the same doors. */
import type { Sql } from "postgres";
import {
  type Leg,
  relay,
  type Relayed,
  type RelayFacts,
  type ThreadFacts,
} from "../../supabase/functions/_shared/masking/relay.ts";

/** What is done to an organisation, and what a text to one of its numbers finds. People and numbers are told by place. */
export interface MaskedOrg {
  assign(client: number, sitter: number): Promise<void> | void;
  unassign(client: number, sitter: number): Promise<void> | void;
  /** Ends the client's threads. */
  end(client: number): Promise<void> | void;
  /** Takes numbers from those whose time is over. */
  release(): Promise<void> | void;
  /** The decision on a text, with persons as `c0`, `s0`. */
  text(from: string, number: number): Promise<Relayed> | Relayed;
}

export const CLIENTS = 5;
export const SITTERS = 4;
/** Numbers of the pool. The one after the last is the front desk's. */
export const POOL = 4;

/** Facts with nothing known, to be overridden. */
export const NO_FACTS: RelayFacts = {
  on: { core: true, sitter: true },
  kind: "text",
  fromOurs: false,
  numberClass: "pool",
  senderLegs: [],
  pastThreadId: null,
  thread: null,
  fromOwner: false,
  forced: false,
};

/** The rules of numbers in memory, written a second time and as simply as they can be. */
export class MaskedOrgInMemory implements MaskedOrg {
  #legs: (Leg & { over: boolean })[] = [];
  #threads: { id: string; client: string; desk: boolean; live: boolean }[] = [];
  #windows = new Set<string>();
  #count = 0;

  assign(client: number, sitter: number): void {
    const [c, s] = [`c${client}`, `s${sitter}`];
    this.#windows.add(`${c} ${s}`);
    let thread = this.#threads.find((one) => one.live && !one.desk && one.client === c);
    if (thread === undefined) {
      const free = this.#number([c, s]);
      const number = free ?? "desk";
      if (free === undefined && this.#threads.some((one) => one.live && one.desk && one.client === c)) return;
      thread = { id: `t${this.#count++}`, client: c, desk: free === undefined, live: true };
      this.#threads.push(thread);
      this.#add(thread.id, c, "client", number);
      this.#add(thread.id, s, "sitter", free ?? null);
      return;
    }
    if (this.#live(thread.id).some((leg) => leg.contactId === s)) return;
    const number = this.#live(thread.id)[0].numberId!;
    this.#add(thread.id, s, "sitter", this.#meets(s, number) ? null : number);
  }

  unassign(client: number, sitter: number): void {
    this.#windows.delete(`c${client} s${sitter}`);
  }

  end(client: number): void {
    for (const thread of this.#threads) if (thread.client === `c${client}`) thread.live = false;
  }

  release(): void {
    for (const leg of this.#legs) {
      const thread = this.#threads.find(({ id }) => id === leg.threadId)!;
      const idle = leg.role === "sitter" && !thread.desk &&
        !this.#windows.has(`${thread.client} ${leg.contactId}`);
      if (!thread.live || idle) leg.over = true;
    }
  }

  text(from: string, number: number): Relayed {
    const numberId = number === POOL ? "desk" : `n${number}`;
    const mine = this.#legs.filter((leg) => leg.contactId === from && leg.numberId === numberId);
    const senderLegs = mine.filter(({ over }) => !over);
    const thread = this.#threads.find(({ id }) => id === senderLegs[0]?.threadId);
    const facts: ThreadFacts | null = thread === undefined ? null : {
      id: thread.id,
      numberClass: thread.desk ? "front_desk" : "pool",
      live: thread.live,
      legs: this.#live(thread.id),
      windows: this.#live(thread.id).filter((leg) => this.#windows.has(`${thread.client} ${leg.contactId}`))
        .map(({ id }) => ({ legId: id, state: "active", from: "" })),
    };
    return relay({
      ...NO_FACTS,
      numberClass: number === POOL ? "front_desk" : "pool",
      senderLegs,
      pastThreadId: senderLegs.length === 0 ? mine.at(-1)?.threadId ?? null : null,
      thread: facts,
    });
  }

  #live = (thread: string) => this.#legs.filter((leg) => leg.threadId === thread && !leg.over);
  #meets = (person: string, number: string) =>
    this.#legs.some((leg) => !leg.over && leg.contactId === person && leg.numberId === number);
  #number = (people: string[]) =>
    Array.from({ length: POOL }, (_, i) => `n${i}`).find((number) =>
      !people.some((person) => this.#meets(person, number))
    );
  #add = (threadId: string, contactId: string, role: Leg["role"], numberId: string | null) =>
    this.#legs.push({ id: `l${this.#count++}`, threadId, contactId, role, numberId, over: false });
}

/** Ids of an organisation in the database. */
export interface OrgRows {
  org: string;
  clients: string[];
  sitters: { member: string; contact: string }[];
  /** The pool's numbers, then the front desk's. */
  numbers: string[];
}

/** A phone of ours or of somebody, in the range that is kept for fiction. */
export const phoneOf = (kind: string, i: number): string =>
  `1202555${{ c: "01", s: "02", n: "03" }[kind]}${String(i).padStart(2, "0")}`;

/**
 * Adds an organisation with people and numbers.
 * @param idOf Id of a number by its place: its digits, if texts come to it.
 */
export async function addOrg(
  sql: Sql,
  pool: number = POOL,
  config: Record<string, unknown> = {},
  idOf: (place: number) => string = (i) => `PN${String(i).padStart(4, "0")}`,
): Promise<OrgRows> {
  const [{ org }] = await sql`
    select (public.set_org(null, ${
    sql.json({ name: `Moss ${crypto.randomUUID()}`, grace_hours: 0, quarantine_days: 0, ...config })
  }) ->> 'id')::uuid as org`;
  const contact = async (phone: string) => {
    const [{ id }] = await sql`insert into public.contacts (channel) values ('sms') returning id`;
    await sql`insert into public.contact_identities (contact_id, channel, kind, value) values (${id}, 'sms', 'phone', ${phone})`;
    return id as string;
  };
  const clients: string[] = [], sitters: OrgRows["sitters"] = [], numbers: string[] = [];
  for (let i = 0; i < CLIENTS; i++) clients.push(await contact(phoneOf("c", i)));
  for (let i = 0; i < SITTERS; i++) {
    const id = await contact(phoneOf("s", i));
    const [{ member }] =
      await sql`select (public.set_org_member(${org}, 'sitter', null, ${id}) ->> 'id') as member`;
    sitters.push({ member, contact: id });
  }
  for (let i = 0; i <= pool; i++) {
    const id = idOf(i);
    await sql`insert into public.senders (channel, id, address, provider) values ('sms', ${id}, ${
      phoneOf("n", i)
    }, 'twilio')`;
    await sql`select public.set_org_number(${org}, ${id}, ${i === pool ? "front_desk" : "pool"})`;
    numbers.push(id);
  }
  return { org, clients, sitters, numbers };
}

/** A booking of a client, from an hour ago to in an hour unless said otherwise. */
export async function book(
  sql: Sql,
  { org, clients }: OrgRows,
  client: number,
  id: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 19);
  const [{ booking }] = await sql`
    select public.set_booking(${org}, ${id}, ${
    sql.json(
      {
        client_id: clients[client],
        starts_local: at(-1),
        ends_local: at(1),
        repeats: "weekly",
        ...more,
      } as Record<string, string>,
    )
  }) ->> 'id' as booking`;
  return booking;
}

/** The facts that the database has of a text, as relay() takes them. */
export async function factsOf(sql: Sql, number: string, phone: string): Promise<RelayFacts> {
  const [{ facts }] = await sql`select public.relay_facts(${number}, ${phone}) as facts`;
  return { ...NO_FACTS, ...facts };
}

/** The same in the database. */
export class MaskedOrgInDatabase implements MaskedOrg {
  #people = new Map<string, string>();
  constructor(readonly sql: Sql, readonly rows: OrgRows) {
    rows.clients.forEach((id, i) => this.#people.set(id, `c${i}`));
    rows.sitters.forEach(({ contact }, i) => this.#people.set(contact, `s${i}`));
  }

  async assign(client: number, sitter: number): Promise<void> {
    const booking = await book(this.sql, this.rows, client, `b${client}`);
    await this.sql`select public.assign_sitter(${booking}, ${this.rows.sitters[sitter].member}, true)`;
  }

  async unassign(client: number, sitter: number): Promise<void> {
    await this.sql`
      select public.unassign_sitter(b.id, ${this.rows.sitters[sitter].member})
      from public.bookings b where b.org_id = ${this.rows.org} and b.external_id = ${`b${client}`}`;
  }

  async end(client: number): Promise<void> {
    await this.sql`select public.end_thread(t.id) from public.threads t where t.client_id = ${
      this.rows.clients[client]
    } and t.state = 'live'`;
  }

  async release(): Promise<void> {
    await this.sql`select private.release_numbers(clock_timestamp())`;
  }

  async text(from: string, number: number): Promise<Relayed> {
    const facts = await factsOf(this.sql, this.rows.numbers[number], phoneOf(from[0], Number(from.slice(1))));
    const relayed = relay(facts);
    if (relayed.to !== "leg") return relayed;
    return {
      ...relayed,
      legs: relayed.legs.map((leg) => ({
        ...leg,
        contactId: this.#people.get(leg.contactId) ?? leg.contactId,
      })),
    };
  }
}

export type Act =
  | { do: "assign"; client: number; sitter: number }
  | { do: "unassign"; client: number; sitter: number }
  | { do: "end"; client: number }
  | { do: "release" }
  | { do: "text"; from: string; number: number };

/** Who works for whom, by what was done alone: knows nothing of threads, legs and numbers. */
export class Acquainted {
  #pairs = new Set<string>();
  note(act: Act): void {
    if (act.do === "assign") this.#pairs.add(`c${act.client} s${act.sitter}`);
    if (act.do === "unassign") this.#pairs.delete(`c${act.client} s${act.sitter}`);
  }
  /** Whether one may hear the other. */
  know(a: string, b: string): boolean {
    return this.#pairs.has(`${a} ${b}`) || this.#pairs.has(`${b} ${a}`);
  }
}

/** Does acts one after the other, and says what of a text was heard by somebody who may not hear it. */
export async function play(
  org: MaskedOrg,
  acts: readonly Act[],
): Promise<{ strangers: string[]; relayed: number; answers: string[] }> {
  const acquainted = new Acquainted(), strangers: string[] = [], answers: string[] = [];
  let relayed = 0;
  for (const act of acts) {
    acquainted.note(act);
    if (act.do === "assign" || act.do === "unassign") await org[act.do](act.client, act.sitter);
    else if (act.do === "end") await org.end(act.client);
    else if (act.do === "release") await org.release();
    else {
      const answer = await org.text(act.from, act.number);
      answers.push(
        `${act.from} to ${act.number}: ${answer.to} ${answer.reason}${
          answer.to === "leg" ? ` ${answer.legs.map(({ contactId }) => contactId).sort()}` : ""
        }`,
      );
      if (answer.to !== "leg") continue;
      relayed++;
      for (const { contactId } of answer.legs) {
        if (contactId === act.from || !acquainted.know(act.from, contactId)) {
          strangers.push(`${contactId} hears ${act.from}`);
        }
      }
    }
  }
  return { strangers, relayed, answers };
}
