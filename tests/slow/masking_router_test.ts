/**
 * Random assignments, releases and texts, some of them at once and some found late, through the real functions: nobody
 * hears a stranger, and nothing that carries a text names who wrote it.
 */
import fc from "fast-check";
import { relay } from "../../supabase/functions/_shared/masking/relay.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { type Edge, edgeTest } from "../support/edge.ts";
import { allSent, compare, MASKING_ON } from "../support/masked_texts.ts";
import {
  Acquainted,
  type Act,
  addOrg,
  CLIENTS,
  factsOf,
  MaskedOrgInDatabase,
  type OrgRows,
  phoneOf,
  POOL,
  SITTERS,
} from "../support/masking.ts";
import { anyAct } from "../support/masking_acts.ts";
import { holds } from "../support/property.ts";

/** What an organisation goes through: acts, texts whose webhook is lost or that have a picture, and a minute that passes. */
type Step =
  | Act
  | { do: "lost"; from: string; number: number }
  | { do: "picture"; from: string; number: number }
  | { do: "minute" };

const anyText = fc.record({
  from: fc.oneof(
    fc.nat({ max: CLIENTS - 1 }).map((i) => `c${i}`),
    fc.nat({ max: SITTERS - 1 }).map((i) => `s${i}`),
  ),
  number: fc.nat({ max: POOL }),
});
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: anyAct },
  { weight: 1, arbitrary: anyText.map((text) => ({ do: "lost" as const, ...text })) },
  { weight: 1, arbitrary: anyText.map((text) => ({ do: "picture" as const, ...text })) },
  { weight: 1, arbitrary: fc.constant({ do: "minute" as const }) },
);
/** Steps of a group are done at once. */
const anyGroups = fc.array(fc.array(anyStep, { minLength: 1, maxLength: 3 }), {
  minLength: 25,
  maxLength: 25,
  size: "max",
});

const PICTURE = "900000000000001";
/** Names that nobody may hear of. */
const nameOf = (person: string) => `Quillfeather ${person}`;

/** A text that somebody wrote. */
interface Written {
  from: string;
  body: string;
  heard: string[];
}

/** What a case comes to. */
interface Played {
  faults: string[];
  relayed: number;
  late: number;
  pictures: number;
}

class Play {
  readonly #written = new Map<string, Written>();
  readonly #faults: string[] = [];
  readonly #forms: URLSearchParams[];
  readonly #people: Map<string, string>;
  readonly #secrets: string[];
  readonly #acquainted = new Acquainted();
  readonly #org: MaskedOrgInDatabase;
  #relayed = 0;
  #late = 0;
  #pictures = 0;

  /** @param forms Where the calls to Twilio's API are kept, which a play takes from. */
  constructor(readonly edge: Edge, readonly rows: OrgRows, forms: URLSearchParams[]) {
    this.#forms = forms;
    this.#org = new MaskedOrgInDatabase(edge.sql, rows);
    const people = [
      ...rows.clients.map((_, i) => [`c${i}`, phoneOf("c", i)]),
      ...rows.sitters.map((_, i) => [`s${i}`, phoneOf("s", i)]),
    ];
    this.#people = new Map(people.map(([person, phone]) => [`+${phone}`, person]));
    // Without the country code, too.
    this.#secrets = people.flatMap(([person, phone]) => [phone.slice(1), nameOf(person)]);
  }

  async run(groups: readonly (readonly Step[])[]): Promise<Played> {
    for (const group of groups) await this.#group(group);
    return { faults: this.#faults, relayed: this.#relayed, late: this.#late, pictures: this.#pictures };
  }

  async #group(group: readonly Step[]): Promise<void> {
    const { edge } = this;
    const states = [pairsOf(this.#acquainted)];
    const only = group.length === 1 && group[0].do === "text" ? group[0] : undefined;
    const expected = only === undefined ? undefined : await this.#expected(only.from, only.number);
    const fresh = group.flatMap((step) => this.#write(step));
    // Who is assigned at last depends on the order of such steps, and only of such.
    const isAssigning = ({ do: what }: Step) => what === "assign" || what === "unassign";
    const assigning = async () => {
      for (const step of group.filter(isAssigning)) {
        await this.#act(step);
        states.push(pairsOf(this.#acquainted));
      }
    };
    await Promise.all([
      assigning(),
      ...group.filter((step) => !isAssigning(step)).map((step) => this.#act(step)),
    ]);
    await allSent(edge);
    // At once means in any order: who knew somebody at some time may hear them.
    const knows = (a: string, b: string) => states.some((pairs) => pairs(a, b));
    const heard = await this.#judge(knows, new Set(fresh.map(({ body }) => body)));
    if (only !== undefined && expected !== undefined) {
      const wanted = expected.join(), found = heard.toSorted().join();
      if (wanted !== found) {
        this.#faults.push(`${only.from} to ${only.number}: heard by ${found}, not ${wanted}`);
      }
    }
  }

  /** Who should hear, by the facts in SQL before the text comes. */
  async #expected(from: string, number: number): Promise<string[]> {
    const answer = relay(
      await factsOf(this.edge.sql, this.rows.numbers[number], phoneOf(from[0], Number(from[1]))),
    );
    if (answer.to !== "leg") return [];
    const contacts = [...this.rows.clients, ...this.rows.sitters.map(({ contact }) => contact)];
    const person = (contact: string) => {
      const place = contacts.indexOf(contact);
      return place < CLIENTS ? `c${place}` : `s${place - CLIENTS}`;
    };
    // Who reads in the app alone has no number.
    return answer.legs.filter(({ numberId }) => numberId !== null).map(({ contactId }) => person(contactId))
      .sort();
  }

  /** The texts of a step; they are written when it is done. */
  #write(step: Step): Written[] {
    if (!("from" in step)) return [];
    const text: Written = { from: step.from, body: `Note ${words(this.#written.size)}`, heard: [] };
    this.#written.set(text.body, text);
    this.#receive.set(step, () =>
      this.edge.texts.receive({
        from: `+${phoneOf(step.from[0], Number(step.from[1]))}`,
        to: `+${this.rows.numbers[step.number]}`,
        body: text.body,
        media: step.do === "picture" ? [PICTURE] : [],
      }));
    return [text];
  }
  readonly #receive = new Map<Step, () => void>();

  async #act(step: Step): Promise<void> {
    const { edge } = this;
    switch (step.do) {
      case "assign":
      case "unassign":
        this.#acquainted.note(step);
        return await this.#org[step.do](step.client, step.sitter);
      case "end":
        return await this.#org.end(step.client);
      case "release":
        return await this.#org.release();
      case "minute":
        return await compare(edge);
      case "lost":
        edge.texts.configure({ lostPercent: 100 });
        this.#receive.get(step)!();
        edge.texts.configure({ lostPercent: 0 });
        return;
      default:
        this.#receive.get(step)!();
    }
  }

  /** What came to phones since: by whom it was heard, and whether it may have been. Returns who heard a text of this group. */
  async #judge(knows: (a: string, b: string) => boolean, fresh: ReadonlySet<string>): Promise<string[]> {
    const heard: string[] = [];
    for (const form of this.#forms.splice(0)) {
      const [to, from, body] = ["To", "From", "Body"].map((name) => form.get(name) ?? "");
      const person = this.#people.get(to);
      const fault = (what: string) => this.#faults.push(`${what}: ${form}`);
      if (person === undefined) fault("a text to nobody");
      if (!this.rows.numbers.includes(from.slice(1))) fault("not from a number of the organisation");
      const carried = [...form].filter(([name]) => name !== "To" && name !== "From").map(([, value]) =>
        value
      );
      for (const url of form.getAll("MediaUrl")) {
        const response = await fetch(url);
        await response.body?.cancel();
        if (response.status !== 200) fault(`a file that answers ${response.status}`);
        carried.push(...[...response.headers].flat());
        this.#pictures++;
      }
      for (const secret of this.#secrets) {
        if (carried.some((value) => decodeURIComponent(value).includes(secret))) fault(`names ${secret}`);
      }
      const written = this.#written.get(body);
      if (written === undefined) {
        // Words of ours, to whoever wrote.
        if ([...this.#written.keys()].some((text) => body.includes(text))) fault("carries somebody's words");
        continue;
      }
      this.#relayed++;
      if (!fresh.has(body)) this.#late++;
      if (written.heard.includes(person!)) fault("twice");
      written.heard.push(person!);
      if (written.from === person) fault("hears oneself");
      else if (!knows(written.from, person!)) fault(`${person} hears ${written.from}, a stranger`);
      if (fresh.has(body)) heard.push(person!);
    }
    return heard;
  }
}

/** Who knows whom now. */
function pairsOf(acquainted: Acquainted): (a: string, b: string) => boolean {
  const known = new Set<string>();
  for (let c = 0; c < CLIENTS; c++) {
    for (let s = 0; s < SITTERS; s++) if (acquainted.know(`c${c}`, `s${s}`)) known.add(`c${c} s${s}`);
  }
  return (a, b) => known.has(`${a} ${b}`) || known.has(`${b} ${a}`);
}

/** A number in syllables: digits of several texts could be taken for a phone number. */
const words = (n: number): string =>
  [...String(n).padStart(3, "0")].map((digit) => "ba de fi go lu ma ne pi so tu".split(" ")[Number(digit)])
    .join("");

edgeTest(
  "random assignments, releases and texts through the functions, some at once, some found late: nobody hears a stranger, or of one",
  async (edge) => {
    const { sql, texts } = edge;
    await edge.set(MASKING_ON);
    const forms: URLSearchParams[] = [];
    const toTwilio = texts.fetch.bind(texts);
    texts.fetch = async (request) => {
      if (request.method === "POST" && request.url.endsWith("/Messages.json")) {
        forms.push(new URLSearchParams(await request.clone().text()));
      }
      return await toTwilio(request);
    };
    const sum = { relayed: 0, late: 0, pictures: 0 };
    await holds(
      fc.asyncProperty(anyGroups, fc.constantFrom(0, 1), async (groups, quarantineDays) => {
        await sql`truncate public.orgs, public.contacts, public.senders cascade`;
        texts.reset();
        forms.length = 0;
        const rows = await addOrg(sql, POOL, { quarantine_days: quarantineDays }, (i) => phoneOf("n", i));
        texts.addNumbers(rows.numbers.map((id) => `+${id}`));
        await sql`update public.senders set max_per_second = 1000, pair_seconds = 0`;
        const people = [
          ...rows.clients.map((id, i) => [id, `c${i}`]),
          ...rows.sitters.map(({ contact }, i) => [contact, `s${i}`]),
        ];
        for (const [id, person] of people) {
          await sql`update public.contacts set name = ${nameOf(person)} where id = ${id}`;
        }
        const { faults, ...counts } = await new Play(edge, rows, forms).run(groups);
        assertEquals(faults, []);
        for (const name of ["relayed", "late", "pictures"] as const) sum[name] += counts[name];
      }),
      { cases: 60, endOnFailure: true },
    );
    // It would hold of a system that relays nothing.
    assert(sum.relayed > 20 && sum.late > 0 && sum.pictures > 0, JSON.stringify(sum));
  },
);
