/**
 * The guide to a first rollout, as a reader goes through it: each command of docs/first-rollout.md runs on one stack in
 * the order of the page, and prints what the page shows.
 *
 * Only the clock is compressed. Where the page waits, the outcomes that were counted are those of each minute that
 * passes, and the guard is asked as of each of them. A command with `--minutes` plays one.
 */
import { assert, assertEquals } from "../support/assert.ts";
import postgres, { type Sql } from "postgres";
import { untilAll } from "../../cli/core/functions_state.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { testSession } from "../support/gatelink.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const MINUTE = 60_000;

type Part =
  | { kind: "run"; code: string; shown: string }
  | { kind: "pass"; minutes: number }
  | { kind: "play"; flag: string };

/** The page's commands with the output it shows for each, and what happens between them. */
function partsOf(page: string): Part[] {
  const parts: Part[] = [];
  const found = page.matchAll(
    /^```(sh guide|text)\n([\s\S]*?)^```$|^<!-- (\d+) minutes pass -->$|^<!-- play (\w+) -->$/gm,
  );
  for (const [, language, text, minutes, played] of found) {
    if (language === "sh guide") parts.push({ kind: "run", code: text, shown: "" });
    else if (language === "text") {
      const last = parts.at(-1);
      assert(last?.kind === "run" && last.shown === "", `output without a command: ${text}`);
      last.shown = text;
    } else if (minutes) parts.push({ kind: "pass", minutes: Number(minutes) });
    else parts.push({ kind: "play", flag: played });
  }
  return parts;
}

/** A line without what differs from run to run: ids, times and numbers; and without its columns' widths. */
function plain(line: string): string {
  return line
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "ID")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, "TIME")
    .replaceAll(/\d+(?:\.\d+)? m?s\b/g, "SECONDS")
    .replaceAll(/\d+/g, "N")
    .replaceAll(/ +/g, " ").trim();
}

/** Asserts that what was printed is what the page shows; … stands for lines, or the rest of one, that it leaves out. */
function assertShown(shown: string, printed: string): void {
  const lines = printed.split("\n").map(plain).filter((line) => line !== "");
  let at = 0, anywhere = false;
  for (const line of shown.split("\n").map(plain).filter((line) => line !== "")) {
    if (line === "…") {
      anywhere = true;
      continue;
    }
    const fits = (printed: string) =>
      line.endsWith("…") ? printed.startsWith(line.slice(0, -1).trim()) : printed === line;
    const next = anywhere ? lines.findIndex((printed, index) => index >= at && fits(printed)) : at;
    assert(next >= 0 && next < lines.length && fits(lines[next]), `not printed: ${line}\n---\n${printed}`);
    at = next + 1;
    anywhere = false;
  }
  if (!anywhere) assertEquals(lines.slice(at), [], "printed, and not shown");
}

/** How each rollout stands, for whoever reads why the test failed. */
async function shown(reader: Reader): Promise<string> {
  const rollouts = await reader
    .sql`select id, flag_key, hold_reason from public.rollouts order by created_at`;
  const texts = [];
  for (const { id, flag_key, hold_reason } of rollouts) {
    const text = await sh(reader, `deno task gatelink rollout show ${id}`).catch((error) => `${error}`);
    texts.push(`${flag_key}, holds because of ${hold_reason}\n${text}`);
  }
  const open = await sh(reader, "deno task gatelink incident list --open").catch((error) => `${error}`);
  return [...texts, open].join("\n---\n");
}

interface Reader {
  stack: RunningStack;
  sql: Sql;
  bin: string;
  /** The guard's clock, in milliseconds since 1970; ahead of this machine's. */
  now: number;
}

let plays = 0;

async function sh({ stack, bin }: Reader, code: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", code.replaceAll(/ --minutes \d+/g, "")],
    cwd: ROOT,
    env: {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      GATELINK_STACK: join(stack.dir, "stack.json"),
      NO_COLOR: "1",
      // The same people in each run of this test: a minute of them stands for many, and so would a split by chance.
      PEOPLE: `guide-${++plays}`,
      DENO_NO_UPDATE_CHECK: "1",
    },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(success, `${code}\n${out}${err}`);
  return out;
}

/** Waits until every function goes by the configuration as it is now. */
async function seen({ stack, sql }: Reader): Promise<void> {
  const api = await testSession({ env: { GATELINK_STACK: join(stack.dir, "stack.json") } }).api();
  const [{ revision }] = await sql`select revision::float8 as revision from private.config_revision`;
  await untilAll(api.stack, "", ({ config_revision }) => (config_revision ?? 0) >= revision, 15_000);
}

/**
 * Lets people come as the page says, and waits until their outcomes are counted; what was counted before is forgotten,
 * also of minutes that the guard has seen and this machine's clock has not reached: it would reach one meanwhile, and
 * what was played before would be taken for what is played now.
 */
async function play(reader: Reader, code: string): Promise<string> {
  const { sql } = reader;
  // Of this flag: the last outcomes of another may be written after they were forgotten.
  const flag = `${/people\.ts (\w+)/.exec(code)?.[1]}.enabled`;
  await sql`delete from public.flag_metrics`;
  const printed = await sh(reader, code);
  await until(`the outcomes of ${flag} are counted`, async () => {
    const [{ n }] = await sql`
      select coalesce(sum(n), 0)::int as n from public.flag_metrics
      where flag_key = ${flag} and minute <= clock_timestamp()`;
    return n >= 100;
  });
  return printed;
}

/** Lets minutes pass in each of which the same comes as was played last. */
async function pass(reader: Reader, minutes: number): Promise<void> {
  const { sql } = reader;
  reader.now = Math.max(reader.now, Date.now());
  const [{ minute: first }] = await sql`select date_trunc('minute', ${new Date(
    reader.now,
  )}::timestamptz) as minute`;
  await sql`
    create temporary table last_played as
    select flag_key, arm, sum(n)::int as n, sum(failed)::int as failed, sum(timed)::int as timed, sum(ms)::bigint as ms, (
      select array_agg(total order by i) from (
        select i, sum(o.le[i])::integer as total from public.flag_metrics o, generate_series(1, 27) i
        where (o.flag_key, o.arm) = (m.flag_key, m.arm) and o.minute <= clock_timestamp() group by i) t) as le
    from public.flag_metrics m where m.minute <= clock_timestamp() group by flag_key, arm`;
  await sql`delete from public.flag_metrics where minute <= clock_timestamp()`;
  for (let i = 1; i <= minutes; i++) {
    const minute = new Date(first.getTime() + i * MINUTE);
    await sql`
      insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
      select flag_key, ${minute}, arm, n, failed, timed, ms, le from last_played`;
    reader.now = minute.getTime() + MINUTE + 25_000;
    await sql`select * from private.guard_as_of(${new Date(reader.now)})`;
  }
  await sql`drop table last_played`;
}

Deno.test("docs/first-rollout.md: each command runs, in the order of the page, and prints what the page shows", async () => {
  const parts = partsOf(await Deno.readTextFile(join(ROOT, "docs", "first-rollout.md")));
  assert(parts.length > 20, `${parts.length} parts`);
  const stack = await startStack({ env: { DATABASE_URL: "" } });
  const bin = await Deno.makeTempDir({ prefix: "gatelink-docs-" });
  await Deno.writeTextFile(join(bin, "deno"), `#!/bin/sh\nexec "${Deno.execPath()}" "$@"\n`, { mode: 0o755 });
  const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  const reader: Reader = { stack, sql, bin, now: Date.now() };
  try {
    // The stack's own clock, which asks the guard once a minute, would judge what is played as of another time.
    await sql`alter function private.advance_rollouts(timestamptz) rename to guard_as_of`;
    for (const part of parts) {
      if (part.kind === "pass") {
        await pass(reader, part.minutes);
        continue;
      }
      await seen(reader);
      if (part.kind === "play") {
        await play(reader, `deno run -A examples/rollout/people.ts ${part.flag}`);
        continue;
      }
      const run = part.code.includes("people.ts") ? play : sh;
      assertShown(part.shown, await run(reader, part.code));
    }
    const states = await sql`select flag_key, state from public.rollouts order by created_at`;
    assertEquals(states.map(({ flag_key, state }) => `${flag_key} ${state}`), [
      "checkout.enabled completed",
      "express.enabled rolled_back",
      "express.enabled running",
    ]);
  } catch (error) {
    console.error(await shown(reader).catch((why) => `the rollouts cannot be shown: ${why}`));
    throw error;
  } finally {
    await sql.end();
    await Deno.remove(bin, { recursive: true });
    await stack.stop();
  }
});
