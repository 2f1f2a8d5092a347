/** `gatelink status`, `reconcile`, `deliveries` and `dead` on a real stack. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import {
  decided,
  destination,
  document,
  fails,
  gatelink,
  service,
  sql,
  stack,
  stored,
  unique,
} from "../support/cli.ts";

Deno.test("gatelink status: shows queues, each service and counters", async () => {
  const name = unique("status");
  await document(`destinations add ${name} ${service}/${name}`);
  await document(`destinations pause ${name}`);
  const status = await document("status");
  assertEquals(status.stack, stack.url);
  assertEquals(status.destinations.find((one: { name: string }) => one.name === name).state, "paused");

  await stored(`wamid.${name}`, "x");
  const { code, out } = await gatelink("status");
  assertEquals(code, 0);
  assertMatch(out, new RegExp(`\n${name} +paused +0`));
  assertMatch(out, /\n1 conversation waits for the router, the oldest for \d+ s/);
  assertMatch(out, /\nwebhook_updates +received +\d+/);
});

Deno.test("gatelink reconcile: exit code 0 if everything is accounted for, 1 if something is missing", async () => {
  assertEquals((await document("reconcile")).ok, true);
  // A delivery that nobody decided.
  const message = await stored(`wamid.${unique("reconcile")}`, "x");
  const [{ id }] = await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state)
    values (${message.id}, ${await destination(unique("reconcile"))}, ${message.conversation}, 1, 'delivered')
    returning id`;
  try {
    const { code, out } = await gatelink("reconcile");
    assertEquals(code, 1);
    assertMatch(out, /\nFAILED +deliveries = destinations decided +\d+ +\d+\n/);
    const json = await gatelink("reconcile --json");
    assertEquals([json.code, json.json().ok], [1, false]);
  } finally {
    await sql`delete from public.deliveries where id = ${id}`;
  }
});

Deno.test("gatelink deliveries: list, retry, skip, drop, resend", async (t) => {
  const name = unique("waits");
  const to = await destination(name);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const message = await stored(`wamid.${unique("waits")}`, "x");
    await decided(message, { destination_ids: [to] });
    const [{ id }] = await sql`
      update public.deliveries set attempt = 1, last_error = 'status 503', next_attempt_at = '2100-01-01Z'
      where message_id = ${message.id} returning id`;
    ids.push(id);
  }
  await sql`update private.delivery_lanes set due_at = '2100-01-01Z' where destination_id = ${to}`;
  const state = async (id: string) =>
    (await sql`select state, resent from public.deliveries where id = ${id}`)[0];

  await t.step("list shows what holds a conversation, and how much is behind it", async () => {
    const { deliveries } = await document(`deliveries list --destination ${name}`);
    assertEquals(deliveries.length, 1);
    assertEquals([deliveries[0].id, deliveries[0].behind], [ids[0], 2]);
    assertMatch((await gatelink(`deliveries list --destination ${name}`)).out, /status 503/);
  });
  await t.step("skip, drop and retry move it, and nothing that does not wait", async () => {
    assertEquals(await document(`deliveries skip ${ids[0]}`), { skipped: 1, not_waiting: 0 });
    const again = await gatelink(`deliveries skip ${ids[0]}`);
    assertEquals([again.code, again.out], [
      1,
      "0 deliveries skipped; 1 other not: no delivery that waits of that id.\n",
    ]);
    assertEquals(await document(`deliveries drop ${ids[1]} --reason test`), { dropped: 1, not_waiting: 0 });
    assertEquals(await document(`deliveries retry ${ids[2]}`), { retried: 1, not_waiting: 0 });
    const [lane] = await sql`
      select due_at <= now() as due from private.delivery_lanes where destination_id = ${to}`;
    assertEquals(lane.due, true);
  });
  await t.step("resend has what was delivered sent again", async () => {
    await sql`update public.deliveries set state = 'delivered' where id = ${ids[2]}`;
    assertEquals(await document(`deliveries resend --destination ${name} --from 1h --to 0s`), { resent: 1 });
    assertEquals({ ...await state(ids[2]) }, { state: "pending", resent: 1 });
  });
});

Deno.test("gatelink dead: list, retry, drop", async (t) => {
  const name = unique("dead");
  const to = await destination(name);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const message = await stored(`wamid.${unique("dead")}`, "x");
    await decided(message, { destination_ids: [to] });
    const [{ id }] = await sql`
      update public.deliveries set state = 'dead', attempt = 8, last_error = 'status: 500'
      where message_id = ${message.id} returning id`;
    ids.push(id);
  }
  const row = async (id: string) =>
    (await sql`select state, dropped_reason from public.deliveries where id = ${id}`)[0];

  await t.step("list, of one destination", async () => {
    const { deliveries, more } = await document(`dead list --destination ${name} --limit 2`);
    assertEquals([deliveries.length, more], [2, true]);
    assertEquals([deliveries[0].destination, deliveries[0].last_error], [name, "status: 500"]);
    const { out } = await gatelink(`dead list --destination ${name}`);
    assertMatch(out, new RegExp(`\n${ids[0]} +${name} +.*status: 500`));
    await fails("dead list --destination nobody", 4, "not_found", /nobody/);
  });
  await t.step("retry one by its id; once more is exit code 1", async () => {
    assertEquals(await document(`dead retry ${ids[0]}`), { retried: 1, not_dead: 0 });
    assertEquals((await row(ids[0])).state, "pending");
    const again = await gatelink(`dead retry ${ids[0]} ${ids[0]} ${crypto.randomUUID()}`);
    assertEquals([again.code, again.out], [
      1,
      "0 deliveries retried; 2 others not: no dead delivery of that id.\n",
    ]);
  });
  await t.step("drop one, with the reason", async () => {
    assertEquals(await document(`dead drop ${ids[1]} --reason "moved away"`), { dropped: 1, not_dead: 0 });
    assertMatch((await row(ids[1])).dropped_reason, /^moved away/);
  });
  await t.step("retry what is left of the destination", async () => {
    assertEquals(await document(`dead retry --destination ${name}`), { retried: 1, not_dead: 0 });
    assertEquals((await gatelink(`dead list --destination ${name}`)).out, "There are no dead deliveries.\n");
    const none = await document(`dead drop --destination ${name} --reason none`);
    assertEquals(none, { dropped: 0, not_dead: 0 });
  });
});

Deno.test("gatelink trace: shows a message's story by either id; exit code 4 for an unknown id", async () => {
  const name = unique("trace");
  const to = await destination(name);
  const message = await stored(`wamid.${name}`, "a secret word");
  await decided(message, { destination_ids: [to] });
  const story = await document(`trace wamid.${name}`);
  assertEquals([story.id, story.trace_id], [message.id, message.id.replaceAll("-", "")]);
  assertEquals(await document(`trace ${story.trace_id}`), story);
  const { code, out } = await gatelink(`trace ${message.id}`);
  assertEquals(code, 0);
  assertMatch(out, /\n\S.* \+0\.000 s +stored +text, message \d+ of all\n/);
  assertMatch(out, new RegExp(`decided +.*to ${name}`));
  assertEquals(out.includes("secret word"), false);
  await fails(`trace wamid.${unique("nobody")}`, 4, "not_found", /complete id/);
});

Deno.test("gatelink diagnose: queues with their reasons, flags and decisions", async () => {
  await stored(`wamid.${unique("diagnose")}`, "x");
  const found = await document("diagnose");
  assertEquals(
    found.waiting.some(({ what }: { what: string }) => what === "conversations for the router"),
    true,
  );
  const { code, out } = await gatelink("diagnose");
  assertEquals(code, 0);
  assertMatch(out, /\nconversations for the router +\d+ /);
  assertMatch(out, /\nwa_router\.enabled +(on|off) /);
});

Deno.test("gatelink resend: sends failed messages again, and names those that cannot be resent", async () => {
  const { conversation } = await stored(`wamid.${unique("resend")}`, "x");
  const [{ id }] = await sql`
    insert into public.messages (conversation_id, direction, type, text, native, status, status_rank)
    values (${conversation}, 'out', 'text', 'hi', '{"type": "text", "text": {"body": "hi"}}', 'failed', 2) returning id`;
  await sql`
    insert into public.outbound_messages (id, conversation_id, number_id, message_id, recipient, state, error)
    select ${id}, c.id, c.number_id, ${id}, '12025550123', 'failed', '{"code": 131026}'
    from public.conversations c where c.id = ${conversation}`;
  const other = crypto.randomUUID();
  const { code, out } = await gatelink(`resend ${id} ${other}`);
  assertEquals(code, 1);
  assertMatch(out, new RegExp(`${id} +queued`));
  assertMatch(out, new RegExp(`${other} +refused +There is no such message`));
  assertMatch(out, /\n1 message queued again\./);
});
