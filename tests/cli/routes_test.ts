/** `gatelink routes` on a real stack. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import {
  body,
  decided,
  destination,
  document,
  fails,
  gatelink,
  PHONE,
  received,
  service,
  sql,
  stack,
  stored,
  unique,
  written,
} from "../support/cli.ts";
import { configSeen } from "../support/config_seen.ts";
import { until } from "../support/until.ts";

const HELD = "it waits: wa_router.enabled is off for this contact";

Deno.test("gatelink routes: add, list in order, remove", async () => {
  const [one, two] = [unique("one"), unique("two")];
  for (const name of [one, two]) await document(`destinations add ${name} ${service}/${name}`);
  const names = [unique("fallback"), unique("late"), unique("early")];
  await document(`routes add --name ${names[0]} --to ${one} --priority -900 --when '{"type":"default"}'`);
  await document(
    `routes add --name ${names[1]} --to ${one} --priority 900 --when '{"type":"choice","ids":["x"]}'`,
  );
  const added = await document(
    `routes add --name ${names[2]} --to ${two} --to ${one} --to ${two} --mode all --priority -800 ` +
      `--channels whatsapp,sms --flag early.enabled --sticky 90m --when '{"type":"text","match":"exact","value":"early"}'`,
  );
  assertEquals(added.destinations, [two, one]);

  const listed = (await document<Record<string, unknown>[]>("routes list"))
    .filter(({ name }) => names.includes(name as string));
  assertEquals(listed.map(({ name }) => name), [names[2], names[1], names[0]]);
  const { out } = await gatelink("routes list");
  assertMatch(out, /^route +priority +when +channels +to /m);
  assertMatch(out, new RegExp(`^${names[2]} .*text is "early" +whatsapp, sms +all of `, "m"));
  const { description, destinations, flag_key, sticky_minutes } = listed[0];
  assertEquals(listed.map(({ channels }) => channels), [["whatsapp", "sms"], ["whatsapp"], ["whatsapp"]]);
  assertEquals([description, destinations, flag_key, sticky_minutes], [
    'text is "early"',
    [two, one],
    "early.enabled",
    90,
  ]);
  const [row] = await sql`select condition from public.routes where name = ${names[2]}`;
  assertEquals(row.condition, { type: "text", match: "exact", values: ["early"], case_sensitive: false });

  const again = `routes add --name ${names[0]} --to ${one} --when '{"type":"any"}'`;
  await fails(again, 4, "conflict", /named .* exists/);
  await fails(`routes add --to ${one} --channels SMS! --when '{"type":"any"}'`, 2, "usage", /channels/);
  await fails(`routes add --to nobody --when '{"type":"any"}'`, 4, "not_found", /nobody/);
  assertEquals((await document(`routes remove ${names[0]}`)).removed, true);
  assertEquals((await document(`routes remove ${listed[1].id}`)).name, names[1]);
  await document(`routes remove ${names[2]}`);
  await fails(`routes remove ${names[2]}`, 4, "not_found", /routes list/);
});

Deno.test("gatelink routes explain --try: names the route that a message would take, and why not the others", async (t) => {
  const [first, second] = [unique("first"), unique("second")];
  for (const name of [first, second]) await document(`destinations add ${name} ${service}/${name}`);
  const [flagged, words, night] = [unique("flagged"), unique("words"), unique("night")];
  const zebra = '{"type":"text","match":"keywords","values":["zebra"]}';
  const hours = '{"type":"time","from":"22:00","to":"06:00","zone":"UTC"}';
  await document(
    `routes add --name ${flagged} --to ${first} --priority -503 --flag zebra.enabled --when '${zebra}'`,
  );
  await document(`routes add --name ${words} --to ${first} --to ${second} --priority -502 --when '${zebra}'`);
  await document(
    `routes add --name ${night} --to ${first} --priority -501 ` +
      `--when '{"type":"all","of":[{"type":"text","match":"exact","value":"night"},${hours}]}'`,
  );
  const tried = (message: object) => document(`routes explain --try '${JSON.stringify(message)}'`);

  await t.step("the first that holds and whose flag is on", async () => {
    const found = await tried({ type: "text", text: "A zebra!" });
    const { route, reason, destinations, router_on, explanation } = found;
    assertEquals([route, reason, destinations, router_on], [words, "matched", [first], false]);
    const why = (route: string) => explanation.find(({ name }: { name: string }) => name === route).why;
    assertEquals(why(flagged), "flag off: zebra.enabled");
    assertEquals(why(words), 'condition: text has "zebra"');
    assertEquals(why(night), "not reached");
  });
  await t.step("its text says the same, and that the router is off", async () => {
    const { code, out } = await gatelink(`routes explain --try '{"text":"zebra"}'`);
    assertEquals(code, 0);
    assertMatch(out, new RegExp(`^route +${words}\n[^]*but +wa_router.enabled is off`));
    assertMatch(out, new RegExp(`\n${flagged} +no +flag off: zebra.enabled\n`));
    assertMatch(out, new RegExp(`\n${words} +taken +`));
  });
  await t.step("past a paused destination", async () => {
    await document(`destinations pause ${first}`);
    assertEquals((await tried({ text: "zebra" })).destinations, [second]);
    await document(`destinations resume ${first}`);
  });
  await t.step("the flag on for one contact, and a conversation that stays", async () => {
    const [{ id }] = await sql`insert into public.contacts (name) values ('Vip') returning id`;
    await sql`insert into public.contact_identities (contact_id, kind, value) values (${id}, 'phone', '16505550199')`;
    await sql`insert into public.settings (key, value, metadata)
      values ('zebra.enabled', 'true', ${sql.json({ target_user_ids: [id] })})`;
    assertEquals((await tried({ text: "zebra", from: "+1 (650) 555-0199" })).route, flagged);
    assertEquals((await tried({ text: "zebra", contact: id })).route, flagged);
    assertEquals((await tried({ text: "zebra", from: "16505550198" })).route, words);
    await sql`insert into public.conversations (number_id, contact_id, sticky_until, sticky_route_id)
      select ${stack.whatsapp.phoneNumberId}, ${id}, now() + interval '1 hour', id
      from public.routes where name = ${night}`;
    const sticky = await tried({ text: "zebra", contact: id });
    assertEquals([sticky.route, sticky.reason], [night, "sticky"]);
  });
  await t.step("by the time given", async () => {
    assertEquals((await tried({ text: "night", at: "2026-11-21T23:00:00Z" })).route, night);
    assert((await tried({ text: "night", at: "2026-11-21T12:00:00Z" })).route !== night);
  });
  await t.step("through a link, by its tags", async () => {
    const posters = unique("posters");
    await document(
      `routes add --name ${posters} --to ${first} --priority -504 --when '{"type":"link","tags":["demo"]}'`,
    );
    assertEquals((await tried({ text: "hello", link: "demo" })).route, posters);
    assert((await tried({ text: "hello" })).route !== posters);
    await fails(`routes explain --try '{"text":"hello","link":"nobody"}'`, 4, "not_found", /no link nobody/);
  });
  await t.step("a mail, by its subject and its address", async () => {
    const [invoices, alerts] = [unique("invoices"), unique("alerts")];
    const subject = '{"type":"email","kinds":["reply"],"subjects":["zebra"]}';
    const added = await document(
      `routes add --name ${invoices} --to ${first} --priority -506 --when '${subject}'`,
    );
    assertEquals(added.channels, ["email"]);
    await document(
      `routes add --name ${alerts} --to ${first} --priority -505 --channels email,whatsapp ` +
        `--when '{"type":"address","types":["zebra"]}'`,
    );
    await fails(
      `routes add --to ${first} --channels whatsapp --when '${subject}'`,
      2,
      "usage",
      /Only a mail can meet this condition/,
    );
    const mail = { kind: "reply", subject: "Your zebra", recipient: "zoo.a.zebra@in.example.com" };
    assertEquals((await tried({ channel: "email", mail })).route, invoices);
    assertEquals((await tried({ channel: "email", mail: { ...mail, kind: "new_mail" } })).route, alerts);
    assert((await tried({ text: "zebra", mail })).route !== invoices);
    await fails(`routes explain --try '{"mail":{"kind":"bounce"}}'`, 2, "usage", /mail\.kind/);
  });
});

Deno.test("gatelink routes explain: says why a message took its route, without phone numbers", async (t) => {
  const [taken, held] = [`wamid.${unique("taken")}`, `wamid.${unique("held")}`];
  const name = unique("explained");
  const message = await stored(taken, "explain me");
  await stored(held, "explain me");
  await decided(message, {
    route_name: "gone by now",
    destination_ids: [await destination(name)],
    explanation: [
      { route: crypto.randomUUID(), name: "first", matched: false, why: "flag off: first.enabled" },
      { route: crypto.randomUUID(), name: "gone by now", matched: true, why: "condition: any message" },
    ],
  });

  for (const [what, given] of [["WhatsApp's id", taken], ["our id", message.id]]) {
    await t.step(`by ${what}`, async () => {
      const found = await document(`routes explain ${given}`);
      assertEquals([found.route, found.why, found.destinations], ["gone by now", "its condition matches", [
        name,
      ]]);
      assertEquals([found.message.contact, found.deliveries[0].destination], ["…1234", name]);
    });
  }
  await t.step("as text", async () => {
    const { code, out } = await gatelink(`routes explain ${taken}`);
    assertEquals(code, 0);
    assertMatch(out, /\nfirst +no +flag off: first.enabled\ngone by now +taken +condition: any message\n/);
    assertStringIncludes(out, "…1234");
    assert(!out.includes(PHONE) && !out.includes("Nora"), "personal data is shown");
  });
  await t.step("one that waits", async () => {
    const found = await document(`routes explain ${held}`);
    assertEquals([found.route, found.why], [null, HELD]);
  });
  await t.step("one that is unknown", () => fails("routes explain wamid.no", 4, "not_found", /no message/));
});

Deno.test("gatelink routes explain: agrees with the router's decision", async () => {
  const name = unique("real"), wamid = `wamid.${name}`, phone = "16505550142";
  await document(`destinations add ${name} ${service}/${name}`);
  const when = '{"type":"text","match":"exact","value":"real"}';
  const route = await document(`routes add --to ${name} --priority -600 --when '${when}'`);
  await configSeen({ url: stack.url, stack }, sql);
  await document(`replay ${await written("real.json", body(wamid, "real", phone))}`);
  assertEquals((await document(`routes explain ${wamid}`)).why, HELD);

  // On for this contact alone: what waited is routed.
  const [{ id }] = await sql`select contact_id as id from public.contact_identities where value = ${phone}`;
  await sql`update public.settings set value = 'true', metadata = ${sql.json({ target_user_ids: [id] })}
    where key = 'wa_router.enabled'`;
  const found = await until("the delivery", async () => {
    const found = await document(`routes explain ${wamid}`);
    return found.deliveries[0]?.state === "delivered" && found;
  });
  assertEquals([found.route, found.why], [route.name, "its condition matches"]);
  assertEquals(received.filter(({ path }) => path === `/${name}`).length, 1);
});
