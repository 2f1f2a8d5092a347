/** The tasks that check a deployment: each runs against a real stack with two environments, and says by its exit code. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import postgres from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { type Ended, run } from "../../lib/programs.ts";
import { TASKS } from "../../scripts/checks/main.ts";
import { greenOn } from "../support/green.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

/** Of a machine that is busy with tests nothing can be said about times. */
const LENIENT = ["--requests", "30", "--api-p99", "60000", "--tracking-p99", "60000"];

const deno = (name: string, args: string[], env: Record<string, string>): Promise<Ended> =>
  run(Deno.execPath(), ["task", "--quiet", name, ...args], { cwd: ROOT, env: { NO_COLOR: "1", ...env } });

async function use(test: (stack: RunningStack, env: Record<string, string>) => Promise<void>): Promise<void> {
  const stack = await startStack({ env: { DATABASE_URL: "" } });
  try {
    await test(stack, { GATELINK_STACK: join(stack.dir, "stack.json") });
  } finally {
    await stack.stop();
  }
}

Deno.test("the tasks of a rollout plan: each passes on a stack that is well, and fails on one that is not", async (t) => {
  await use(async (stack, env) => {
    await t.step("without green, what is about green fails", async () => {
      for (const name of ["verify:database:green", "test:critical-paths:green"]) {
        const { code, stdout } = await deno(name, LENIENT, env);
        assertEquals(code, 1, stdout);
        assertMatch(stdout, /^FAILED /m);
      }
    });
    await greenOn(stack);
    await until("the clock has run, and all is well", async () => {
      const response = await fetch(`${stack.url}/health/detailed`);
      return (await response.json()).status === "healthy";
    });
    for (const name of Object.keys(TASKS)) {
      await t.step(`${name} passes`, async () => {
        const short = name.startsWith("test:load:") ? ["--seconds", "2"] : [];
        const { code, stdout, stderr } = await deno(name, [...LENIENT, ...short], env);
        assertEquals(code, 0, stdout + stderr);
        assertMatch(stdout, /\d+ checks passed\s*$/);
      });
    }
    await t.step(
      "test:load:green: drives the rate that it says, signs its gate, fails above its limits",
      async () => {
        const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
        try {
          const lead = crypto.randomUUID();
          await sql`insert into auth.users (id, email, email_confirmed_at) values (${lead}, 'lead@example.com', now())`;
          await sql`insert into public.team_members (user_id, role, approvals) values (${lead}, 'admin', '{engineering}')`;
          await sql`insert into public.settings (key, value) values ('green.enabled', 'false') on conflict do nothing`;
          const words = ["--seconds", "2", "--rate", "5", "--sign", "lead@example.com"];
          const failed = await deno("test:load:green", [...words, "--api-p99", "0.001"], env);
          assertEquals(failed.code, 1, failed.stdout + failed.stderr);
          assertMatch(
            failed.stdout,
            /FAILED {2}API under load: .*50 requests: p50 [\d.]+ ms, p99 [\d.]+ ms, 0 failed/,
          );
          const signed = () =>
            sql`select gate, signed_as from public.gate_approvals where flag_key = 'green.enabled'`;
          assertEquals((await signed()).length, 0);
          const { code, stdout, stderr } = await deno("test:load:green", [...LENIENT, ...words], env);
          assertEquals(code, 0, stdout + stderr);
          assertMatch(
            stdout,
            /10 times the present rate reaches green: [\d.]+ requests\/s for \d+ s; the present rate is 5\/s/,
          );
          assertEquals((await signed()).map((row) => ({ ...row })), [
            { gate: "green_load", signed_as: "lead@example.com" },
          ]);
        } finally {
          await sql.end();
        }
      },
    );
    await t.step("wrong arguments and a stack that is not there are 2", async () => {
      assertEquals((await deno("validate:performance:production", ["--requests", "none"], env)).code, 2);
      const nowhere = { GATELINK_STACK: "/nowhere/stack.json" };
      for (const name of ["validate:security:production", "test:security:staging"]) {
        assertEquals((await deno(name, [], nowhere)).code, 2, name);
      }
      assertEquals((await deno("test:integration:staging", [], { ...env, STAGING_URL: stack.url })).code, 2);
    });
    await t.step("staging may be another project than production", async () => {
      const staging = { STAGING_URL: stack.url, STAGING_SECRET_KEY: stack.stack.secretKey };
      const { code, stdout, stderr } = await deno("test:performance:staging", [
        ...LENIENT,
        "--gateway",
        stack.url,
      ], {
        ...staging,
        GATELINK_STACK: "/nowhere/stack.json",
      });
      assertEquals(code, 0, stdout + stderr);
    });
    await t.step("performance: measures, and fails above its limits", async () => {
      for (
        const name of [
          "test:performance:staging",
          "validate:performance:production",
          "validate:performance:post-rollback",
        ]
      ) {
        const { code, stdout } = await deno(name, ["--requests", "20", "--api-p99", "0.001"], env);
        assertEquals(code, 1);
        assertMatch(stdout, /FAILED {2}API: .*20 requests: p50 [\d.]+ ms, p99 [\d.]+ ms, 0 failed/);
      }
    });
    await t.step("after a rollback: fails while traffic is split", async () => {
      const response = await fetch(`${stack.url}/api/traffic`, {
        method: "POST",
        headers: { authorization: `Bearer ${stack.stack.traffic.token}` },
        body: '{"environment": "green", "percentage": 50}',
      });
      await response.body?.cancel();
      const { code, stdout } = await deno("test:health:post-rollback", [], env);
      assertEquals(code, 1);
      assertMatch(stdout, /FAILED {2}ten visitors get blue: traffic is split: 50 % to green/);
    });
    await t.step("a function that is not there fails what calls it", async () => {
      const { code, stdout } = await deno("test:performance:staging", [
        ...LENIENT,
        "--gateway",
        `${stack.url}/nothing`,
      ], env);
      assertEquals(code, 1);
      assert(/30 failed/.test(stdout), stdout);
    });
    await t.step("migrate:rollback: says what it would do, and needs a reason", async () => {
      assertEquals((await deno("migrate:rollback", ["--steps", "1"], env)).code, 2);
      const { code, stdout, stderr } = await deno(
        "migrate:rollback",
        ["--steps", "1", "--why", "a test", "--anyway", "--dry-run"],
        env,
      );
      assertEquals(code, 0, stdout + stderr);
      assertMatch(stdout, /20261129\d{6}/);
    });
  });
});
