/** `gatelink announce` on a real stack: a draft with its counts, sent once each, stopped, and to whom a feature failed. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, PHONE, sql, stored } from "../support/cli.ts";

const FLAG = "checkout.enabled";

/** The person's contact. */
async function contact(): Promise<string> {
  await stored(`wamid.${crypto.randomUUID()}`, "hello");
  await sql`insert into public.settings (key, value) values (${FLAG}, 'true') on conflict (key) do nothing`;
  await sql`update public.settings set value = 'true' where key = 'wa_send.enabled'`;
  const [{ id }] = await sql`select contact_id as id from public.contact_identities where value = ${PHONE}`;
  return id;
}

const queued = async (announcement: string) =>
  (await sql`select m.text from public.messages m join public.announcement_recipients r on r.message_id = m.id
    where r.announcement_id = ${announcement}`).map(({ text }) => text);

Deno.test("gatelink announce: a draft shows who would get what, start sends it, and the record stays", async () => {
  const id = await contact();
  const made = await gatelink(
    'announce create "beta" --to-all-within 1 --words announcement_all --about checkout --text "Try it." --per-minute 60',
  );
  assertEquals(made.code, 0, made.err);
  assertMatch(made.out, /would get +1 the text/);
  assertMatch(made.out, /text +checkout is now available to everybody\. Try it\./);
  const [, draft, version] = /announce start (\S+) --version (\d+)/.exec(made.out)!;
  assertEquals(await queued(draft), []);
  await fails(`announce start ${draft} --version 9`, 4, "conflict", /version/);
  assertMatch((await gatelink(`announce start ${draft} --version ${version}`)).out, /state +sending/);
  await sql`select private.send_announcements(now())`;
  assertEquals(await queued(draft), [await textOf(draft)]);
  const shown = await document(`announce show ${draft}`);
  assertEquals([shown.state, shown.queued], ["done", 1]);
  assertEquals(shown.recipients.map((one: { contact_id: string }) => one.contact_id), [id]);
  assertEquals(shown.recipients[0].last_four, PHONE.slice(-4));
  assert(!JSON.stringify(shown).includes(PHONE));
  assertMatch((await gatelink("announce list")).out, /done +1 +1 +0 +who wrote within 1 day +beta/);
  await fails(`announce delete ${draft}`, 4, "conflict", /done/);
});

async function textOf(announcement: string): Promise<string> {
  const [{ text }] = await sql`select text from public.announcements where id = ${announcement}`;
  return text;
}

Deno.test("gatelink announce: is stopped with a reason, and goes on", async () => {
  await contact();
  const draft = await document('announce create "news" --to-all-within 1 --text "Soon."');
  await document(`announce start ${draft.id}`);
  const stopped = await gatelink(`announce stop ${draft.id} --why "a wrong link"`);
  assertMatch(stopped.out, /stopped +.* by .*: a wrong link/);
  await sql`select private.send_announcements(now())`;
  assertEquals(await queued(draft.id), []);
  await document(`announce start ${draft.id}`);
  await sql`select private.send_announcements(now())`;
  assertEquals(await queued(draft.id), ["Soon."]);
});

Deno.test("gatelink announce affected: lists for whom a feature failed, and writes to them", async () => {
  const id = await contact();
  await sql`insert into private.affected_people (flag_key, subject_id, failures, first_at, last_at) values
    (${FLAG}, ${id}, 3, now(), now()), (${FLAG}, 'guest-7', 1, now(), now())`;
  const incident = await document('incident open "Checkout fails" --kind bug');
  const listed = await gatelink("announce affected checkout --since 2h");
  assertMatch(listed.out, /people +2\ncan be written to +1/);
  assertMatch(listed.out, /guest-7/);
  const draft = await document(
    `announce create "sorry" --to-affected checkout --words affected_users --incident ${incident.number}`,
  );
  assertEquals([draft.people, draft.unreachable], [1, 1]);
  assertMatch(draft.text, /Something did not work when you used it: Checkout fails/);
  await fails(
    'announce create "sorry" --to-affected checkout --words affected_users',
    2,
    "usage",
    /incident/,
  );
  assertEquals((await document(`announce delete ${draft.id}`)).deleted, true);
});

Deno.test("gatelink announce create: says for whom, and what", async () => {
  await fails('announce create "a" --text "b"', 2, "usage", /for whom/);
  await fails('announce create "a" --to-all-within 3', 2, "usage", /says nothing/);
  await fails('announce create "a" --to-all-within 3 --to-segment beta --text b', 2, "usage", /one audience/);
  await fails(
    'announce create "a" --to-all-within 3 --words announcement_all',
    2,
    "usage",
    /names a feature/,
  );
  await fails('announce create "a" --to-segment nobody --text b', 4, "not_found", /no segment nobody/);
  await fails('announce create "a" --to-flag nothing --text b', 4, "not_found", /no flag nothing/);
});
