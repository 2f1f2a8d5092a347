/**
 * Masked texts: 200 a second between pairs over a pool of 400 numbers, from Twilio's webhook to the other side's send, with
 * the statuses of each told at the same time. Numbers send at their pace; none is asked for more.
 *
 * The times stand beside those of a bare relay of the same run, which verifies the signature, inserts a row, looks up the
 * other side and sends. On a machine that does other work too, compare the CPU of each text.
 */
import postgres, { type Sql } from "postgres";
import { configSeen } from "../../tests/support/config_seen.ts";
import { functionsWith, startStack } from "../../tests/support/stack.ts";
import { type Helper, startHelper } from "../helper.ts";
import { type Load, load } from "../load.ts";
import { cpuOf } from "../pipeline/cpu.ts";
import { median, print, type Row } from "../report.ts";
import { type Note, requests, type TextTarget } from "./notes.ts";
import type { Begin, Sends } from "./outside.ts";
import { addPairs, makeBareTables, type Pair } from "./world.ts";

const FULL = { runs: 3, pairs: 400, pace: 200, texts: 4_000, warm: 800 };
/** For seeing that the bench itself works. */
const QUICK = { runs: 1, pairs: 40, pace: 20, texts: 40, warm: 20 };
type Size = typeof FULL;

const CONNECTIONS = 64;
/** Segments a second that a US number sends. */
const PER_SECOND = 1;
/** So long nothing may come before what is missing is given up, in milliseconds. */
const PATIENCE_MS = 30_000;
const ACCOUNT = { accountSid: `AC${"b".repeat(32)}`, authToken: "c".repeat(32) };

/** Runs the bench. `--json` prints one JSON document, `--quick` shows that it works. */
export async function main(args: string[]): Promise<void> {
  const size = args.includes("--quick") ? QUICK : FULL;
  const how =
    `${size.pace} texts/s over ${size.pairs} numbers, two statuses of each; medians of ${size.runs} runs of ` +
    `${size.texts.toLocaleString("en")}`;
  print("texts", how, await relayed(size), args.includes("--json"));
}

async function relayed(size: Size): Promise<Row[]> {
  await using outside = await startHelper(new URL("outside.ts", import.meta.url));
  const twilioUrl = `http://127.0.0.1:${outside.port}`;
  await using functions = await functionsWith({
    TWILIO_URL: twilioUrl,
    TWILIO_ACCOUNT_SID: ACCOUNT.accountSid,
    TWILIO_AUTH_TOKEN: ACCOUNT.authToken,
  });
  const stack = await startStack({ checked: false, functions: functions.path, args: ["--no-seed"] });
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  try {
    const pairs = await addPairs(sql, size.pairs);
    await makeBareTables(sql, pairs);
    await configSeen(stack, sql);
    const webhookUrl = `${stack.url}/functions/v1/sms-webhook`;
    await using bare = await startHelper(
      new URL("bare.ts", import.meta.url),
      ...[stack.stack.dbUrl, twilioUrl, webhookUrl, ACCOUNT.accountSid, ACCOUNT.authToken],
    );
    const { supervisor, functions: host, postgres: server } = stack.pids();
    const bench = new Bench(pairs, outside, { ...ACCOUNT, webhookUrl }, size);
    const places = {
      bare: { port: bare.port, pids: { bare: bare.pid, postgres: server! } },
      ours: { port: Number(new URL(stack.url).port), pids: { host, supervisor, postgres: server! } },
    };
    // Plans are made and code is compiled in the first ones.
    for (const place of [places.bare, places.ours]) await bench.run(place, size.warm);
    const least: Run[] = [], ours: Run[] = [];
    // In turn, so that what else the machine does befalls both.
    for (let run = 0; run < size.runs; run++) {
      least.push(await bench.run(places.bare, size.texts));
      ours.push(await bench.run(places.ours, size.texts));
    }
    await checked(sql, size.warm + size.runs * size.texts);
    return [...rowsOf("limit, a bare relay: ", least), ...rowsOf("", ours, "< 500")];
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

/** @throws Error if a text or a status is missing in the database, or a check of it fails. */
async function checked(sql: Sql, texts: number): Promise<void> {
  const [told] = await sql<{ came: number; delivered: number }[]>`
    select count(*) filter (where direction = 'in')::int as came,
      count(*) filter (where direction = 'out' and status = 'delivered')::int as delivered
    from public.messages where channel = 'sms'`;
  if (told.came !== texts || told.delivered !== texts) {
    throw new Error(`of ${texts} texts: ${JSON.stringify(told)}`);
  }
  const [{ report }] = await sql`select public.reconcile() as report`;
  const failed = report.checks.filter((check: { ok: boolean }) => !check.ok);
  if (failed.length > 0) throw new Error(`reconcile: ${JSON.stringify(failed)}`);
}

interface Place {
  port: number;
  pids: Readonly<Record<string, number>>;
}

/** What a run came to. Times from the webhook to the send, in order, in milliseconds; CPU by process, in microseconds a text. */
interface Run {
  load: Load;
  took: number[];
  queued: number;
  cpu: Record<string, number>;
}

class Bench {
  #number = 0;
  constructor(
    readonly pairs: readonly Pair[],
    readonly outside: Helper,
    readonly target: Omit<TextTarget, "port">,
    readonly size: Size,
  ) {}

  /** Texts of all pairs in turn, of the client first and of the sitter when all clients have written. */
  #notes(count: number): Note[] {
    return Array.from({ length: count }, () => {
      const number = this.#number++;
      const { client, sitter, number: to } = this.pairs[number % this.pairs.length];
      return { number, to, from: Math.floor(number / this.pairs.length) % 2 === 0 ? client : sitter };
    });
  }

  /** @throws Error if a webhook is refused, or a text is lost or sent twice. */
  async run({ port, pids }: Place, count: number): Promise<Run> {
    const notes = this.#notes(count);
    const begin: Begin = { ...ACCOUNT, port, perSecond: PER_SECOND };
    await fetch(`http://127.0.0.1:${this.outside.port}/begin`, {
      method: "POST",
      body: JSON.stringify(begin),
    });
    const made = requests({ ...this.target, port }, notes);
    const sent = new Map<number, number>();
    const before = cpuOf(pids);
    const result = await load(
      { hostname: "127.0.0.1", port },
      made,
      CONNECTIONS,
      this.size.pace,
      (index) => sent.set(notes[index].number, performance.timeOrigin + performance.now()),
    );
    if (result.statuses["200"] !== count) {
      throw new Error(`webhooks were refused: ${JSON.stringify(result.statuses)}`);
    }
    const { at, queued } = await this.#sends(count);
    const after = cpuOf(pids);
    const cpu = Object.fromEntries(
      Object.keys(after).map((name) => [name, (after[name] - before[name]) / count]),
    );
    return {
      load: result,
      took: notes.map(({ number }) => at.get(number)! - sent.get(number)!).sort((a, b) => a - b),
      queued,
      cpu,
    };
  }

  /** Waits until each text was sent and both of its statuses were told. */
  async #sends(count: number): Promise<{ at: Map<number, number>; queued: number }> {
    const at = new Map<number, number>();
    let queued = 0, statuses = 0;
    for (let quietSince = performance.now(); at.size < count || statuses < 2 * count;) {
      const told: Sends = await (await fetch(`http://127.0.0.1:${this.outside.port}/report`)).json();
      for (const [number, when] of told.at) {
        if (at.has(number)) throw new Error("a text was sent twice");
        at.set(number, when);
      }
      if (told.refused > 0) throw new Error(`${told.refused} statuses were refused`);
      queued += told.queued;
      statuses += told.statuses;
      if (told.at.length > 0 || told.statuses > 0) quietSince = performance.now();
      else if (performance.now() - quietSince > PATIENCE_MS) {
        throw new Error(`${at.size} of ${count} texts were sent, ${statuses} statuses told`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { at, queued };
  }
}

function rowsOf(whose: string, runs: readonly Run[], goal?: string): Row[] {
  const at = (share: number) => median(runs.map(({ took }) => took[Math.floor(took.length * share)]));
  return [
    { what: `${whose}webhook -> the other side's send, p50, ms`, value: at(0.5) },
    { what: "  p95, ms", value: at(0.95), ...(goal === undefined ? {} : { goal }) },
    { what: "  p99, ms", value: at(0.99) },
    { what: "  texts taken a second", value: median(runs.map(({ load }) => load.perSecond)) },
    {
      what: "  texts beyond their number's pace",
      value: median(runs.map(({ queued }) => queued)),
      ...(goal === undefined ? {} : { goal: "0" }),
    },
    ...Object.keys(runs[0].cpu).map((name): Row => ({
      what: `  CPU of ${name} for each text, ms`,
      value: median(runs.map(({ cpu }) => cpu[name])) / 1000,
    })),
  ];
}
