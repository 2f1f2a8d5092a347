/**
 * The mission's example rollout, from creation to 100 %, on a real stack with live traffic: signed webhooks come in, the
 * router asks the flag for each person, two services answer, outcomes are counted in the functions, the guard judges.
 *
 * Only the clock is compressed: what was counted in the minutes in which the test ran is moved to the minutes in which 23
 * days of traffic would have come, and the guard is asked as of then.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createHmac } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { untilAll } from "../../cli/core/functions_state.ts";
import { join } from "../../lib/paths.ts";
import { runGatelink, testSession } from "../support/gatelink.ts";
import { addDestination, addRoute, type Service, startService } from "../support/service.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { atLeast, until } from "../support/until.ts";

const MINUTE = 60_000;
const TEAM = 24, BETA = 320;
/** Messages in a webhook, and people who write at once: as many as a machine of two cores takes in its stride. */
const IN_A_WEBHOOK = 25, AT_ONCE = 200;

/** The example's table. Its 100 beta users are 320 here: so many outcomes it takes to be sure of less than 1 %. */
const PLAN = {
  name: "example",
  stages: [
    stage("internal", 0, 2, 20, { segments: ["team"] }, { no_errors: true }, 0.05),
    stage("beta", 0, 5, 300, { segments: ["beta"] }, { error_rate_below: 0.01 }, 0.02),
    stage("25 %", 25, 3, 600, {}, { error_rate_below: 0.005 }, 0.01),
    stage("50 %", 50, 3, 600, {}, { error_rate_below: 0.005 }, 0.01),
    stage("75 %", 75, 3, 600, {}, { error_rate_below: 0.005 }, 0.01),
    stage("100 %", 100, 7, 600, {}, { error_rate_below: 0.005 }, 0.01),
  ],
};

function stage(
  name: string,
  percentage: number,
  days: number,
  min_samples: number,
  who: Record<string, string[]>,
  advance_when: Record<string, unknown>,
  error_rate_above: number,
) {
  const hold_minutes = days * 1440;
  return {
    name,
    percentage,
    hold_minutes,
    min_samples,
    ...who,
    advance_when,
    roll_back_when: { error_rate_above },
  };
}

interface Live extends AsyncDisposable {
  stack: RunningStack;
  sql: Sql;
  /** Services behind the flag and without it. */
  with: Service;
  without: Service;
  /** Texts that were sent. */
  sent: string[];
  flag: string;
  // deno-lint-ignore no-explicit-any
  gatelink(...words: string[]): Promise<any>;
  /** Lets these people write one message each, and waits until all are delivered and, unless told otherwise, counted. */
  write(phones: string[], options?: { counted: boolean }): Promise<void>;
  /** Waits until every function goes by the configuration as it is now. */
  seen(): Promise<void>;
  /** Moves what was counted just now to a minute of the compressed clock. */
  countedAt(at: Date): Promise<void>;
  /** Asks the guard as of then, and waits until every function goes by what it decided. */
  judged(at: Date): Promise<{ verdict: string; rule: string }>;
}

async function live(flag: string): Promise<Live> {
  const stack = await startStack({ env: { DATABASE_URL: "" } });
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  const [withFlag, without] = [startService(), startService()];
  const env = { GATELINK_STACK: join(stack.dir, "stack.json") };
  const api = await testSession({ env }).api();
  const sent: string[] = [];
  // Retries of what fails come soon, so that the test need not wait for them.
  await addDestination(sql, "assistant", withFlag, { retry_seconds: [1, 1, 2, 5] });
  await addDestination(sql, "people", without, { retry_seconds: [1, 1, 2, 5] });
  await sql`insert into public.settings (key, value) values (${flag}, 'false')`;
  await addRoute(sql, ["people"], { type: "any" }, { priority: 20 });

  const gatelink = async (...words: string[]) => {
    const { code, out, err, json } = await runGatelink([...words, "--json"], { env });
    assertEquals(code, 0, `gatelink ${words.join(" ")}\n${out}${err}`);
    return json();
  };

  const arrived = () => new Set([...withFlag.texts(), ...without.texts()]).size;
  /** What was counted and not yet moved to the compressed clock. */
  const counted = async () => {
    const [{ n }] = await sql`select coalesce(sum(n), 0)::int as n from public.flag_metrics
      where flag_key = ${flag} and minute <= clock_timestamp()`;
    return n as number;
  };

  async function seen(): Promise<void> {
    const [{ revision }] = await sql`select revision::float8 as revision from private.config_revision`;
    await untilAll(api.stack, flag, (state) => (state.config_revision ?? 0) >= revision, 15_000);
  }

  async function write(phones: string[], options = { counted: true }): Promise<void> {
    const before = await counted();
    for (let at = 0; at < phones.length; at += AT_ONCE) {
      const group = phones.slice(at, at + AT_ONCE);
      const bodies: string[] = [];
      for (let i = 0; i < group.length; i += IN_A_WEBHOOK) {
        const texts = group.slice(i, i + IN_A_WEBHOOK).map((phone) => ({
          phone,
          text: `message ${crypto.randomUUID()}`,
        }));
        sent.push(...texts.map(({ text }) => text));
        bodies.push(webhook(stack.stack.whatsapp.phoneNumberId, texts));
      }
      await Promise.all(bodies.map((body) => post(stack, body)));
      await until("each message arrives", atLeast(sent.length, arrived));
    }
    if (!options.counted) return;
    await until("each outcome is counted", atLeast(before + phones.length, counted));
  }

  return {
    stack,
    sql,
    with: withFlag,
    without,
    sent,
    flag,
    gatelink,
    write,
    seen,
    async countedAt(at) {
      await sql`
        with moved as (
          delete from public.flag_metrics where flag_key = ${flag} and minute <= clock_timestamp() returning *
        )
        insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
        select flag_key, date_trunc('minute', ${at}::timestamptz), arm, sum(n), sum(failed), sum(timed), sum(ms), (
          select array_agg(total order by i) from (
            select i, sum(m.le[i])::integer as total from moved m, generate_series(1, 27) i where m.arm = moved.arm group by i
          ) t)
        from moved group by flag_key, arm`;
    },
    async judged(at) {
      const rows = await sql<{ verdict: string; rule: string }[]>`
        select verdict, rule from private.advance_rollouts(${at}) where flag_key = ${flag}`;
      await seen();
      assertEquals(rows.length, 1, "one verdict");
      return rows[0];
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await stack.stop();
      await withFlag[Symbol.asyncDispose]();
      await without[Symbol.asyncDispose]();
    },
  };
}

/** A webhook body with a text message of each of these people. */
function webhook(phoneNumberId: string, messages: { phone: string; text: string }[]): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "1",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { phone_number_id: phoneNumberId, display_phone_number: "15550100100" },
          contacts: messages.map(({ phone }) => ({ wa_id: phone, profile: { name: "A customer" } })),
          messages: messages.map(({ phone, text }) => ({
            from: phone,
            id: `wamid.${crypto.randomUUID()}`,
            timestamp: String(Math.floor(Date.now() / 1000)),
            type: "text",
            text: { body: text },
          })),
        },
      }],
    }],
  });
}

async function post({ url, stack: { whatsapp } }: RunningStack, body: string): Promise<void> {
  const signature = createHmac("sha256", whatsapp.appSecret).update(body).digest("hex");
  const response = await fetch(`${url}/functions/v1/wa-webhook`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}` },
    body,
  });
  assertEquals(response.status, 200, await response.text());
}

let people = 0;
/** Phone numbers of people who have not written yet. */
function newcomers(count: number): string[] {
  return Array.from({ length: count }, () => `1202${String(5_550_000 + people++).padStart(7, "0")}`);
}

/** Creates the example's rollout and starts it; gives its id and when its first stage began. */
async function begin({ gatelink, flag, sql, write, seen }: Live): Promise<{ id: string; began: Date }> {
  await seen();
  // They become known with their first message, before anything asks the flag: a person counts once a minute.
  const team = newcomers(TEAM), beta = newcomers(BETA);
  await write([...team, ...beta], { counted: false });
  await addRoute(sql, ["assistant"], { type: "any" }, { priority: 10, flag_key: flag });
  for (const [segment, phones] of [["team", team], ["beta", beta]] as const) {
    await gatelink("flags", "segments", "make", segment, "--description", `the ${segment}`);
    await gatelink(
      "flags",
      "segments",
      "add",
      segment,
      "--why",
      "the example",
      ...phones.flatMap((phone) => ["--phone", phone]),
    );
  }
  members.set(flag, { team, beta });
  const path = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(path, JSON.stringify(PLAN));
  const { id } = await gatelink("rollout", "create", flag, "--plan", path, "--why", "the example");
  const forecast = await gatelink("rollout", "forecast", flag, "--plan", path, "--per-minute", "7");
  assertEquals([forecast.passes, forecast.stages.length], [true, PLAN.stages.length]);
  await Deno.remove(path);
  const started = await gatelink("rollout", "start", id, "--override", "a test: nobody signs here");
  await seen();
  return { id, began: new Date(started.stage_started_at) };
}

const members = new Map<string, { team: string[]; beta: string[] }>();

/** How many have to write so that about `wanted` of them have the feature. */
const enough = (wanted: number, percentage: number) => Math.ceil(wanted * 100 / percentage * 1.1);

/** Nothing that was acknowledged is lost or left, and nobody got anything twice. */
async function unharmed({ sql, sent, with: on, without }: Live): Promise<void> {
  await until("no delivery waits", async () => {
    const [{ open }] =
      await sql`select count(*)::int as open from public.deliveries where state in ('pending', 'leased')`;
    assertEquals(open, 0);
    return true;
  });
  const delivered = new Map<string, string>();
  const [rows] = await Promise.all([sql<{ text: string; state: string }[]>`
    select m.text, d.state from public.messages m join public.deliveries d on d.message_id = m.id where m.direction = 'in'`]);
  for (const { text, state } of rows) {
    assert(!delivered.has(text), `${text} went to two services`);
    delivered.set(text, state);
  }
  assertEquals(sent.filter((text) => delivered.get(text) !== "delivered"), []);
  const texts = [...new Set([...on.texts(), ...without.texts()])];
  assertEquals(texts.length, sent.length);
  const [{ found }] = await sql`select public.reconcile() as found`;
  assertEquals(found.ok, true, JSON.stringify(found.checks));
}

Deno.test("the example rollout: 23 days from ten colleagues to everybody, and nobody loses the feature meanwhile", async () => {
  await using world = await live("assistant.enabled");
  const { flag, sql, with: on, gatelink } = world;
  const { id, began } = await begin(world);
  let now = began;
  const had = new Set<string>();
  for (const [index, { name, percentage, hold_minutes }] of PLAN.stages.entries()) {
    const [rollout] = await sql`select stage, state from public.rollouts where id = ${id}`;
    assertEquals([rollout.stage, rollout.state], [index + 1, "running"], name);
    const { team, beta } = members.get(flag)!;
    const writers = name === "internal"
      ? [...team, ...newcomers(20)]
      : name === "beta"
      ? [...beta, ...newcomers(20)]
      : newcomers(enough(620, percentage));
    const before = on.received.length;
    await world.write(writers);
    const share = (on.received.length - before) / writers.length;
    if (percentage > 0) {
      assert(Math.abs(share - percentage / 100) < 0.06, `${share} of them had it at ${name}`);
    }
    for (const { event } of on.received.slice(before)) had.add(event.data.contact.id);

    // Half an hour before the stage may end; a minute too early it holds, then it goes on.
    const end = new Date(now.getTime() + hold_minutes * MINUTE);
    await world.countedAt(new Date(end.getTime() - 30 * MINUTE));
    const early = await world.judged(new Date(end.getTime() - 5 * MINUTE));
    assertEquals([early.verdict, early.rule], ["hold", "hold_time"], name);
    now = new Date(end.getTime() + 2 * MINUTE);
    const verdict = await world.judged(now);
    assertEquals([verdict.verdict, verdict.rule], ["advance", "criteria_met"], name);
  }
  const shown = await gatelink("rollout", "show", id);
  assertEquals(shown.state, "completed");
  assertEquals(Math.round((Date.parse(shown.finished_at) - began.getTime()) / 86_400_000), 23, "days");
  const [setting] = await sql`select value, metadata from public.settings where key = ${flag}`;
  assertEquals([setting.value, setting.metadata.rollout_percentage], ["true", 100]);
  const [{ lost }] = await sql`
    select count(*)::int as lost from unnest(${[...had]}::text[]) as p (id)
    where not (select value from private.evaluate_flag(${flag}, p.id))`;
  assertEquals(lost, 0, "who had it once has it still");
  assert(had.size > 2_000, `${had.size} people had it on the way`);
  const replayed = await gatelink("rollout", "replay", id);
  assert(replayed.same && replayed.verdicts.length >= PLAN.stages.length, JSON.stringify(replayed.verdicts));
  await unharmed(world);
});

Deno.test("the example rollout with 5 % errors at 25 %: the flag goes off with the reason, and no user is harmed", async () => {
  await using world = await live("concierge.enabled");
  const { flag, sql, with: on, gatelink } = world;
  const { id } = await begin(world);
  for (const name of ["beta", "25 %"]) {
    await gatelink("rollout", "advance", id, "--why", `the test is about 25 %: ${name}`);
  }
  const { stage_started_at } = await gatelink("rollout", "show", id);
  const stageBegan = Date.parse(stage_started_at);
  await world.seen();

  // Every twentieth that comes for the first time fails; a repetition goes well.
  const seen = new Set<string>();
  let failed = 0;
  on.answers(({ id }) => {
    if (seen.has(id)) return new Response();
    seen.add(id);
    if (seen.size % 20 !== 0) return new Response();
    failed++;
    return new Response("injected", { status: 500 });
  });
  let verdict = { verdict: "hold", rule: "" };
  let minutes = 0;
  for (; minutes < 8 && verdict.verdict !== "roll_back"; minutes++) {
    await world.write(newcomers(400));
    const at = new Date(stageBegan + (10 + minutes) * MINUTE);
    await world.countedAt(at);
    verdict = await world.judged(new Date(at.getTime() + 2 * MINUTE));
  }
  assertEquals(verdict.verdict, "roll_back", `after ${minutes} minutes and ${failed} failures`);
  assert(failed >= 5 && seen.size > 100, `${failed} of ${seen.size} failed`);

  const [setting] = await sql`select value, metadata from public.settings where key = ${flag}`;
  assertEquals([setting.value, setting.metadata.rollout_percentage], ["false", 0]);
  const shown = await gatelink("rollout", "show", id);
  assertEquals(shown.state, "rolled_back");
  const last = shown.events.at(-1);
  assertEquals([last.kind, last.verdict, last.stage], ["rolled_back", "roll_back", 3]);
  assertMatch(last.message, /more fail with the flag on than without it: the flag is off/);
  const [{ evidence }] = await sql`select evidence from public.rollout_events where id = ${last.id}`;
  const on_failed = evidence.minutes.reduce((sum: number, [, , k]: number[]) => sum + k, 0);
  assert(on_failed > 0 && evidence.path.length === evidence.minutes.length, "counters and S path are kept");
  const replayed = await gatelink("rollout", "replay", id);
  assertEquals([replayed.same, replayed.verdicts.at(-1).recomputed], [true, {
    verdict: "roll_back",
    rule: last.rule,
  }]);

  // From now on everybody is served as before; what failed is repeated, and goes well.
  const known = new Set(seen);
  await world.write(newcomers(100));
  assertEquals([...seen].filter((id) => !known.has(id)), []);
  await unharmed(world);
});
