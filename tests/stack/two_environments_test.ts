/** Two environments on the local stack: the scripts of ops/scripts and `gatelink traffic` drive real deployments. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import postgres from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { type Ended, run } from "../../lib/programs.ts";
import { runGatelink } from "../support/gatelink.ts";
import { greenOn } from "../support/green.ts";
import { startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

/** The environments that a script's ten requests saw. */
const seen = ({ stdout }: Ended) =>
  [...stdout.matchAll(/^Request \d+: (.*)$/gm)].map(([, environment]) => environment);
const ten = (environment: string) => Array(10).fill(environment);

Deno.test("two environments: scripts and commands split, verify and go back", async (t) => {
  const told: { path: string; body: string; authorization: string | null }[] = [];
  let refusing = false;
  const public_ = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    told.push({
      path: pathname,
      body: await request.text(),
      authorization: request.headers.get("authorization"),
    });
    return new Response("ok", { status: refusing ? 500 : 201 });
  });
  const listener = `http://127.0.0.1:${public_.addr.port}`;
  const stack = await startStack();
  const env: Record<string, string> = {
    API_URL: stack.url,
    LB_ADMIN_TOKEN: stack.stack.traffic.token,
    WAIT_SECONDS: "2",
    PROBE_SECONDS: "0",
  };
  const script = (words: string, more: Record<string, string> = {}) => {
    const [name, ...args] = words.split(" ").filter((word) => word !== "");
    return run(join(ROOT, "ops", "scripts", name), args, { env: { ...env, ...more } });
  };
  const gatelink = (...words: string[]) =>
    runGatelink(words, { env: { GATELINK_STACK: join(stack.dir, "stack.json") } });
  try {
    await t.step("root: health, traffic and error rate answer on the stack's own origin", async () => {
      const health = await (await fetch(`${stack.url}/health`)).json();
      assertEquals(health.environment, "blue");
      const detailed = await (await fetch(`${stack.url}/health/detailed`)).json();
      assertEquals([detailed.environment, detailed.components.redis.status], ["blue", "healthy"]);
      const open = await fetch(`${stack.url}/api/traffic`, { method: "POST", body: "{}" });
      assertEquals([open.status, (await open.json()).code], [401, "unauthorized"]);
      const rate = await (await fetch(`${stack.url}/api/metrics/error-rate`)).json();
      assertEquals(rate.window_minutes, 5);
    });

    await t.step("without green: wrong arguments are 1, a refusal of the load balancer is 2", async () => {
      for (
        const words of [
          "",
          "red 5",
          "green",
          "green x",
          "green 101",
          "green -1",
          "green 1.2.3",
          "green 5.",
          "blue 050",
        ]
      ) {
        const { code, stderr } = await script(`manage-traffic.sh ${words}`);
        assertEquals(code, 1, words);
        assertMatch(stderr, /Invalid/);
      }
      const { code, stderr } = await script("manage-traffic.sh green 5", { LB_ADMIN_TOKEN: "" });
      assertEquals(code, 1);
      assertMatch(stderr, /LB_ADMIN_TOKEN is not set/);
      assertEquals((await script("manage-traffic.sh blue 100", { LB_ADMIN_TOKEN: "wrong" })).code, 2);
      const early = await script("manage-traffic.sh green 5");
      assertEquals(early.code, 2);
      assertMatch(early.stderr, /409[\s\S]*Green does not answer/);
      assertEquals((await script("validate-deployment.sh green")).code, 1);
      assertEquals((await script("validate-deployment.sh")).code, 1);
      assertEquals((await gatelink("traffic", "set", "green", "5")).code, 4);
      assertEquals((await gatelink("traffic", "ramp", "--why", "too early")).code, 4);
    });

    await greenOn(stack);

    await t.step("validate-deployment.sh asks the environment that it is given", async () => {
      for (const environment of ["green", "blue"]) {
        const last = await until(`${environment} is healthy`, async () => {
          const ended = await script(`validate-deployment.sh ${environment}`);
          return ended.stdout.includes("✅ API is healthy") && ended;
        });
        assertMatch(last.stdout, new RegExp(`✅ Environment is ${environment}`));
        assertMatch(last.stdout, /✅ Database is healthy[\s\S]*✅ Redis is healthy/);
        assertMatch(last.stdout, /✅ Pixel tracking is working[\s\S]*🎉 All health checks passed!/);
        assertEquals(last.code, 0);
      }
    });

    await t.step("manage-traffic.sh: all, none, some; verified by ten requests", async () => {
      const green = await script("manage-traffic.sh green 100");
      assertEquals([green.code, seen(green)], [0, ten("green")], green.stderr);
      const none = await script("manage-traffic.sh green 0");
      assertEquals([none.code, seen(none)], [0, ten("blue")], none.stderr);
      const some = await script("manage-traffic.sh blue 50.5");
      assertEquals([some.code, seen(some).length], [0, 10], some.stderr);
      const elsewhere = await script("manage-traffic.sh green 100", {
        API_URL: listener,
        LB_ADMIN_URL: stack.url,
      });
      assertEquals(elsewhere.code, 3, "what answers the requests says nothing of environments");
    });

    await t.step("rollback-traffic.sh: everybody is on blue", async () => {
      const back = await script("rollback-traffic.sh");
      assertEquals([back.code, seen(back)], [0, ten("blue")], back.stderr);
      assertEquals((await script("rollback-traffic.sh", { LB_ADMIN_TOKEN: "wrong" })).code, 2);
    });

    await t.step("rollback-traffic.sh: no reason keeps visitors on green", async () => {
      assertEquals((await script("manage-traffic.sh green 100")).code, 0);
      const REASON = `"500"s in\n\tC:\\green, ${"für ".repeat(80)}`;
      for (const LC_ALL of ["C", "C.UTF-8"]) {
        const back = await script("rollback-traffic.sh", { REASON, LC_ALL });
        assertEquals([back.code, seen(back)], [0, ten("blue")], back.stderr);
        const { reason } = (await gatelink("traffic", "status", "--json")).json();
        assertMatch(reason, /^500s in {2}C:green, für für/);
        assert(reason.length <= 200, reason);
      }
    });

    await t.step("gradual-rollback.sh: 100, 50, 25, 10, 0 %", async () => {
      assertEquals((await script("manage-traffic.sh green 100")).code, 0);
      const { code, stdout, stderr } = await script("gradual-rollback.sh");
      assertEquals(code, 0, stderr);
      assertEquals([...stdout.matchAll(/Reducing green to (\d+)%/g)].map(([, step]) => step), [
        "50",
        "25",
        "10",
        "0",
      ]);
      assertEquals([...stdout.matchAll(/Error rate: \{.*"error_rate"/g)].length, 4);
      assertEquals(seen({ code, stdout, stderr }).slice(30), ten("blue"));
      const again = await script("gradual-rollback.sh");
      assertEquals([again.code, seen(again)], [0, ten("blue")]);
      assertEquals((await script("gradual-rollback.sh", { LB_ADMIN_TOKEN: "wrong" })).code, 2);
    });

    await t.step("emergency-rollback.sh: back, verified, and told", async () => {
      assertEquals((await script("manage-traffic.sh green 100")).code, 0);
      const where = {
        SLACK_URL: listener,
        SLACK_WEBHOOK: "T0/B0/x",
        STATUSPAGE_URL: listener,
        PAGE_ID: "page",
        STATUS_TOKEN: "token",
      };
      const before = told.length;
      const ended = await script("emergency-rollback.sh", {
        ...where,
        PAGERDUTY_URL: listener,
        PD_TOKEN: "key",
        INCIDENT_ID: "Q1",
        PD_FROM: "lead@example.com",
      });
      assertEquals(seen(ended), ten("blue"));
      assertMatch(ended.stdout, /EMERGENCY ROLLBACK INITIATED[\s\S]*API health check passed/);
      const posts = told.slice(before).filter(({ body }) => body !== "");
      assertEquals(posts.map(({ path }) => path), ["/T0/B0/x", "/v1/pages/page/incidents", "/incidents/Q1"]);
      assertEquals([posts[2].authorization, JSON.parse(posts[2].body).incident.status], [
        "Token token=key",
        "acknowledged",
      ]);
      assertMatch(ended.stdout, /PagerDuty: incident Q1 is acknowledged/);
      assertEquals(posts[1].authorization, "OAuth token");
      assertEquals(JSON.parse(posts[1].body).incident.status, "monitoring");
      assertMatch(JSON.parse(posts[0].body).text, /EMERGENCY ROLLBACK COMPLETED/);
      assertEquals(ended.code, 0, ended.stderr);
      refusing = true;
      assertEquals((await script("emergency-rollback.sh", where)).code, 5);
      refusing = false;
      const away = { ...where, TRACK_URL: `${stack.url}/nothing` };
      const untracked = await script("emergency-rollback.sh", away);
      assertEquals(untracked.code, 4);
      assertMatch(JSON.parse(told.at(-2)!.body).text, /EMERGENCY ROLLBACK NEEDS HELP \(exit code 4\)/);
      const { incident } = JSON.parse(told.at(-1)!.body);
      assertEquals([incident.name, incident.status], ["Emergency Rollback Under Way", "investigating"]);
      const refused = await script("emergency-rollback.sh", { ...where, LB_ADMIN_TOKEN: "wrong" });
      assertEquals(refused.code, 2);
      const [slack, page] = told.slice(-2).map(({ body }) => body);
      assertMatch(JSON.parse(slack).text, /NEEDS HELP \(exit code 2\)/);
      assert(!/rolled back|completed/i.test(slack + page), slack + page);
      assertEquals(JSON.parse(page).incident.status, "investigating");
    });

    await t.step("gatelink traffic: status, set, ramp and back", async () => {
      const set = await gatelink("traffic", "set", "green", "100", "--why", "a test", "--json");
      assertEquals([set.code, set.json().probes], [0, ten("green")], set.err);
      const back = await gatelink(
        "traffic",
        "back",
        "--gradual",
        "--wait",
        "10ms",
        "--why",
        "planned",
        "--json",
      );
      assertEquals([back.code, back.json().green, back.json().probes], [0, 0, ten("blue")], back.err);
      for (const gateway of [listener, "http://127.0.0.1:9"]) {
        assertEquals((await gatelink("traffic", "set", "green", "100")).code, 0);
        const failed = await gatelink("traffic", "back", "--gradual", "--wait", "10m", "--gateway", gateway);
        assertEquals(failed.code === 0, false);
        const { green, reason } = (await gatelink("traffic", "status", "--json")).json();
        assertEquals(green, 0, `${failed.err} ${reason}`);
      }
      const ramp = await gatelink("traffic", "ramp", "--why", "release", "--json");
      assertEquals(ramp.code, 0, ramp.out);
      assertEquals([ramp.code, ramp.json().green, ramp.json().rollout.state], [0, 1, "running"], ramp.err);
      const status = await gatelink("traffic", "status");
      assertEquals(status.code, 0);
      assertMatch(status.out, /green +1 %[\s\S]*ramp +running at 1 %[\s\S]*blue +\d+/);
      const end = await gatelink("traffic", "back", "--why", "errors in green", "--json");
      assertEquals([end.code, end.json().verified, end.json().rollout], [0, true, null], end.err);
      assertEquals((await gatelink("rollout", "show", "green", "--json")).json().state, "rolled_back");
      assertEquals((await gatelink("traffic", "set", "green", "7", "--gateway", listener)).code, 1);
      assertEquals((await gatelink("traffic", "back")).code, 0);
    });

    await t.step("no request of a visitor is lost while the split changes", async () => {
      let going = true;
      const answers: Record<string, number> = {};
      const visitors = Array.from({ length: 8 }, async () => {
        const cookies = new Set<string>();
        while (going) {
          const response = await fetch(`${stack.url}/health`, {
            headers: { cookie: [...cookies].join("; ") },
          });
          const cookie = response.headers.get("set-cookie")?.split(";")[0];
          if (cookie) cookies.add(cookie);
          const { environment } = await response.json();
          const key = `${response.status} ${environment}`;
          answers[key] = (answers[key] ?? 0) + 1;
        }
      });
      for (const share of ["50", "100", "0"]) {
        assertEquals((await gatelink("traffic", "set", "green", share)).code, 0);
      }
      going = false;
      await Promise.all(visitors);
      assertEquals(Object.keys(answers).sort(), ["200 blue", "200 green"]);
      assert(answers["200 green"] > 10, JSON.stringify(answers));
    });

    await t.step(
      "gatelink traffic retire: refused while green is used or may be needed, then it is gone",
      async () => {
        const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
        const retire = (...words: string[]) =>
          gatelink("traffic", "retire", "--why", "on both", "--json", ...words);
        const refused = async (why: RegExp, ...words: string[]) => {
          const { code, out } = await retire(...words);
          assertEquals(code, 4, out);
          assertMatch(out, why);
        };
        try {
          assertEquals((await gatelink("traffic", "set", "green", "5")).code, 0);
          await refused(/5 % of visitors are on green/, "--anyway");
          assertEquals((await gatelink("traffic", "back")).code, 0);
          // One, so that none is counted late, when those that are here were taken away.
          const answer = await fetch(`${stack.url}/functions/v1/flags-green/outcomes`, { method: "POST" });
          await answer.body?.cancel();
          await until("the request to green is counted", async () => {
            const [{ n }] = await sql`
              select count(*)::int as n from public.measurements where name = 'request' and label like 'flags-green %'`;
            return n > 0;
          });
          await refused(/came to green within 5 minutes, to [\s\S]*flags-green/, "--anyway");
          // Ten minutes later, as the database sees it.
          await sql`delete from public.measurements where name = 'request' and label like '%-green %'`;
          await refused(/the way back for 24 hours/);
          const hosted = await retire("--anyway", "--project-ref", "abcdefghijklmnopqrst");
          assertEquals([hosted.code, hosted.json().retired], [0, false], hosted.out);
          const wanted = "npx supabase functions delete health-green --remote=abcdefghijklmnopqrst --yes";
          assert(hosted.json().commands.includes(wanted), hosted.out);
          const done = await retire("--anyway");
          assertEquals([done.code, done.json().retired, done.json().green], [0, true, 0], done.err);
          assert(done.json().functions.includes("health-green"), done.out);
          const gone = await fetch(`${stack.url}/functions/v1/health-green/plain`);
          await gone.body?.cancel();
          assertEquals(gone.status, 404);
          assertEquals((await (await fetch(`${stack.url}/health`)).json()).environment, "blue");
          await refused(/nothing to take down/, "--anyway");
        } finally {
          await sql.end();
        }
      },
    );
  } finally {
    await stack.stop();
    await public_.shutdown();
  }
});
