/**
 * E-mail that comes in: mails of 20 KB from SendGrid's post to the commit, and on to the forward.
 *
 * The sustained rate stands beside a bare receiver of the same run, which verifies the signature, parses by postal-mime and
 * inserts one row. On a machine that does other work too, compare the CPU of each mail: that of the processes together,
 * beside that of the bare receiver with its Postgres. Last, the look-up of a token among many.
 */
import { generateKeyPairSync } from "node:crypto";
import { tmpdir } from "node:os";
import postgres, { type Sql } from "postgres";
import { configSeen } from "../../tests/support/config_seen.ts";
import { functionsWith, startStack } from "../../tests/support/stack.ts";
import { type Helper, startHelper } from "../helper.ts";
import { type Load, load } from "../load.ts";
import { cpuOf } from "../pipeline/cpu.ts";
import { median, print, type Row } from "../report.ts";
import { type Answer, MAIL_BYTES, type MailTarget, requests } from "./mails.ts";
import type { Forwards } from "./outside.ts";
import { lookUps, MOST_TOKENS, roomFault } from "./tokens.ts";
import { makeBareTable, peopleWithMail, type Person } from "./world.ts";

const FULL = {
  runs: 3,
  mails: 2_000,
  paced: 1_000,
  warm: 200,
  people: 2_000,
  tokens: 1_000_000,
  few: 10_000,
  turns: 500,
};
/** For seeing that the bench itself works. */
const QUICK = { runs: 1, mails: 60, paced: 60, warm: 20, people: 60, tokens: 2_000, few: 1_000, turns: 5 };
const PATH = "/functions/v1/email-webhook/inbound";
const CONNECTIONS = 64;
/** Mails a second of the part about latency. */
const PACE = 50;
/** So long no forward may come before what is missing is given up, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Runs the bench. `--json` prints one JSON document, `--rows N` of the tokens, `--quick` shows that it works. */
export async function main(args: string[]): Promise<void> {
  const size = args.includes("--quick") ? QUICK : FULL;
  const valueOf = (option: string) => args.includes(option) ? args[args.indexOf(option) + 1] : undefined;
  const tokens = Number(valueOf("--rows") ?? size.tokens);
  const only = valueOf("--only");
  const fault = Number.isInteger(tokens) && tokens >= size.few && tokens <= MOST_TOKENS
    ? roomFault(tmpdir(), tokens + size.few)
    : `--rows takes a whole number from ${size.few} to ${MOST_TOKENS}.`;
  if (fault !== undefined) {
    console.error(fault);
    Deno.exit(2);
  }
  const rows = [
    ...only === "tokens" ? [] : await intake(size),
    ...only === "intake" ? [] : await lookUps({ few: size.few, many: tokens, turns: size.turns }),
  ];
  const how = `mails of ${MAIL_BYTES / 1000} KB; medians of ${size.runs} runs of ` +
    `${size.mails.toLocaleString("en")}, ${CONNECTIONS} connections`;
  print("email", how, rows, args.includes("--json"));
}

type Size = typeof FULL;

async function intake(size: Size): Promise<Row[]> {
  const keys = generateKeyPairSync("ec", {
    namedCurve: "prime256v1",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "der" },
  });
  const publicKey = keys.publicKey.toString("base64");
  await using outside = await startHelper(new URL("outside.ts", import.meta.url));
  await using functions = await functionsWith({
    SENDGRID_URL: `http://127.0.0.1:${outside.port}`,
    SENDGRID_INBOUND_PUBLIC_KEY: publicKey,
  });
  const stack = await startStack({ checked: false, functions: functions.path, args: ["--no-seed"] });
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  try {
    await makeBareTable(sql);
    const people = await peopleWithMail(sql, size.people);
    await using bare = await startHelper(new URL("bare.ts", import.meta.url), stack.stack.dbUrl, publicKey);
    const target = {
      hostname: "127.0.0.1",
      port: Number(new URL(stack.url).port),
      signingKey: keys.privateKey.toString("base64"),
      replyDomain: "reply.example.com",
    };
    const bench = new Bench(sql, target, people, outside);
    const { supervisor, functions: host, postgres: server } = stack.pids();
    const ours = { host, supervisor, postgres: server! };
    await flags(sql, true);
    await configSeen(stack, sql);
    const rows = await bench.paced(size.warm, size.paced);
    // Mails that come in from here on wait for their forward.
    await flags(sql, false);
    await configSeen(stack, sql);
    const taken: Taken[] = [], least: Taken[] = [];
    // In turn, so that what else the machine does befalls both; the first ones warm caches, plans and the compiler.
    for (let run = 0; run <= size.runs; run++) {
      least.push(await bench.take(size.mails, bare.port, { bare: bare.pid, postgres: server! }));
      taken.push(await bench.take(size.mails, target.port, ours));
    }
    rows.push(...rateRows(taken.slice(1), least.slice(1)));
    const [{ report }] = await sql`select public.reconcile() as report`;
    const failed = report.checks.filter((check: { ok: boolean }) => !check.ok);
    if (failed.length > 0) throw new Error(`reconcile: ${JSON.stringify(failed)}`);
    return rows;
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

/** Turns on or off what follows an intake: routes and forwards. */
async function flags(sql: Sql, on: boolean): Promise<void> {
  for (const key of ["email_router.enabled", "email_send.enabled", "email_reply_tokens.enabled"]) {
    const value = String(on || key === "email_reply_tokens.enabled");
    await sql`insert into public.settings (key, value) values (${key}, ${value})
      on conflict (key) do update set value = excluded.value`;
  }
}

/** What some mails came to: the load, and microseconds of CPU of each process for each mail. */
interface Taken {
  load: Load;
  cpu: Record<string, number>;
}

class Bench {
  #number = 0;
  constructor(
    readonly sql: Sql,
    readonly target: MailTarget,
    readonly people: readonly Person[],
    readonly outside: Helper,
  ) {}

  #answers(count: number): Answer[] {
    return Array.from({ length: count }, () => {
      const number = ++this.#number;
      const { address, token } = this.people[number % this.people.length];
      return { number, person: address, token };
    });
  }

  async #post(
    answers: readonly Answer[],
    port: number,
    pace?: number,
    onSend?: (index: number) => void,
  ): Promise<Load> {
    // Or most would be too many of an hour, and go nowhere.
    await this.sql`delete from private.mail_senders`;
    const made = requests({ ...this.target, port }, answers, PATH);
    const result = await load({ hostname: "127.0.0.1", port }, made, CONNECTIONS, pace, onSend);
    if (result.statuses["200"] !== result.requests) {
      throw new Error(`mails were refused: ${JSON.stringify(result.statuses)}`);
    }
    return result;
  }

  /** Mails as fast as they are taken. */
  async take(count: number, port: number, pids: Readonly<Record<string, number>>): Promise<Taken> {
    const answers = this.#answers(count);
    const before = cpuOf(pids);
    const result = await this.#post(answers, port);
    const after = cpuOf(pids);
    const cpu = Object.fromEntries(
      Object.keys(after).map((name) => [name, (after[name] - before[name]) / count]),
    );
    return { load: result, cpu };
  }

  /** Mails at a pace, with everything on: how long each takes to its commit, and to its forward. */
  async paced(warm: number, count: number): Promise<Row[]> {
    await (await fetch(`http://127.0.0.1:${this.outside.port}/report`)).body?.cancel();
    const answers = this.#answers(warm + count);
    const sent = new Map<number, number>();
    const now = () => performance.timeOrigin + performance.now();
    // Plans are made and code is compiled in the first ones.
    await this.#post(answers.slice(0, warm), this.target.port, PACE);
    const result = await this.#post(
      answers.slice(warm),
      this.target.port,
      PACE,
      (index) => sent.set(answers[warm + index].number, now()),
    );
    const came = await this.#forwards(answers);
    const took = answers.slice(warm).map(({ number }) => came.get(number)! - sent.get(number)!).sort((a, b) =>
      a - b
    );
    const at = (share: number) => took[Math.floor(took.length * share)];
    return [
      { what: `everything on, ${PACE} mails/s: post -> commit, p50, ms`, value: result.p50 },
      { what: "  p95, ms", value: result.p95, goal: "< 50" },
      { what: "post -> forward handed over, p50, ms", value: at(0.5) },
      { what: "  p95, ms", value: at(0.95), goal: "< 1,000" },
    ];
  }

  /** Waits for the forward of each answer. @throws Error if one is lost or comes twice */
  async #forwards(answers: readonly Answer[]): Promise<Map<number, number>> {
    const came = new Map<number, number>();
    for (let quietSince = performance.now(); came.size < answers.length;) {
      const { at }: Forwards = await (await fetch(`http://127.0.0.1:${this.outside.port}/report`)).json();
      for (const [number, when] of at) {
        if (came.has(number)) throw new Error("a mail was forwarded twice");
        came.set(number, when);
      }
      if (at.length > 0) quietSince = performance.now();
      else if (performance.now() - quietSince > PATIENCE_MS) {
        throw new Error(`${came.size} of ${answers.length} mails were forwarded`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return came;
  }
}

function rateRows(taken: readonly Taken[], least: readonly Taken[]): Row[] {
  const rate = (runs: readonly Taken[]) => median(runs.map(({ load }) => load.perSecond));
  const all = (runs: readonly Taken[]) =>
    median(runs.map(({ cpu }) => Object.values(cpu).reduce((sum, each) => sum + each, 0))) / 1000;
  const each = (runs: readonly Taken[]) =>
    Object.keys(runs[0].cpu).map((name): Row => ({
      what: `  of it ${name}, ms`,
      value: median(runs.map(({ cpu }) => cpu[name])) / 1000,
    }));
  return [
    { what: "limit: a bare receiver (signature, postal-mime, one insert), mails/s", value: rate(least) },
    { what: "  CPU of each mail, ms", value: all(least) },
    ...each(least),
    { what: "taken in, forwards off, mails/s", value: rate(taken) },
    { what: "  share of the bare receiver, %", value: 100 * rate(taken) / rate(least), goal: ">= 60" },
    { what: "  CPU of each mail, ms", value: all(taken) },
    ...each(taken),
    { what: "  times the CPU of the bare receiver", value: all(taken) / all(least) },
  ];
}
