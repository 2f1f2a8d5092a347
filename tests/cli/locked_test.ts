/** `gatelink rollback 1` beside what keeps it from the database: who it is and which other way works, at once. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { switchName } from "../../supabase/functions/_shared/config/kill_switch.ts";
import { document, gatelink, sql, unique } from "../support/cli.ts";
import { until } from "../support/until.ts";

async function on(): Promise<string> {
  const key = `${unique("locked")}.enabled`;
  await document(`flags set ${key} on --new --why "for a test"`);
  return key;
}

/** Holds what a statement locks while `during` runs. */
async function beside(statement: string, during: (pid: number) => Promise<void>): Promise<void> {
  const other = await sql.reserve();
  try {
    await other`begin`;
    const [{ pid }] = await other`select pg_backend_pid() as pid`;
    await other.unsafe(statement);
    await until(
      "it has been open long enough to be told of",
      async () => (await sql`select private.lock_holders(null) <> '[]' as told`)[0].told,
    );
    await during(pid);
  } finally {
    await other`rollback`;
    other.release();
  }
}

Deno.test("gatelink rollback 1: a transaction on another flag does not block it", async () => {
  const [held, flag] = [await on(), await on()];
  await beside(`update public.settings set metadata = metadata where key = '${held}'`, async () => {
    const { code } = await gatelink(`rollback 1 ${flag} --why "6 % errors"`);
    assertEquals(code, 0);
    assertEquals((await sql`select value from public.settings where key = ${flag}`)[0].value, "false");
  });
});

Deno.test("gatelink rollback 1: names the session that locks the flag, and the complete command of level 2", async () => {
  const flag = await on();
  const held =
    `update public.settings set metadata = '{"description": "+49 170 1234567"}' where key = '${flag}'`;
  await beside(held, async (pid) => {
    const { code, out } = await gatelink(`rollback 1 ${flag} --why "6 % errors"`);
    assertEquals(code, 1);
    assertMatch(
      out,
      new RegExp(
        `The flag ${flag} is locked by process ${pid} \\(.+\\), for \\d+ s: update public\\.settings`,
      ),
    );
    assert(out.includes(`gatelink rollback 2 ${flag} --why "6 % errors"`), out);
    assertEquals(out.includes("1234567"), false);
  });
});

Deno.test("gatelink rollback 1: reports a table that is locked against reading in the same way", async () => {
  const flag = await on();
  await beside("lock table public.settings in access exclusive mode", async (pid) => {
    const { code, err } = await gatelink(`rollback 1 ${flag} --why "6 % errors"`);
    assertEquals(code, 4);
    assertMatch(err, new RegExp(`${flag} can be neither read nor written.* process ${pid} `));
    assert(err.includes(`gatelink rollback 2 ${flag} --why "6 % errors"`), err);
  });
});

for (
  const [table, mode] of [
    // A change of a flag writes these, too; and no function reads its configuration without segments.
    ["private.config_revision", "exclusive"],
    ["public.settings_history", "access exclusive"],
    ["public.segments", "access exclusive"],
  ]
) {
  Deno.test(`gatelink rollback 1: whoever holds ${table} is named, too`, async () => {
    const flag = await on();
    await beside(`lock table ${table} in ${mode} mode`, async (pid) => {
      const { code, out } = await gatelink(`rollback 1 ${flag} --why "6 % errors"`);
      assertEquals(code, 1);
      assertMatch(out, new RegExp(`locked by process ${pid} .*select pg_terminate_backend\\(${pid}\\)`, "s"));
      assert(out.includes(`gatelink rollback 2 ${flag} --why "6 % errors"`), out);
    });
  });
}

Deno.test("gatelink rollback 2: a flag of one's own needs no table that nobody can read", async () => {
  const flag = await on();
  await beside("lock table public.settings in access exclusive mode", async () => {
    const { code, out } = await gatelink(`rollback 2 ${flag} --why "6 % errors" --dry-run`);
    assertEquals(code, 0);
    assert(out.includes(`${switchName(flag)}=false`), out);
    assertMatch(out, /The database does not answer, so nothing says whether there is such a flag/);
    // What resembles a flag of this code is taken for a typing error, unless told otherwise.
    const typo = await gatelink('rollback 2 wa_sned --why "6 % errors" --dry-run');
    assertEquals(typo.code, 4);
    assertMatch(typo.err, /wa_send\.enabled.*--anyway sets it all the same/s);
    const anyway = await gatelink('rollback 2 wa_sned --why "6 % errors" --dry-run --anyway');
    assertEquals(anyway.code, 0);
  });
});

Deno.test("gatelink rollback 1: reports a read-only database, and which other level works", async () => {
  const flag = await on();
  await sql.unsafe(`
    create function public.refuse() returns trigger language plpgsql as
      'begin raise exception ''cannot execute UPDATE in a read-only transaction'' using errcode = ''25006''; end';
    create trigger refuse before update on public.settings for each statement execute function public.refuse()`);
  try {
    const { code, out } = await gatelink(`rollback 1 ${flag} --why "6 % errors"`);
    assertEquals(code, 1);
    assertMatch(out, /accepts no writes: it is read-only or full/);
    assert(out.includes(`gatelink rollback 2 ${flag} --why "6 % errors"`), out);
  } finally {
    await sql`drop function public.refuse() cascade`;
  }
});
