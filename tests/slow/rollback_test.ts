/** The four ways back, taken on a real stack: functions that run, the real Supabase CLI, a real database. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { CliError } from "../../cli/core/errors.ts";
import { irreversible, readHead, refuseInVain } from "../../cli/commands/rollback/irreversible.ts";
import { codeWayBack } from "../../cli/commands/rollback/code.ts";
import { environmentWayBack } from "../../cli/commands/rollback/environment.ts";
import { flagWayBack } from "../../cli/commands/rollback/flag.ts";
import { take } from "../../cli/commands/rollback/steps.ts";
import { join } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { startStandIn } from "../../tools/deploy/stand_in.ts";
import { changeSecrets } from "../../local/project/deployment.ts";
import { connect, onDatabase } from "../support/connect.ts";
import { type OwnProject, ownProject } from "../support/own_project.ts";

let own: OwnProject;
/** The commit that the project begins with, and that its functions are of. */
let first: string;
Deno.test.beforeAll(async () => {
  own = await ownProject();
  first = await commitOf("HEAD");
});
Deno.test.afterAll(() => own.stop());

const steps: [name: string, run: () => void | Promise<void>][] = [];
/** They share a stack and change what runs on it: they go in this order, also where tests are shuffled. */
function step(name: string, run: () => void | Promise<void>): void {
  steps.push([name, run]);
}

const FUNCTIONS = ["deeplinks", "health", "wa-router", "wa-send", "wa-webhook"];

/** Puts a request to wa-send and gives the code of its answer; it is one of `unauthorized` when it runs. */
async function send(): Promise<string> {
  const response = await fetch(`${own.stack.url}/functions/v1/wa-send`, { method: "POST", body: "{}" });
  return (await response.json()).code;
}

async function health(): Promise<
  { status: number; kill_switches: Record<string, boolean>; version: string }
> {
  const response = await fetch(`${own.stack.url}/functions/v1/health`);
  return { status: response.status, ...await response.json() };
}

/** The newest event. */
async function lastEvent() {
  const [event] = await own.sql`select * from public.rollback_events order by recorded_at desc limit 1`;
  return event;
}

step("rollback 1: the flag is off, and every function goes by it within 5 s", async () => {
  await own.sql`update public.settings set value = 'true' where key = 'wa_send.enabled'`;
  // Warm, so that what they hold is old when the flag changes.
  const seen = await own.document(["rollback", "1", "wa_send.enabled", "--why", "errors", "--dry-run"]);
  assertEquals([seen.dry_run, seen.steps.length], [true, 2]);
  assertEquals(
    (await own.sql`select value from public.settings where key = 'wa_send.enabled'`)[0].value,
    "true",
  );

  const done = await own.document(["rollback", "1", "wa_send.enabled", "--why", "6 % errors"]);
  assertEquals([done.ok, done.level, done.target], [true, 1, "wa_send.enabled"]);
  for (const name of FUNCTIONS) assertStringIncludes(done.steps[1].detail, name);
  const [history] = await own.sql`
    select before ->> 'value' as before, after ->> 'value' as after, reason from public.settings_history
    where key = 'wa_send.enabled' order by version desc limit 1`;
  assertEquals({ ...history }, { before: "true", after: "false", reason: "6 % errors" });
  const event = await lastEvent();
  assertEquals([event.id, event.level, event.ok, event.reason, event.steps], [
    done.id,
    1,
    true,
    "6 % errors",
    done.steps,
  ]);
});

step("rollback 1: off wins against somebody who keeps writing the flag", async () => {
  await own.sql`update public.settings set value = 'true' where key = 'wa_send.enabled'`;
  let ended = false;
  const writer = (async () => {
    for (let n = 0; !ended; n++) {
      await own.sql`update public.settings set metadata = metadata || jsonb_build_object('n', ${n}::int)
        where key = 'wa_send.enabled'`;
    }
  })();
  try {
    const result = await take(
      own.session,
      await flagWayBack(own.session, "wa_send.enabled", { why: "test" }),
    );
    assertEquals(result.failed, false, result.text);
  } finally {
    ended = true;
    await writer;
  }
  assertEquals(
    (await own.sql`select value from public.settings where key = 'wa_send.enabled'`)[0].value,
    "false",
  );
});

step("rollback 1: says what it will do before it does it, and what was done, as text", async () => {
  const { code, out } = await own.gatelink(["rollback", "1", "wa_send.enabled", "--why", "once more"]);
  assertEquals(code, 0);
  assertMatch(
    out,
    /^Rollback 1 \(feature flag, within 1 min\): wa_send.enabled\n {2}1\. set wa_send.enabled to off\n {2}2\. poll each function[^]*\nok +\d.*it was already off\nok +\d[^]*\nRolled back in .*gatelink flags set wa_send.enabled on[^]*Recorded as /,
  );
});

step("rollback 1: a flag that is not there is told, and nothing is written down", async () => {
  const [{ before }] = await own.sql`select count(*)::int as before from public.rollback_events`;
  const { error } = await own.document(["rollback", "1", "wa_sned", "--why", "x"], 4);
  assertEquals(error.code, "not_found");
  assertMatch(error.message, /wa_sned\.enabled/);
  assertMatch(error.hint, /wa_send\.enabled/);
  assertEquals((await own.sql`select count(*)::int as n from public.rollback_events`)[0].n, before);
});

step("rollback 1 and 2: .enabled may be left out, as everywhere", async () => {
  const dry = (level: string, flag: string) =>
    own.document(["rollback", level, flag, "--why", "x", "--dry-run"]);
  assertEquals((await dry("1", "wa_send")).target, "wa_send.enabled");
  assertEquals((await dry("2", "wa_send")).target, "WA_SEND_ENABLED=false");
  assertEquals((await dry("2", "wa-webhook")).target, "WA_WEBHOOK_ENABLED=false");
});

step("rollback 2: a name that stops nothing is refused, and nothing is set", async () => {
  const env = () => Deno.readTextFile(join(own.project.functions, ".env")).catch(() => "");
  const before = await env();
  for (const undo of [[], ["--undo"]]) {
    const { error } = await own.document(["rollback", "2", "wa_sned.enabled", "--why", "x", ...undo], 4);
    assertEquals(error.code, "not_found");
    assertMatch(error.message, /WA_SNED_ENABLED/);
    assertMatch(error.hint, /wa_send\.enabled/);
  }
  assertEquals(await env(), before);
  // One that only services ask for is in the database alone.
  await own.sql`insert into public.settings (key, value) values ('referrals.enabled', 'true')`;
  const own2 = await own.document(["rollback", "2", "referrals", "--why", "x", "--dry-run"]);
  assertEquals(own2.target, "REFERRALS_ENABLED=false");
  await own.sql`delete from public.settings where key = 'referrals.enabled'`;
});

step(
  "rollback 2: refused for every spelling once a migration has run that it does not take back",
  async () => {
    const migrations = await Deno.makeTempDir({ prefix: "gatelink-migrations-" });
    await Deno.writeTextFile(
      join(migrations, "20260101000000_x.sql"),
      "-- irreversible: wa_send.enabled: 3: the old side reads a column that is gone\nselect 1;\n",
    );
    try {
      for (const name of ["wa_send.enabled", "wa_send", "wa-send"]) {
        await assertRejects(
          () => environmentWayBack(own.session, name, { why: "x", migrations }),
          CliError,
          "a column that is gone",
        );
      }
    } finally {
      await Deno.remove(migrations, { recursive: true });
    }
  },
);

step("irreversible steps: read from a migration's head, and one misspelt is not taken for none", () => {
  const migration = { version: "20260101000000", name: "codes", path: "" };
  const text = `-- What it is for.\n-- irreversible: deeplinks.enabled: 4: codes are stored anew\n` +
    `-- irreversible: all: none: rows are merged\n\ncreate table x ();\n-- irreversible: later.enabled: 3: not in the head\n`;
  assertEquals(readHead(migration, text).map(({ flag, level, why }) => [flag, level, why]), [
    ["deeplinks.enabled", 4, "codes are stored anew"],
    ["all", 5, "rows are merged"],
  ]);
  for (
    const line of [
      "-- irreversible",
      "-- irreversible: all: 2: why",
      "-- Irreversible: all: 4: x",
      "--irreversible: all: 4: x",
    ]
  ) {
    try {
      readHead(migration, `${line}\nselect 1;`);
      throw new Error(`${line} was accepted`);
    } catch (error) {
      assert(error instanceof CliError && error.code === "invalid", String(error));
    }
  }
});

step("irreversible steps: the level that still can is named, and so is none", async () => {
  const step = { version: "20260101000000", name: "codes", flag: "all", why: "codes are stored anew" };
  const refused = (level: 3 | 4 | 5, wanted: number) => {
    try {
      refuseInVain([{ ...step, level }], wanted, false);
    } catch (error) {
      return `${(error as CliError).message} ${(error as CliError).hint}`;
    }
  };
  assertMatch(
    refused(4, 1)!,
    /^Level 1 cannot .* since 20260101000000_codes .*: codes are stored anew\. Level 4 can:/,
  );
  assertMatch(refused(4, 3)!, /^Level 3 cannot .* Level 4 can:/);
  assertMatch(refused(5, 4)!, /No level can: restore a backup/);
  assertEquals([refused(4, 4), refused(3, 3)], [undefined, undefined]);
  refuseInVain([{ ...step, level: 5 }], 1, true);
  // Those of this repository can all be read.
  await irreversible();
});

step("rollback 1: refused once a migration has run after which the flag takes nothing back", async () => {
  const migrations = await Deno.makeTempDir({ prefix: "gatelink-migrations-" });
  const write = (version: string, head: string) =>
    Deno.writeTextFile(join(migrations, `${version}_x.sql`), `${head}\nselect 1;\n`);
  const plan = (anyway = false) =>
    flagWayBack(own.session, "wa_send.enabled", { why: "x", migrations, anyway });
  try {
    // Not about this flag, and not applied.
    await write("20260101000000", "-- irreversible: other.enabled: 4: x");
    await write("20991231000000", "-- irreversible: wa_send.enabled: 4: x");
    await plan();
    await write(
      "20260101000001",
      "-- irreversible: wa_send.enabled: 3: the old side reads a column that is gone",
    );
    const error = await assertRejects(() => plan(), CliError, "a column that is gone");
    assertStringIncludes(error.hint!, "Level 3 can: gatelink rollback 3");
    await plan(true);
  } finally {
    await Deno.remove(migrations, { recursive: true });
  }
});

step(
  "rollback 2: the switch is set by the real CLI, each function reports it, and --undo unsets it",
  async () => {
    const env = join(own.project.functions, ".env");
    await Deno.writeTextFile(env, "# mine\nLINK_DOMAIN=links.example.com\n");
    assertEquals(await send(), "unauthorized");
    const off = await own.document(["rollback", "2", "wa_send.enabled", "--why", "test"]);
    assertEquals([off.ok, off.target], [true, "WA_SEND_ENABLED=false"]);
    for (const name of FUNCTIONS) assertStringIncludes(off.steps[1].detail, name);
    assertEquals(
      await Deno.readTextFile(env),
      "# mine\nLINK_DOMAIN=links.example.com\nWA_SEND_ENABLED=false\n",
    );
    assertEquals(await send(), "disabled_by_environment");
    assertEquals((await health()).kill_switches, { WA_SEND_ENABLED: false });
    assertEquals((await lastEvent()).id, off.id);

    const on = await own.document(["rollback", "2", "wa_send.enabled", "--undo", "--why", "mended"]);
    assertEquals([on.ok, on.target], [true, "WA_SEND_ENABLED unset"]);
    assertEquals(await send(), "unauthorized");
    assertEquals(await Deno.readTextFile(env), "# mine\nLINK_DOMAIN=links.example.com\n");
  },
);

step("rollback 2: without a flag it stops everything", async () => {
  const off = await own.document(["rollback", "2", "--why", "test"]);
  assertEquals([off.ok, off.target], [true, "FEATURE_ENABLED=false"]);
  const webhook = await fetch(`${own.stack.url}/functions/v1/wa-webhook`, { method: "POST", body: "{}" });
  assertEquals([webhook.status, (await webhook.json()).code], [503, "disabled_by_environment"]);
  assert(webhook.headers.has("retry-after"), "Meta is told to come back");
  await own.document(["rollback", "2", "--undo", "--why", "mended"]);
});

step("rollback 2: works while the database is away, and says that it could not be written down", async () => {
  const database = decodeURIComponent(new URL(own.stack.stack.dbUrl).pathname.slice(1));
  const admin = connect(onDatabase(own.stack.stack.dbUrl, "template1"));
  await own.sql.end({ timeout: 1 });
  try {
    await admin.unsafe(`alter database "${database}" allow_connections false`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${database}`;
    const off = await own.document(["rollback", "2", "wa_send.enabled", "--why", "the database is away"]);
    assertEquals([off.ok, off.id], [true, null]);
    assert(off.not_recorded, "it says why");
    const { error } = await own.document(["rollback", "2", "wa_sned", "--why", "misspelt"], 4);
    assertMatch(error.hint, /wa_send\.enabled/);
  } finally {
    await admin.unsafe(`alter database "${database}" allow_connections true`);
    await admin.end();
    own.sql = connect(own.stack.stack.dbUrl);
  }
  await own.document(["rollback", "2", "wa_send.enabled", "--undo", "--why", "it is back"]);
});

step(
  "rollback 2: a hosted project is told by the same CLI, with its reference and whoever is logged in",
  async () => {
    // Stands for Supabase; what it is told happens to the stack's functions.
    const told: Record<string, string | null>[] = [];
    const supabase = await startStandIn({
      secrets: async (changes) => {
        told.push(changes);
        await changeSecrets(own.project.functions, changes);
      },
    });
    const { functions: _, dbUrl: __, ...hosted } = own.stack.stack;
    const file = join(own.project.folder, "hosted.json");
    await Deno.writeTextFile(file, JSON.stringify(hosted));
    const words = ["rollback", "2", "deeplinks.enabled", "--why", "test", "--timeout", "20s", "--json"];
    try {
      const nameless = await own.gatelink(words, { GATELINK_STACK: file });
      assertEquals([nameless.code, JSON.parse(nameless.out).error.code], [2, "usage"]);
      const env = { GATELINK_STACK: file, ...supabase.env };
      const off = await own.gatelink([...words, "--project-ref", supabase.ref], env);
      assertEquals(off.code, 0, off.out + off.err);
      assertEquals(told, [{ DEEPLINKS_ENABLED: "false" }]);
      const wrong = await own.gatelink([...words, "--project-ref", supabase.ref], {
        ...env,
        SUPABASE_ACCESS_TOKEN: `sbp_${"1".repeat(40)}`,
      });
      const said = JSON.parse(wrong.out);
      assertEquals([wrong.code, said.ok, said.steps.length], [1, false, 1]);
      assertMatch(said.steps[0].detail, /secrets set ended with exit code 1: .*Unauthorized.*Log in first/);
      // Not by its secret alone: for the time of a start the functions host takes no connection.
      await own.document(["rollback", "2", "deeplinks.enabled", "--undo", "--why", "mended"]);
    } finally {
      await supabase.close();
      await Deno.remove(file);
    }
  },
);

step("rollback 3: the functions of the commit run, from a clean worktree, and say so", async () => {
  const { project, session } = own;
  const handler = "supabase/functions/wa-router/handler.ts";
  const good = await commitOf("HEAD");
  const source = await Deno.readTextFile(join(project.folder, handler));
  assertStringIncludes(source, `"draining"`);
  const bad = await project.commit(handler, source.replace(`"draining"`, `"bad"`), "Break the router");
  const router = async () => {
    const response = await fetch(`${own.stack.url}/functions/v1/wa-router`, {
      method: "POST",
      headers: { apikey: own.stack.stack.secretKey },
    });
    return (await response.json()).status;
  };
  const go = async (to: string) =>
    await take(
      session,
      await codeWayBack(session, to, { why: "test", repository: project.folder, timeout: 20_000 }),
    );

  const forward = await go("HEAD");
  assertEquals(forward.failed, false, JSON.stringify(forward.document));
  assertEquals(await router(), "bad");
  assertEquals((await health()).version, bad.slice(0, 12));

  // What somebody is just working on is not deployed.
  await Deno.writeTextFile(join(project.folder, handler), "this is no code");
  const back = await go(good);
  // deno-lint-ignore no-explicit-any
  const done = back.document as any;
  assertEquals([back.failed, done.target], [false, good.slice(0, 12)], JSON.stringify(done));
  assertEquals(await router(), "draining");
  assertEquals((await health()).version, good.slice(0, 12));
  assertMatch(done.steps[1].detail, /wa-router 1/);
  // The next start serves the checkout again, which is of another version.
  const secrets = await Deno.readTextFile(join(project.functions, ".env")).catch(() => "");
  assert(!secrets.includes("GATELINK_VERSION"), secrets);
  assertEquals((await lastEvent()).id, done.id);
  assertEquals(
    await run("git", ["-C", project.folder, "worktree", "list"]).then(({ stdout }) =>
      stdout.trim().split("\n").length
    ),
    1,
  );
  await restore();
});

/** Leaves project and functions as the next test expects them, in whatever order they come. */
async function restore(): Promise<void> {
  const { project, session } = own;
  await run("git", ["-C", project.folder, "reset", "--quiet", "--hard", first]);
  const way = await codeWayBack(session, first, { why: "test", repository: project.folder, timeout: 20_000 });
  const { failed, text } = await take(session, way);
  assertEquals(failed, false, text);
}

async function commitOf(name: string): Promise<string> {
  return (await run("git", ["-C", own.project.folder, "rev-parse", name])).stdout.trim();
}

step("rollback 3: refuses what is no commit, and a commit that the database is too old for", async () => {
  const { project, session } = own;
  const plan = (to: string) => codeWayBack(session, to, { why: "x", repository: project.folder });
  assertEquals((await assertRejects(() => plan("no-such"), CliError)).code, "not_found");
  assertEquals((await assertRejects(() => plan("--help"), CliError)).code, "not_found");
  const ahead = await project.commit("supabase/migrations/20991231000000_x.sql", "select 1;\n", "Go ahead");
  const error = await assertRejects(() => plan(ahead), CliError, "has the migration 20991231000000");
  assertStringIncludes(error.hint!, "supabase db push");
  assertEquals(
    await run("git", ["-C", project.folder, "worktree", "list"]).then(({ stdout }) =>
      stdout.trim().split("\n").length
    ),
    1,
  );
  await restore();
});

step("rollback 3: functions that do not start are told, and so is the next way", async () => {
  const { project, session } = own;
  const broken = await project.commit(
    "supabase/functions/wa-send/index.ts",
    `throw new Error("no");\n`,
    "Break sending",
  );
  const plan = (to: string) =>
    codeWayBack(session, to, { why: "x", repository: project.folder, timeout: 2_000 });
  const failed = await take(session, await plan(broken));
  assertEquals(failed.failed, true);
  // deno-lint-ignore no-explicit-any
  const { ok, steps } = failed.document as any;
  assertEquals([ok, steps.length], [false, 4]);
  assertMatch(steps[3].detail, /Not every function has seen it after 2 s: wa-send answers 500/);
  assertMatch(failed.text, /gatelink rollback 4 --help/);
  assertEquals((await lastEvent()).ok, false);
  await restore();
});

step("rollback 4: refuses to go below what the deployed functions need", async () => {
  const { error } = await own.document(["rollback", "4", "0", "--why", "x"], 4);
  assertMatch(error.message, /The deployed functions need the migration \d{14}/);
  assertMatch(error.hint, /gatelink rollback 3/);
});

Deno.test("gatelink rollback: the four levels on one stack", async (t) => {
  for (const [name, run] of steps) await t.step(name, run);
});
