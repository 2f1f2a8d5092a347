/** `gatelink conversations` and what a destination subscribes to, on a real stack. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, service, sql, stored, unique } from "../support/cli.ts";

const NOBODY = "01968f00-0000-7000-8000-000000000001";

Deno.test("gatelink conversations: take, list and release", async () => {
  await stored("wamid.taken", "hello");
  const [{ id }] =
    await sql`select conversation_id as id from public.messages where provider_id = 'wamid.taken'`;
  const taken = await document(`conversations take ${id.toUpperCase()} --for 2h --by desk:anna`);
  assertEquals([taken.id, taken.taken_over.by], [id, "desk:anna"]);
  assertEquals(Date.parse(taken.taken_over.until) - Date.parse(taken.taken_over.since), 2 * 3_600_000);
  const row = async () => (await document("conversations list")).find((one: { id: string }) => one.id === id);
  assertEquals((await row()).taken_over.by, "desk:anna");
  const listed = await gatelink("conversations list --limit 5");
  assertMatch(listed.out, /by desk:anna until /);
  assertEquals(/hello|16505551234/.test(listed.out), false);
  assertEquals((await gatelink(`conversations release ${id}`)).out, "The services have it again.\n");
  assertEquals(await document(`conversations release ${id}`), { id, released: false });
  assertEquals((await row()).taken_over, null);
  await fails(`conversations take ${NOBODY}`, 4, "not_found", /no such conversation/);
  await fails("conversations take 12", 2, "usage", /conversation's id/);
  await fails(`conversations take ${id} --for 10s`, 2, "usage", /1m to 30d/);
});

Deno.test("gatelink destinations: subscribes to events, and chooses form and takeover", async () => {
  const name = unique("fates");
  const added = await gatelink(
    `destinations add ${name} ${service}/hook --events 'message.failed,template.*' --format meta --when-taken mark`,
  );
  assertEquals([added.code, added.out.includes("routes add")], [0, false]);
  const row = async () =>
    (await document("destinations list")).find((one: { name: string }) => one.name === name);
  const shown = async () => {
    const { events, format, when_taken } = await row();
    return [events, format, when_taken];
  };
  assertEquals(await shown(), [["message.failed", "template.*"], "meta", "mark"]);
  assertMatch((await gatelink("destinations list")).out, /message\.failed, template\.\* \(as Meta\)/);
  await document(`destinations set ${name} --events message.received --format gatelink --when-taken skip`);
  assertEquals(await shown(), [["message.received"], "gatelink", "skip"]);
  await fails(`destinations set ${name} --events message.red`, 2, "usage", /no event message\.red/);
  await fails(`destinations set ${name} --format xml`, 2, "usage", /gatelink, meta/);
  await document(`routes add --to ${name} --when '{"type":"default"}' --priority 100001`);
  await fails(`destinations set ${name} --events 'account.*'`, 4, "conflict", /outes lead to/);
});
