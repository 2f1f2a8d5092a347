import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Job, runJob, sleep, startClock } from "../../local/database/clock.ts";
import { until } from "../support/until.ts";

const KEY = "sb_secret_test";

/** Notes each call, and answers with these statuses in turn, then with 200, as soon as it is not held. */
function functions(statuses: number[] = []) {
  const calls: string[] = [];
  let held = Promise.resolve();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    calls.push(`${request.method} ${pathname} ${request.headers.get("apikey")} ${await request.text()}`);
    await held;
    return new Response(null, { status: statuses.shift() ?? 200 });
  });
  return {
    calls,
    /** From now on no call is answered, until what this gives is called. */
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
    url: `http://127.0.0.1:${server.addr.port}`,
    stop: () => server.shutdown(),
  };
}

Deno.test("runJob: an http job posts to the function with the secret key, and a refusal is an error", async () => {
  const { sql, drop } = await testDatabase({ empty: true });
  const host = functions([200, 503]);
  const job: Job = { name: "drain", every_seconds: 10, kind: "http", target: "wa-router", due: null };
  const options = { sql, url: host.url, secretKey: KEY };
  await runJob(job, options);
  await assertRejects(() => runJob(job, options), Error, "the function wa-router answered 503");
  assertEquals(host.calls, Array(2).fill(`POST /functions/v1/wa-router ${KEY} {}`));
  await runJob({ ...job, due: "1 > 2" }, options);
  assertEquals(host.calls.length, 2, "not due, not called");
  await runJob({ ...job, due: "2 > 1" }, options);
  assertEquals(host.calls.length, 3);
  await host.stop();
  await drop();
});

/** Time that passes when it is told to. */
function stoppedTime() {
  const waits: { ms: number; end: () => void }[] = [];
  return {
    /** How long those wait that do, in order. */
    waits: () => waits.map(({ ms }) => ms).toSorted((a, b) => a - b),
    pass: () => waits.splice(0).forEach(({ end }) => end()),
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((end) => {
        if (signal.aborted) return end();
        waits.push({ ms, end });
        signal.addEventListener("abort", () => (waits.length = 0, end()), { once: true });
      }),
  };
}

Deno.test("startClock: runs clock_jobs at their intervals, never one job twice at once, until stopped", async () => {
  const { sql, drop } = await testDatabase();
  await sql.unsafe(`
    create table public.ticks (at timestamptz default clock_timestamp());
    create or replace function private.clock_jobs() returns table (name text, every_seconds int, kind text, target text, due text)
    language sql as $$ values
      ('sql', 1, 'sql', 'insert into public.ticks default values', null),
      ('fails', 2, 'sql', 'select nonsense', null),
      ('rare', 3600, 'sql', 'select 1', null),
      ('http', 3, 'http', 'wa-router', 'true') $$`);
  const host = functions([500]);
  const time = stoppedTime();
  const clock = await startClock({ sql, url: host.url, secretKey: KEY, sleep: time.sleep });
  const ran = async () => [(await sql`select count(*)::int as n from public.ticks`)[0].n, host.calls.length];
  // Soon after a start each job runs, whatever its interval.
  assertEquals([time.waits(), await ran()], [[1000, 2000, 3000, 10_000], [0, 0]]);
  let answer = host.hold();
  time.pass();
  await until("all but the call wait again", () => time.waits().join() === "1000,2000,3600000");
  await until("the call is under way", () => host.calls.length === 1);
  time.pass();
  await until("all but the call have run again", () => time.waits().length === 3);
  assertEquals(await ran(), [2, 1]);
  answer();
  await until("all wait again", () => time.waits().join() === "1000,2000,3000,3600000");

  answer = host.hold();
  time.pass();
  await until("only the call is under way", () => time.waits().length === 3 && host.calls.length === 2);
  let stopped = false;
  const stopping = clock.stop().then(() => stopped = true);
  await until("nothing waits", () => time.waits().length === 0);
  assertEquals([stopped, await ran()], [false, [3, 2]]);
  answer();
  await stopping;
  // Nothing waits for its time any more, so nothing will run.
  assertEquals([time.waits(), await ran()], [[], [3, 2]]);
  await host.stop();
  await drop();
});

Deno.test("sleep: waits for the given time, or until the signal", async () => {
  const began = performance.now();
  await sleep(20, new AbortController().signal);
  assert(performance.now() - began >= 19);
  await sleep(1e9, AbortSignal.abort());
  const late = new AbortController();
  const asleep = sleep(1e9, late.signal);
  late.abort();
  await asleep;
});

Deno.test("clock_jobs of the migrations: the clock can run each of them", async () => {
  const { sql, drop } = await testDatabase();
  const jobs = await sql<Job[]>`select * from private.clock_jobs()`;
  assert(jobs.length > 0);
  for (const job of jobs) {
    if (job.kind === "sql") await runJob(job, { sql, url: "", secretKey: "" });
    else assert(Deno.statSync(`supabase/functions/${job.target.split("/")[0]}/index.ts`).isFile);
  }
  await drop();
});
