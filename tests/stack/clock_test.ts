import { assert, assertEquals, assertRejects } from "@std/assert";
import { testDatabase } from "../support/postgres.ts";
import { type Job, runJob, startClock } from "../../local/clock.ts";

const KEY = "sb_secret_test";

/** Notes each call, and answers with these statuses in turn, then with 200. */
function functions(statuses: number[] = []) {
  const calls: { at: number; line: string }[] = [];
  let busy = 0, most = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    most = Math.max(most, ++busy);
    const { pathname } = new URL(request.url);
    calls.push({
      at: performance.now(),
      line: `${request.method} ${pathname} ${request.headers.get("apikey")} ${await request.text()}`,
    });
    await new Promise((done) => setTimeout(done, 300));
    busy--;
    return new Response(null, { status: statuses.shift() ?? 200 });
  });
  return {
    calls,
    most: () => most,
    url: `http://127.0.0.1:${server.addr.port}`,
    stop: () => server.shutdown(),
  };
}

Deno.test("runJob: http posts to the function with the secret key, and a refusal is an error", async () => {
  const { sql, drop } = await testDatabase({ empty: true });
  const host = functions([200, 503]);
  const job: Job = { name: "drain", every_seconds: 10, kind: "http", target: "wa-router" };
  const options = { sql, url: host.url, secretKey: KEY };
  await runJob(job, options);
  await assertRejects(() => runJob(job, options), Error, "the function wa-router answered 503");
  assertEquals(host.calls.map(({ line }) => line), Array(2).fill(`POST /functions/v1/wa-router ${KEY} {}`));
  await host.stop();
  await drop();
});

Deno.test("startClock: runs the jobs of clock_jobs at their intervals, never two of one at once, until stopped", async () => {
  const { sql, drop } = await testDatabase();
  await sql.unsafe(`
    create table public.ticks (at timestamptz default clock_timestamp());
    create or replace function private.clock_jobs() returns table (name text, every_seconds int, kind text, target text)
    language sql as $$ values
      ('sql', 1, 'sql', 'insert into public.ticks default values'),
      ('fails', 1, 'sql', 'select nonsense'),
      ('http', 1, 'http', 'wa-router') $$`);
  const host = functions([500]);
  const clock = await startClock({ sql, url: host.url, secretKey: KEY });
  await new Promise((done) => setTimeout(done, 3_700));
  await clock.stop();
  const count = async () => (await sql`select count(*)::int as n from public.ticks`)[0].n;
  const [ticks, calls] = [await count(), host.calls.length];
  assert(ticks >= 2 && ticks <= 4, `${ticks} runs of an SQL job of each second`);
  assert(calls >= 2 && calls <= 3, `${calls} calls, each a second after the last was answered`);
  assertEquals(host.most(), 1);
  await new Promise((done) => setTimeout(done, 1_200));
  assertEquals([await count(), host.calls.length], [ticks, calls]);
  await host.stop();
  await drop();
});

Deno.test("clock_jobs of the migrations: each is something that the clock can run", async () => {
  const { sql, drop } = await testDatabase();
  const jobs = await sql<Job[]>`select * from private.clock_jobs()`;
  assert(jobs.length > 0);
  for (const job of jobs) {
    if (job.kind === "sql") await runJob(job, { sql, url: "", secretKey: "" });
    else assert(Deno.statSync(`supabase/functions/${job.target}/index.ts`).isFile);
  }
  await drop();
});
