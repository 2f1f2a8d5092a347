/** Launch gates on a real stack: each opens when what it looks at is not well, and sign-offs count as they should. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { ciState } from "../../cli/commands/gates/ci_state.ts";
import { GATES, runGates } from "../../cli/commands/gates/run.ts";
import type { GateResult } from "../../cli/commands/gates/gate.ts";
import { join } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { SIGN_OFFS } from "../../supabase/functions/_shared/rollouts/sign_offs.ts";
import { startStandIn } from "../../tools/deploy/stand_in.ts";
import { document, fails, file, folder, gatelink, sql, stack, unique } from "../support/cli.ts";
import { testSession } from "../support/gatelink.ts";

const SESSION = testSession({ env: { GATELINK_STACK: file } });

async function gate(id: string, flag?: string, root?: string): Promise<GateResult> {
  const [found] = await runGates(SESSION, flag, { root, only: [id] });
  if (found === undefined) throw new Error(`there is no gate ${id}`);
  return found;
}

/** A flag of the test's own, off. */
async function made(): Promise<string> {
  const key = `${unique("gates")}.enabled`;
  await sql`insert into public.settings (key, value) values (${key}, 'false')`;
  return key;
}

/** A member of the team who may sign in these roles. */
async function approver(...approvals: string[]): Promise<{ id: string; email: string }> {
  const id = crypto.randomUUID(), email = `${id}@example.com`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values (${id}, ${email}, now())`;
  await sql`insert into public.team_members (user_id, role, approvals) values (${id}, 'viewer', ${approvals})`;
  return { id, email };
}

Deno.test("gatelink gates: exit code 1 while a gate is open; table, JSON and Markdown agree", async () => {
  const flag = await made();
  const ran = await gatelink(`gates ${flag} --json`);
  assertEquals([ran.code, ran.err], [1, ""]);
  const { ready, open, gates } = ran.json();
  assertEquals(ready, false);
  assert(open.includes("approval_engineering") && open.includes("code_review"), open.join());
  const ofAny = GATES.filter((one) => one.flag === undefined).map(({ id }) => id);
  assertEquals(gates.map(({ id }: GateResult) => id), ofAny);
  for (const { status, how, id } of gates) assertEquals(status === "open", how !== undefined, id);

  const text = await gatelink(`gates ${flag}`);
  assertEquals(text.code, 1);
  assertMatch(text.out, /\nOPEN +approval_engineering/);
  assertStringIncludes(text.out, `${flag} is not ready: ${open.length} gates of ${gates.length} open.`);
  const markdown = await gatelink(`gates ${flag} --markdown`);
  assertEquals(markdown.out.match(/^- \[ \] /gm)?.length, open.length);
  assertEquals(markdown.out.match(/^- \[x\] /gm)?.length, gates.length - open.length);
});

Deno.test("gatelink gates without a feature: shows the gates that concern no flag", async () => {
  const { gates } = (await gatelink("gates --json")).json();
  const ids = gates.map(({ id }: GateResult) => id);
  assert(ids.includes("rls") && !ids.includes("flag_off") && !ids.includes("approval_cto"), ids.join());
});

Deno.test("gates of the database: pass as it is, and open when something is removed", async (t) => {
  for (
    const id of [
      "migrations",
      "reverses",
      "rls",
      "indexes",
      "signatures",
      "allowlist",
      "rate_limits",
      "secrets",
    ]
  ) {
    const { status, detail } = await gate(id);
    assertEquals(status, "passed", `${id}: ${detail}`);
  }
  await t.step("indexes: a hot query without its index", async () => {
    const [{ definition }] =
      await sql`select pg_get_indexdef('public.conversations_unrouted_idx'::regclass) as definition`;
    await sql`drop index public.conversations_unrouted_idx`;
    const { status, detail } = await gate("indexes");
    await sql.unsafe(definition);
    assertEquals(status, "open");
    assertMatch(detail, /claim_unrouted.* reads all of conversations/);
  });
  await t.step("rls: a table without it, a policy for anybody, a function for anybody", async () => {
    const cases: [string, string, RegExp][] = [
      ["create table public.bare (id int)", "drop table public.bare", /bare has no RLS/],
      [
        "create policy loose on public.settings for select using (true)",
        "drop policy loose on public.settings",
        /loose on .*settings is for anon/,
      ],
      [
        "create function public.loose() returns int language sql as 'select 1'; grant execute on function public.loose() to anon",
        "drop function public.loose()",
        /anon may use public\.loose\(\)/,
      ],
    ];
    for (const [open, close, said] of cases) {
      await sql.unsafe(open);
      const { status, detail } = await gate("rls");
      await sql.unsafe(close);
      assertEquals(status, "open", detail);
      assertMatch(detail, said);
    }
  });
  await t.step("migrations: one that is missing, one that nobody knows", async () => {
    const [row] =
      await sql`delete from supabase_migrations.schema_migrations where version = '20261129000200' returning version, name`;
    assertMatch((await gate("migrations")).detail, /not applied: 20261129000200/);
    await sql`insert into supabase_migrations.schema_migrations (version, name) values (${row.version}, ${row.name}), ('20990101000000', 'x')`;
    assertEquals((await gate("migrations")).status, "passed", "one of somebody else's");
    await sql`insert into private.own_migrations (version) values ('20990101000000')`;
    assertMatch((await gate("migrations")).detail, /not in this checkout: 20990101000000/);
    await sql`delete from private.own_migrations where version = '20990101000000'`;
    await sql`delete from supabase_migrations.schema_migrations where version = '20990101000000'`;
  });
  await t.step("allowlist: a pattern over a public suffix, and an empty list", async () => {
    await sql`insert into public.destination_allowlist (pattern, purpose) values ('*.co.uk', 'forward')`;
    assertMatch((await gate("allowlist")).detail, /\*\.co\.uk \(forward\) .*public suffix/);
    const kept = await sql`delete from public.destination_allowlist returning pattern, purpose`;
    assertMatch((await gate("allowlist")).detail, /empty/);
    for (const { pattern, purpose } of kept.filter(({ pattern }) => pattern !== "*.co.uk")) {
      await sql`insert into public.destination_allowlist (pattern, purpose) values (${pattern}, ${purpose})`;
    }
  });
  await t.step("rate_limits: one that was set to nothing", async () => {
    await sql`insert into public.settings (key, value) values ('wa_send.rate_per_second', '0')`;
    assertMatch((await gate("rate_limits")).detail, /wa_send\.rate_per_second is 0/);
    await sql`delete from public.settings where key = 'wa_send.rate_per_second'`;
  });
});

Deno.test("gates of the flag: exists, is off, is documented, is evaluated, has a subscriber", async () => {
  const flag = await made();
  const status = async (id: string) => (await gate(id, flag)).status;
  assertEquals([await status("flag_exists"), await status("flag_off")], ["passed", "passed"]);
  assertEquals(await status("flag_documented"), "open");
  assertEquals((await gate("flag_exists", "not-there.enabled")).status, "open");
  await sql`update public.settings set value = 'true', metadata = '{"rollout_percentage": 5}' where key = ${flag}`;
  assertMatch((await gate("flag_off", flag)).detail, /on for 5 %/);
  await sql`update public.settings set value = 'true', metadata = '{"rollout_percentage": 0}' where key = ${flag}`;
  assertEquals(await status("flag_off"), "passed", "on for nobody");

  assertEquals(await status("metrics"), "open");
  await sql`select public.record_outcomes('[]', array[${flag}])`;
  assertEquals(await status("metrics"), "passed");

  assertEquals(await status("alerts"), "open");
  const name = unique("on-call");
  await document(`rollout notify add ${name} http://127.0.0.1:9/x`);
  assertMatch(
    (await gate("alerts", flag)).detail,
    /^\d+ rules in ops\/prometheus\/alerts\.yml; notified of .*on-call/,
  );
  const elsewhere = await Deno.makeTempDir({ prefix: "gatelink-no-ops-" });
  assertMatch((await gate("alerts", flag, elsewhere)).detail, /has no alert rules/);
  await Deno.remove(elsewhere);
  await document(`rollout notify pause ${name}`);
  assertEquals(await status("alerts"), "open", "one that is paused is not told");
  await document(`rollout notify remove ${name}`);
});

Deno.test("gates: load_test requires figures of this feature, not of any feature", async () => {
  const root = join(folder, unique("checkout"));
  await Deno.mkdir(root);
  await Deno.writeTextFile(
    join(root, "README.md"),
    "# X\n\n## Speed\n\n| What | Measured |\n|---|---|\n| `checkout` at peak | 40 ms |\n\n## Licence\n",
  );
  assertEquals((await gate("load_test", "checkout.enabled", root)).status, "passed");
  assertEquals((await gate("load_test", undefined, root)).status, "passed");
  for (const other of ["referrals.enabled", "check.enabled"]) {
    const { status, detail } = await gate("load_test", other, root);
    assertEquals(status, "open", detail);
  }
  for (const own of ["wa_router.enabled", "wa_send.enabled", "deeplinks.enabled"]) {
    assertEquals((await gate("load_test", own)).status, "passed", own);
  }
});

Deno.test("gatelink gates sign: checks the role, records who and when, and refuses a second signature", async () => {
  const flag = await made();
  const lead = await approver("engineering"), other = await approver("engineering", "product");
  const sign = `gates sign ${flag} --role`;
  await fails(`${sign} engineering --as nobody@example.com`, 4, "not_found", /no user nobody@example.com/);
  await fails(`${sign} security --as ${lead.email}`, 4, "forbidden", /may not sign as security/);
  await fails(
    `${sign} product --as ${other.email} --gate code_review`,
    2,
    "usage",
    /code_review is signed as engineering/,
  );
  const [signed] = await document(`${sign} engineering --as ${lead.email} --note "looks good"`);
  assertEquals([signed.signed_as, signed.role, signed.signed_with, signed.note], [
    lead.email,
    "engineering",
    "secret_key",
    "looks good",
  ]);
  await fails(`${sign} engineering --as ${lead.email}`, 4, "conflict", /has signed .* already/);
  assertEquals((await gate("approval_engineering", flag)).status, "passed");
  assertStringIncludes((await gate("approval_engineering", flag)).detail, lead.email);

  await document(`${sign} engineering --as ${lead.email} --gate code_review`);
  assertMatch((await gate("code_review", flag)).detail, /^1 of 2/);
  await document(`${sign} engineering --as ${other.email} --gate code_review`);
  assertEquals((await gate("code_review", flag)).status, "passed");

  await document(`gates revoke ${flag} --role engineering --why "changed"`);
  assertEquals((await gate("approval_engineering", flag)).status, "open");
  await fails(`gates revoke ${flag} --role engineering --why "again"`, 4, "not_found", /Nobody has signed/);
});

Deno.test("gates: marking a gate as not applicable closes it, with a reason and a name", async () => {
  const flag = await made();
  const lead = await approver("engineering");
  await document(
    `gates sign ${flag} --role engineering --as ${lead.email} --gate flag_documented --not-applicable "a test"`,
  );
  const { status, detail } = await gate("flag_documented", flag);
  assertEquals(status, "not_applicable");
  assertStringIncludes(detail, "a test");
  assertStringIncludes(detail, lead.email);
});

Deno.test("gates: a checked gate cannot be signed; not applicable replaces a signature", async () => {
  const flag = await made();
  const lead = await approver("engineering");
  const sign = `gates sign ${flag} --role engineering --as ${lead.email}`;
  await fails(`${sign} --gate flag_documented`, 2, "usage", /flag_documented is checked, not signed/);
  await fails(`${sign} --gate flag_documented --not-applicable " "`, 2, "usage", /must not be empty/);

  await document(`${sign} --gate smoke_tests --note "on staging"`);
  assertEquals((await gate("smoke_tests", flag)).status, "passed");
  await document(`${sign} --gate smoke_tests --not-applicable "nothing to see"`);
  assertEquals((await gate("smoke_tests", flag)).status, "not_applicable");
  await fails(`${sign} --gate smoke_tests`, 4, "conflict", /has signed .* already/);
  const kept = await sql`select applies, revoked_because from public.gate_approvals
    where flag_key = ${flag} and gate = 'smoke_tests' order by signed_at`;
  assertEquals(kept.map((row) => ({ ...row })), [
    { applies: true, revoked_because: "signed as not applicable instead" },
    { applies: false, revoked_because: null },
  ]);
});

Deno.test("sign_gate(): accepts signatures for manual gates, and only not applicable for the others", async () => {
  const flag = await made();
  const lead = await approver("engineering", "security", "product", "cto");
  const sign = async (gate: string, applies: boolean) =>
    await sql`select public.sign_gate(${flag}, 'engineering', ${gate}, 'a test', ${applies}, ${lead.email})`
      .then(() => "signed", (error) => error.code);
  const signed = ["approval", ...SIGN_OFFS.filter((one) => one.flag === undefined).map(({ id }) => id)];
  const ofGreen = SIGN_OFFS.filter((one) => one.flag === "green.enabled").map(({ id }) => id);
  const checked = GATES.map(({ id }) => id).filter((id) =>
    !signed.includes(id) && !id.startsWith("approval_")
  );
  assert(checked.includes("ci") && checked.includes("flag_documented"), checked.join());
  for (const gate of signed) assertEquals(await sign(gate, true), "signed", gate);
  for (const gate of checked) {
    assertEquals([await sign(gate, true), await sign(gate, false)], ["GL422", "signed"], gate);
  }
  assert(ofGreen.length > 10, ofGreen.join());
  await sql`insert into public.settings (key, value) values ('green.enabled', 'false') on conflict do nothing`;
  for (const gate of ofGreen) {
    const error = await sql`
      select public.sign_gate('green.enabled', 'engineering', ${gate}, 'a test', true, ${lead.email})`
      .then(() => undefined, ({ code }) => code);
    assertEquals(error, undefined, `${gate} of green`);
  }
});

Deno.test("gates: the flag names its approvers, always including the engineering lead; without names all four must sign", async () => {
  const flag = await made();
  const asked = async () =>
    (await runGates(SESSION, flag)).filter(({ id, status }) =>
      id.startsWith("approval_") && status !== "not_applicable"
    )
      .map(({ id }) => id.slice("approval_".length));
  assertEquals(await asked(), ["engineering", "security", "product", "cto"]);
  await document(`flags set ${flag} --approvers product --why "a small one"`);
  assertEquals(await asked(), ["engineering", "product"]);
});

Deno.test("gates: signatures expire when the feature is rolled back", async () => {
  const flag = await made();
  const lead = await approver("engineering");
  await document(`gates sign ${flag} --role engineering --as ${lead.email}`);
  assertEquals((await gate("approval_engineering", flag)).status, "passed");
  await sql`insert into public.rollouts (flag_key, plan, state, finished_at)
    values (${flag}, 'canary', 'rolled_back', clock_timestamp())`;
  assertEquals((await gate("approval_engineering", flag)).status, "open");
});

Deno.test("gates: a check that cannot run leaves its gate open", async () => {
  const empty = await Deno.makeTempDir({ prefix: "gatelink-gates-" });
  try {
    const { status, detail } = await gate("ci", undefined, empty);
    assertEquals(status, "open");
    assertMatch(detail, /check failed: git/);
  } finally {
    await Deno.remove(empty, { recursive: true });
  }
});

Deno.test("ciState(): accepts this commit, this tree or GitHub's result; unknown is not ok", async () => {
  const root = await Deno.makeTempDir({ prefix: "gatelink-ci-" });
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    const { code, stdout, stderr } = await run("git", ["-C", root, ...identity, ...args]);
    assertEquals(code, 0, stderr);
    return stdout.trim();
  };
  const last = (value: unknown) => Deno.writeTextFile(join(root, ".ci", "last.json"), JSON.stringify(value));
  let answer: unknown[] = [];
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return Response.json({ check_runs: answer });
  });
  const state = () => ciState(root, { GITHUB_API_URL: `http://127.0.0.1:${server.addr.port}` });
  try {
    await git("init", "--quiet");
    await Deno.writeTextFile(join(root, ".gitignore"), ".ci/last.json\n");
    await Deno.mkdir(join(root, ".ci"));
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "one");
    const commit = await git("rev-parse", "HEAD");
    const good = { commit, clean: true, passed: 12, failed: 0, at: "2026-11-21T14:00:00Z" };
    assertMatch((await state()).said, /no known CI run/);
    await last(good);
    assertEquals((await state()).ok, true);
    for (const bad of [{ failed: 1 }, { passed: 0 }, { clean: false }, { commit: "0".repeat(40) }]) {
      await last({ ...good, ...bad });
      assertEquals((await state()).ok, false, JSON.stringify(bad));
    }
    await last(good);
    await Deno.writeTextFile(join(root, ".gitignore"), ".ci/last.json\nmore\n");
    assertMatch((await state()).said, /without a CI run/);
    await git("checkout", "--quiet", "--", ".gitignore");

    await Deno.remove(join(root, ".ci", "last.json"));
    await git("remote", "add", "origin", "git@github.com:acme/gatelink.git");
    assertEquals(await state().then(({ ok, said }) => [ok, said]), [
      false,
      `GitHub has no check of ${commit.slice(0, 12)}`,
    ]);
    assertEquals(asked.at(-1), `/repos/acme/gatelink/commits/${commit}/check-runs`);
    answer = [{ name: "test", status: "completed", conclusion: "success" }];
    assertEquals((await state()).ok, true);
    for (
      const run of [{ status: "in_progress", conclusion: null }, {
        status: "completed",
        conclusion: "failure",
      }]
    ) {
      answer = [{ name: "test", status: "completed", conclusion: "success" }, { name: "lint", ...run }];
      const { ok, said } = await state();
      assertEquals([ok, said], [false, `lint: ${run.conclusion ?? run.status}`]);
    }
  } finally {
    await server.shutdown();
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("gates of a hosted project: backups and age of secrets, as Supabase reports them", async () => {
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000);
  const hosted = join(folder, "hosted.json");
  const { functions: _, ...rest } = stack as typeof stack & { functions?: string };
  await Deno.writeTextFile(hosted, JSON.stringify(rest));
  const SECRETS = { WHATSAPP_APP_SECRET: "a", WHATSAPP_VERIFY_TOKEN: "b", SOMETHING_ELSE: "c" };
  const backup = (days: number, status = "COMPLETED") => ({
    id: 1,
    is_physical_backup: true,
    status,
    inserted_at: ago(days).toISOString(),
  });
  const cases = [
    [{ pitr_enabled: true }, SECRETS, ago(1), "passed", /point-in-time/, "passed", /^2 younger than/],
    [{ backups: [backup(3), backup(0.5)] }, SECRETS, ago(179), "passed", /old$/, "passed", /^2 younger/],
    [
      { backups: [backup(2), backup(0.1, "FAILED")] },
      SECRETS,
      ago(181),
      "open",
      /newest is 2 d/,
      "open",
      /APP_SECRET/,
    ],
    [{}, {}, ago(1), "open", /there is none/, "open", /no WhatsApp secrets/],
  ] as const;
  await Promise.all(cases.map(async ([backups, secrets, secretsAt, backedUp, backupSaid, aged, ageSaid]) => {
    const supabase = await startStandIn(
      { backups: () => structuredClone(backups) as never },
      secrets,
      secretsAt,
    );
    try {
      const ran = await gatelink(`gates --json --project-ref ${supabase.ref}`, {
        env: { ...supabase.env, GATELINK_STACK: hosted },
      });
      const found = (id: string): GateResult => ran.json().gates.find((one: GateResult) => one.id === id);
      assertEquals([found("backup").status, found("secrets_age").status], [backedUp, aged], ran.out);
      assertMatch(found("backup").detail, backupSaid);
      assertMatch(found("secrets_age").detail, ageSaid);
    } finally {
      await supabase.close();
    }
  }));
  const nameless = (await gatelink("gates --json", { env: { GATELINK_STACK: hosted } })).json().gates;
  const { status, detail } = nameless.find(({ id }: GateResult) => id === "backup");
  assertEquals(status, "open");
  assertMatch(detail, /check failed: .*does not contain the project's reference/);
});
