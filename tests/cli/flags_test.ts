/** `gatelink flags` on a real stack: what is written, what is refused, what is told. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { flagPlaces } from "../../lib/flag_places.ts";
import { percentage } from "../../cli/commands/flags/api.ts";
import { document, fails, gatelink, PHONE, sql, stored, unique } from "../support/cli.ts";

/** A flag of the test's own, off. */
async function made(prefix = "flag"): Promise<string> {
  const key = `${unique(prefix)}.enabled`;
  await document(`flags set ${key} off --new --why "for a test"`);
  return key;
}

/** Whether the running flag is on for an id, as SQL evaluates it. */
async function on(key: string, id: string): Promise<boolean> {
  return (await sql`select value from private.evaluate_flag(${key}, ${id})`)[0].value;
}

Deno.test("gatelink flags set: creates a flag, turns it on, and records who, what and why", async () => {
  const key = await made();
  const set = await document(
    `flags set ${key} on --percentage 12.5 --description "a test" --why "first look"`,
  );
  assertEquals([set.value, set.metadata.rollout_percentage, set.version, set.on_for], [
    "true",
    12.5,
    2,
    "12.5 %",
  ]);
  const [last, first] = await document(`flags history ${key}`);
  assertEquals([last.reason, first.reason, first.before], ["first look", "for a test", null]);
  assertEquals(last.after.metadata, { description: "a test", rollout_percentage: 12.5 });
  assertEquals(
    (await document(`flags show ${key}`)).kill_switch,
    key.replace(".", "_").replace("-", "_").toUpperCase(),
  );
  const { out } = await gatelink("flags list");
  assertMatch(out, new RegExp(`\n${key} +on +12.5 %`));
});

Deno.test("gatelink flags set: turning a flag on for everybody warns that no launch gate was checked, and the history says so", async () => {
  const key = await made();
  const { out } = await gatelink(`flags set ${key} on --percentage 100 --why "the campaign"`);
  assertMatch(out, /launch gates were not asked/);
  const [last] = await document(`flags history ${key}`);
  assertEquals([last.gates, last.reason], ["not_asked", "the campaign"]);
  assertMatch((await gatelink(`flags history ${key}`)).out, /the campaign \(launch gates not asked\)/);
  const again = await gatelink(`flags set ${key} --description "x" --why "said what it is"`);
  assertEquals(/gates/.test(again.out), false);
});

Deno.test("gatelink flags set: refuses unknown flags, stale versions and changes without an effect", async () => {
  const key = await made();
  await fails(`flags set ${unique("gone")} on --why x`, 4, "not_found", /There is no flag/);
  await fails(`flags set ${key} off --new --why x`, 4, "conflict", /version 1, not 0/);
  await document(`flags set ${key} on --why "somebody else"`);
  await fails(`flags set ${key} off --version 1 --why x`, 4, "conflict", /version 2, not 1/);
  await fails(`flags set ${key} --why x`, 2, "usage", /Nothing to change/);
  await fails(`flags set ${key} --percentage 12.345 --why x`, 2, "usage", /steps of 0.01/);
  await fails(`flags set ${key} on`, 2, "usage", /--why/);
  await fails(`flags set ${key} --needs ${key} --why x`, 4, "invalid", /lead back/);
});

Deno.test("gatelink flags: a blank reason counts as no reason", async () => {
  const key = await made();
  for (const why of ["", "  "]) {
    await fails(`flags set ${key} on --why "${why}"`, 2, "usage", /must not be empty/);
    await fails(`rollback 1 ${key} --why "${why}"`, 2, "usage", /must not be empty/);
  }
  await document(`flags set ${key} on --why " trimmed "`);
  const [{ reason }] = await document(`flags history ${key} --limit 1`);
  assertEquals(reason, "trimmed");
});

Deno.test("gatelink flags: a prerequisite must exist, and a warning says if it is off", async () => {
  const key = await made(), need = await made("need"), deeper = await made("deeper");
  await fails(
    `flags set ${key} on --needs nothere --why x`,
    4,
    "invalid",
    /There is no flag nothere\.enabled to need/,
  );
  await document(`flags set ${deeper} on --why x`);
  await document(`flags set ${need} on --needs ${deeper} --why x`);
  const set = await document(`flags set ${key} on --needs ${need} --why x`);
  assertEquals(set.unmet, []);
  await document(`flags set ${deeper} off --why x`);
  const off = [{ key: deeper, why: "off" }];
  const shown = async () => (await document(`flags show ${key}`)).unmet;
  assertEquals(await shown(), off);
  assertEquals(await on(key, "u1"), false);
  const { out } = await gatelink("flags list");
  assertMatch(out, new RegExp(`\n${key} +on +nobody: ${deeper} is off`));
  const text = (await gatelink(`flags show ${key}`)).out;
  assertMatch(text, new RegExp(`\nneeds +${need}\n`));
  assertMatch(text, new RegExp(`\nnot met +${deeper} is off\n`));
  await sql`delete from public.settings where key = ${deeper}`;
  assertEquals(await shown(), [{ key: deeper, why: "missing" }]);
  assertMatch((await gatelink(`flags set ${key} on --why x`)).out, new RegExp(`yet: ${deeper} is not there`));
});

Deno.test("gatelink flags set: keeps the approvers when other members change", async () => {
  const key = await made();
  const set = await document(`flags set ${key} --approvers engineering product --why "who has to approve"`);
  assertEquals(set.metadata.approvers, ["engineering", "product"]);
  const later = await document(`flags set ${key} --description "more" --why "more"`);
  assertEquals([later.metadata.approvers, later.metadata.description], [["engineering", "product"], "more"]);
});

Deno.test("gatelink flags targets: adds by id, by phone (stored as the contact's id) and by segment", async () => {
  const key = await made(), segment = unique("segment");
  const { conversation } = await stored(`wamid.${unique("target")}`, "hello");
  const [{ contact }] =
    await sql`select contact_id as contact from public.conversations where id = ${conversation}`;
  await document(`flags segments make ${segment} --description "of a test"`);
  const members = await document(
    `flags segments add ${segment} --user member-1 --user member-2 --why "asked"`,
  );
  assertEquals(members.members, ["member-1", "member-2"]);
  await document(`flags set ${key} on --percentage 0 --why "targets only"`);
  const set = await document(
    `flags targets add ${key} --user u-1 --phone +${PHONE} --segment ${segment} --why "testers"`,
  );
  assertEquals([...set.metadata.target_user_ids].sort(), [contact, "u-1"].sort());
  assert(!JSON.stringify(set).includes(PHONE), "no number is kept");
  for (
    const [id, expected] of [["u-1", true], [contact, true], ["member-2", true], ["nobody", false]] as const
  ) {
    assertEquals(await on(key, id), expected, id);
  }
  await document(`flags targets remove ${key} --user u-1 --why "done"`);
  await document(`flags segments remove ${segment} --user member-2 --why "done"`);
  assertEquals([await on(key, "u-1"), await on(key, "member-1"), await on(key, "member-2")], [
    false,
    true,
    false,
  ]);
  await fails(`flags segments delete ${segment} --why x`, 4, "conflict", /is a target of/);
  await fails(`flags targets add ${key} --why x`, 2, "usage", /No person is given/);
  await fails(`flags targets add ${key} --phone +49999999999 --why x`, 4, "not_found", /ends in 9999/);
});

Deno.test("gatelink flags schedule: the clock applies it, and --clear removes it", async () => {
  const key = await made();
  const set = await document(
    `flags schedule ${key} --on-at 2h --off-at 2099-01-01T00:00:00Z --why "a campaign"`,
  );
  assertEquals(set.metadata.schedule.off_at, "2099-01-01T00:00:00.000Z");
  assertEquals(
    (await document(`flags schedule ${key} --clear --why "put off"`)).metadata.schedule,
    undefined,
  );
  await document(`flags schedule ${key} --on-at 1ms --why "now"`);
  await sql`select private.apply_flag_schedules(now() + interval '1 second')`;
  const [{ reason }] = await document(`flags history ${key} --limit 1`);
  assertMatch(reason, /^scheduled: on_at/);
  assertEquals((await document(`flags show ${key}`)).value, "true");
  await fails(`flags schedule ${key} --on-at 2020-01-01 --why x`, 4, "invalid", /On_at is in the past/);
  await fails(`flags schedule ${key} --why x`, 2, "usage", /--on-at or --off-at, or --clear/);
});

Deno.test("gatelink flags restore: an old version becomes current again, as a new version", async () => {
  const key = await made();
  await document(`flags set ${key} on --percentage 5 --why "small"`);
  await document(`flags set ${key} on --percentage 90 --why "too fast"`);
  const restored = await document(`flags restore ${key} 2 --why "small was right"`);
  assertEquals([restored.version, restored.metadata.rollout_percentage], [4, 5]);
  const [{ reason }] = await document(`flags history ${key} --limit 1`);
  assertEquals(reason, "small was right (restored version 2)");
  await fails(`flags restore ${key} 9 --why x`, 4, "not_found", /no version 9/);
});

Deno.test("gatelink flags stale: finds flags that nothing evaluates, and shows where code reads the others", async () => {
  const key = await made();
  const listed = async () => {
    const { out } = await gatelink("flags stale --json");
    return JSON.parse(out).some((one: { key: string }) => one.key === key);
  };
  assertEquals(await listed(), false, "it was made just now");
  await sql`alter table public.settings_history disable trigger append_only`;
  await sql`update public.settings_history set changed_at = now() - interval '8 days' where key = ${key}`;
  await sql`alter table public.settings_history enable trigger append_only`;
  const ran = await gatelink("flags stale --json");
  assertEquals([ran.code, ran.err], [1, ""]);
  const found = ran.json().find((one: { key: string }) => one.key === key);
  assertEquals([found.why, found.places], ["never_evaluated", []]);
  const places = (await flagPlaces()).get("wa_send.enabled")!;
  assert(
    places.some(({ path }) => path.startsWith("supabase/functions/")) &&
      places.some(({ path }) => path.startsWith("supabase/migrations/2")),
    JSON.stringify(places),
  );
});

Deno.test("percentage(): accepts every step of 0.01 and nothing in between", () => {
  for (let step = 0; step <= 10_000; step++) assertEquals(percentage((step / 100).toFixed(2)), step / 100);
  for (const text of ["", " ", "-1", "100.01", "0.001", "x", "1e9"]) {
    let refused = false;
    try {
      percentage(text);
    } catch {
      refused = true;
    }
    assert(refused, text);
  }
});
