/** The functions host asked to stop while clicks wait to be written: none is lost. */
import { assert, assertEquals } from "../support/assert.ts";
import postgres from "postgres";
import { startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const ROUNDS = 2, VISITS = 40;
const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

Deno.test("clicks equal redirects if the functions host is stopped right after them", async () => {
  const stack = await startStack({ args: ["--no-seed"] });
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  try {
    await sql`select public.allow_host('www.example.com', 'redirect')`;
    const made = await fetch(`${stack.url}/functions/v1/deeplinks`, {
      method: "POST",
      headers: { apikey: stack.stack.secretKey, "content-type": "application/json" },
      body: JSON.stringify({ default_url: "https://www.example.com/", code: "poster" }),
    });
    assertEquals(made.status, 201, await made.text());
    const visit = async () => {
      const answer = await fetch(`${stack.url}/l/poster`, {
        redirect: "manual",
        headers: { "user-agent": CHROME },
      });
      await answer.body?.cancel();
      return answer.status === 302;
    };
    let redirects = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const before = stack.pids().functions;
      // Nothing is written until the host knows that it is to stop.
      const lock = await sql.reserve();
      await lock`begin`;
      await lock`lock table public.clicks in exclusive mode`;
      const sent = await Promise.all(Array.from({ length: VISITS }, visit));
      redirects += sent.filter((sent) => sent).length;
      Deno.kill(before, "SIGTERM");
      await lock`commit`;
      lock.release();
      await until("another host is there", () => stack.pids().functions !== before);
      await until(
        "it answers",
        async () => (await fetch(`${stack.url}/functions/v1/health`)).ok,
      );
      // The host that ended wrote them before it went.
      const [{ clicks }] = await sql`select coalesce(sum(visits), 0)::int as clicks from public.clicks`;
      const [{ counted }] =
        await sql`select coalesce(sum(human), 0)::int as counted from public.click_counts`;
      assertEquals([clicks, counted], [redirects, redirects], `after round ${round}`);
    }
    assert(redirects > 0, "visits were sent on");
  } finally {
    await sql.end();
    await stack.stop();
  }
});
