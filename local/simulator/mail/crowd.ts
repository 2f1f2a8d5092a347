/**
 * Readers of a campaign: people who open, click, answer, unsubscribe and complain; Apple's prefetch; scanners that follow
 * every link; addresses that bounce. What each does is planted, so the campaign's figures are known before they are
 * counted.
 *
 * @module
 */
import { type Clock, type Json, systemClock } from "../model.ts";
import { answerOf, type Original } from "./clients.ts";
import { WORDS } from "./languages.ts";
import type { WrittenMail } from "./mime.ts";
import { eventOf } from "./events.ts";
import type { Fate, SentMail } from "./store.ts";
import { AGENTS, trackedAddresses } from "./visits.ts";

/** One thing that a reader does, so many milliseconds after the mail arrived. */
export type Act =
  | { does: "open"; by: "human" | "machine"; agent: string; after: number }
  /** `link`: from 1, of those in the mail. */
  | { does: "click"; by: "human" | "machine"; agent: string; link: number; after: number }
  /** Every link, and the one that people do not see. */
  | { does: "scan"; agent: string; after: number }
  | { does: "reply" | "unsubscribe" | "complain"; after: number };

/** A kind of reader. */
export interface Reader {
  name: string;
  acts: readonly Act[];
}

const { gmail: GMAIL, person: BROWSER, apple: APPLE, scanner: SCANNER } = AGENTS;
const SECOND = 1000;
const scan: Act = { does: "scan", agent: SCANNER, after: SECOND };

/** The kinds, in turn. */
export const READERS: readonly Reader[] = [
  { name: "looks at nothing", acts: [] },
  { name: "opens in Gmail", acts: [{ does: "open", by: "human", agent: GMAIL, after: 3 * SECOND }] },
  { name: "has Apple's prefetch", acts: [{ does: "open", by: "machine", agent: APPLE, after: 2 * SECOND }] },
  { name: "has a scanner", acts: [scan] },
  {
    name: "opens twice and clicks",
    acts: [
      { does: "open", by: "human", agent: GMAIL, after: 4 * SECOND },
      { does: "open", by: "human", agent: GMAIL, after: 9 * SECOND },
      // Whoever clicks within ten seconds of the delivery is taken for a scanner.
      { does: "click", by: "human", agent: BROWSER, link: 2, after: 15 * SECOND },
    ],
  },
  {
    name: "has a scanner, and clicks later",
    // Whatever comes within 20 s of the link that people do not see is a machine's.
    acts: [scan, { does: "click", by: "human", agent: BROWSER, link: 1, after: 40 * SECOND }],
  },
  { name: "answers", acts: [{ does: "reply", after: SECOND }] },
  { name: "unsubscribes", acts: [{ does: "unsubscribe", after: SECOND }] },
  { name: "complains", acts: [{ does: "complain", after: SECOND }] },
];
/** One of so many bounces. */
const BOUNCES = 20;

/** The reader at a place. */
export const readerAt = (place: number): Reader => READERS[place % READERS.length];
/** Whether the mail to the reader at a place bounces. */
export const bouncesAt = (place: number): boolean => place % BOUNCES === 3;

/** What has to be counted of a reader who got the mail: the names of a campaign's counts. */
export function countsOf(
  { acts }: Reader,
  tracked: { pixel: boolean; links: number },
): Record<string, number> {
  const counts: Record<string, number> = { delivered: 1 };
  const add = (what: string, n = 1) => counts[what] = (counts[what] ?? 0) + n;
  let [opens, clicks, humanOpens, humanClicks] = [0, 0, 0, 0];
  for (const act of acts) {
    if (act.does === "open" && tracked.pixel) {
      add(`opens:${act.by}`);
      opens++;
      if (act.by === "human") humanOpens++;
    } else if (act.does === "scan" && tracked.links > 0) {
      add("clicks:machine", tracked.links);
      clicks++;
    } else if (act.does === "click" && act.link <= tracked.links) {
      add(`clicks:${act.by}`);
      clicks++;
      if (act.by === "human") humanClicks++;
    } else if (act.does === "reply") add("replied");
    else if (act.does === "unsubscribe") add("unsubscribed");
    else if (act.does === "complain") add("complained");
  }
  // Who follows a link has seen the mail.
  for (
    const [what, n] of Object.entries({
      opened: opens + clicks,
      opened_human: humanOpens + humanClicks,
      clicked: clicks,
      clicked_human: humanClicks,
    })
  ) if (n > 0) counts[what] = 1;
  return counts;
}

/** What acts need of the world. */
export interface CrowdWorld {
  /** Resolves once so many milliseconds have passed since the mail arrived. */
  at(mail: SentMail, after: number): Promise<void>;
  /** Asks for an address of the mail. */
  ask(url: string, agent: string, after: number): Promise<void>;
  reply(mail: SentMail): void | Promise<void>;
  /** One click, as mail programs do it (RFC 8058). */
  unsubscribe(url: string): Promise<void>;
  complain(mail: SentMail): void;
}

/** A reader does its part. @param origin Where the stack answers. */
export async function perform(
  { acts }: Reader,
  mail: SentMail,
  origin: string,
  world: CrowdWorld,
): Promise<void> {
  const { pixel, links, trap } = trackedAddresses(mail.html ?? "", origin);
  for (const act of acts) {
    await world.at(mail, act.after);
    if (act.does === "open") {
      if (pixel !== undefined) await world.ask(pixel, act.agent, act.after);
    } else if (act.does === "scan") {
      for (const url of [...links, ...(trap === undefined ? [] : [trap])]) {
        await world.ask(url, act.agent, act.after);
      }
    } else if (act.does === "click") {
      const url = links[act.link - 1];
      if (url !== undefined) await world.ask(url, act.agent, act.after);
    } else if (act.does === "reply") await world.reply(mail);
    else if (act.does === "complain") world.complain(mail);
    else {
      const ways = [...(mail.headers["List-Unsubscribe"] ?? "").matchAll(/<([^<>]+)>/g)];
      const url = ways.map(([, way]) => way).find((way) =>
        URL.canParse(way) && new URL(way).origin === origin
      );
      if (url === undefined) throw new RangeError("this mail names no way to unsubscribe with one click");
      await world.unsubscribe(url);
    }
  }
}

/** The answer of a reader. */
export function replyTo(mail: SentMail): WrittenMail {
  const [{ email, name }] = mail.to;
  const named = (person: { email: string; name?: string }) => ({
    address: person.email,
    ...(person.name === undefined ? {} : { name: person.name }),
  });
  const original: Original = {
    from: named(mail.from),
    answersTo: named(mail.replyTo ?? mail.from),
    to: named({ email, ...(name === undefined ? {} : { name }) }),
    subject: mail.subject,
    text: mail.text ?? "",
    messageId: mail.headers["Message-ID"] ?? `<${mail.id}@geopod-ismtpd-1>`,
    references: [],
    at: new Date(mail.at),
  };
  return answerOf(original, { client: "gmail", language: "en", text: WORDS.en.sample });
}

/** A campaign that a crowd reacts to. */
export interface CrowdCampaign {
  /** The campaign's id. */
  id: string;
  subject: string;
  /** What the campaign has to show, by the names of its counts. */
  planted: Record<string, number>;
  /** Readers who have not done everything yet. */
  waiting: number;
  /** Acts that failed: their figures will be missing. */
  failed: number;
}

/** What a crowd needs of the simulated SendGrid. */
export interface CrowdPost {
  report(events: readonly Json[]): void;
  /** Somebody writes a mail. */
  receive(
    mail: WrittenMail,
    way: undefined,
    copies: undefined,
    story: { how: string; about: string },
  ): unknown;
}

export interface CrowdOptions {
  mail: CrowdPost;
  /** Where the stack answers the public: nobody else is ever asked. */
  origin: string;
  fetch: typeof fetch;
  /** @default {systemClock} */
  clock?: Clock;
  onChange(): void;
}

/** Requests at once. */
const SLOTS = 8;
/** Events of one post, and how long they are collected, as SendGrid groups them. */
const EVENTS = 100, GROUP_MS = 500;
/** The page is told at most this often. */
const TELL_MS = 500;

/** Reacts to each mail of each campaign, while it is on. */
export class Crowd {
  on = false;
  readonly #options: CrowdOptions;
  readonly #clock: Clock;
  readonly #campaigns = new Map<string, CrowdCampaign & { readers: Set<string> }>();
  #events: Json[] = [];
  #busy = 0;
  #queue: (() => void)[] = [];
  #timers = new Set<unknown>();
  #telling = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Campaigns, latest first. */
  get campaigns(): CrowdCampaign[] {
    return [...this.#campaigns.values()].map(({ readers: _, ...campaign }) => campaign).reverse();
  }

  turn(on: boolean): void {
    this.on = on;
    this.#tell();
  }

  reset(): void {
    this.stop();
    this.#campaigns.clear();
    this.turn(false);
  }

  stop(): void {
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
    this.#telling = false;
    this.#events = [];
    this.#telling = false;
  }

  /** Takes a mail that was sent: what becomes of it, reported by the crowd; undefined if it is none of the crowd's. */
  take(mail: SentMail): Fate | undefined {
    const id = mail.customArgs.gl_campaign;
    if (!this.on || id === undefined) return undefined;
    const known = this.#campaigns.get(id);
    const campaign = known ??
      { id, subject: mail.subject, planted: {}, waiting: 0, failed: 0, readers: new Set() };
    if (known === undefined) this.#campaigns.set(id, campaign);
    // A mail that is sent again after a lost answer has a reader already.
    const { readers } = campaign;
    if (readers.has(mail.to[0].email)) return "delivered";
    const place = readers.size;
    readers.add(mail.to[0].email);
    const bounces = bouncesAt(place);
    const counts = bounces ? { bounced: 1, failed: 1 } : countsOf(readerAt(place), this.#trackedIn(mail));
    for (const [what, n] of Object.entries({ sent: 1, ...counts })) {
      campaign.planted[what] = (campaign.planted[what] ?? 0) + n;
    }
    this.#report(eventOf(mail, bounces ? "bounce" : "delivered", mail.to[0].email));
    if (!bounces) void this.#react(campaign, readerAt(place), mail);
    this.#tell();
    return bounces ? "bounce" : "delivered";
  }

  #trackedIn(mail: SentMail) {
    const { pixel, links } = trackedAddresses(mail.html ?? "", this.#options.origin);
    return { pixel: pixel !== undefined, links: links.length };
  }

  async #react(campaign: CrowdCampaign, reader: Reader, mail: SentMail): Promise<void> {
    const { mail: sendgrid, origin, fetch: call } = this.#options;
    const asked = async (url: string, init: RequestInit) => {
      await this.#slot();
      try {
        const response = await call(url, { ...init, redirect: "manual" });
        await response.body?.cancel();
        if (response.status >= 400) throw new Error(`${response.status}`);
      } finally {
        this.#free();
      }
    };
    campaign.waiting++;
    try {
      await perform(reader, mail, origin, {
        at: ({ at }, after) => this.#until(at + after),
        ask: (url, agent) => asked(url, { headers: { "user-agent": agent } }),
        reply: () =>
          void sendgrid.receive(replyTo(mail), undefined, undefined, { how: "A reader", about: mail.id }),
        unsubscribe: (url) =>
          asked(url, {
            method: "POST",
            headers: { "content-type": "application/x-www-form-urlencoded" },
            body: "List-Unsubscribe=One-Click",
          }),
        complain: () => this.#report(eventOf(mail, "spamreport", mail.to[0].email)),
      });
    } catch {
      campaign.failed++;
    }
    campaign.waiting--;
    this.#tell();
  }

  #until(time: number): Promise<void> {
    return new Promise((done) => this.#later(Math.max(0, time - this.#clock.now()), done));
  }

  #later(ms: number, run: () => void): void {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  async #slot(): Promise<void> {
    if (this.#busy < SLOTS) this.#busy++;
    else await new Promise<void>((free) => this.#queue.push(free));
  }

  #free(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#busy--;
    else next();
  }

  #report(event: Json): void {
    this.#events.push(event);
    if (this.#events.length === 1) this.#later(GROUP_MS, () => this.#post());
    if (this.#events.length >= EVENTS) this.#post();
  }

  #post(): void {
    if (this.#events.length === 0) return;
    this.#options.mail.report(this.#events);
    this.#events = [];
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#later(TELL_MS, () => {
      this.#telling = false;
      this.#options.onChange();
    });
  }
}
