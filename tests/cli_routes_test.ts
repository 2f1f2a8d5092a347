/** `gatelink routes` on a real stack. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  decided,
  destination,
  document,
  fails,
  gatelink,
  NUMBER,
  PHONE,
  service,
  sql,
  stored,
  unique,
} from "./support/cli.ts";

Deno.test("gatelink routes: add, list in the order asked, remove", async () => {
  const [one, two] = [unique("one"), unique("two")];
  for (const name of [one, two]) await document("destinations", "add", name, `${service}/${name}`);
  const routes = [unique("fallback"), unique("late"), unique("early")];
  await document(
    "routes",
    "add",
    "--name",
    routes[0],
    "--to",
    one,
    "--when",
    '{"type":"default"}',
    "--priority",
    "-900",
  );
  await document(
    "routes",
    "add",
    "--name",
    routes[1],
    "--to",
    one,
    "--when",
    '{"type":"choice","ids":["x"]}',
    "--priority",
    "900",
  );
  const added = await document(
    ...[
      "routes",
      "add",
      "--name",
      routes[2],
      "--to",
      two,
      "--to",
      one,
      "--to",
      two,
      "--mode",
      "all",
      "--priority",
      "-800",
    ],
    ...[
      "--flag",
      "early.enabled",
      "--sticky",
      "90m",
      "--when",
      '{"type":"text","match":"exact","value":"early"}',
    ],
  );
  assertEquals(added.destinations, [two, one]);

  type Row = {
    id: string;
    name: string;
    description: string;
    destinations: string[];
    flag_key: string;
    sticky_minutes: number;
  };
  const listed = (await document<Row[]>("routes", "list")).filter(({ name }) => routes.includes(name));
  assertEquals(listed.map(({ name }) => name), [routes[2], routes[1], routes[0]]);
  const { description, destinations, flag_key, sticky_minutes } = listed[0];
  assertEquals([description, destinations, flag_key, sticky_minutes], [
    'text is "early"',
    [two, one],
    "early.enabled",
    90,
  ]);
  const [stored] = await sql`select condition from public.routes where name = ${routes[2]}`;
  assertEquals(stored.condition, { type: "text", match: "exact", values: ["early"], case_sensitive: false });

  await fails(
    ["routes", "add", "--name", routes[0], "--to", one, "--when", '{"type":"any"}'],
    4,
    "conflict",
    /named .* exists/,
  );
  await fails(["routes", "add", "--to", "nobody", "--when", '{"type":"any"}'], 4, "not_found", /nobody/);
  assertEquals((await document("routes", "remove", routes[0])).removed, true);
  assertEquals((await document("routes", "remove", listed[1].id)).name, routes[1]);
  await document("routes", "remove", routes[2]);
  await fails(["routes", "remove", routes[2]], 4, "not_found", /routes list/);
});

Deno.test("gatelink routes explain --try: which route a message would take, and why not the others", async (t) => {
  const target = unique("try");
  await document("destinations", "add", target, `${service}/${target}`);
  const [flagged, words, hours] = [unique("flagged"), unique("words"), unique("hours")];
  const add = (name: string, when: string, priority: number, ...more: string[]) =>
    document(
      "routes",
      "add",
      "--name",
      name,
      "--to",
      target,
      "--when",
      when,
      "--priority",
      `${priority}`,
      ...more,
    );
  await add(
    flagged,
    '{"type":"text","match":"keywords","values":["zebra"]}',
    -503,
    "--flag",
    "zebra.enabled",
  );
  await add(words, '{"type":"text","match":"keywords","values":["zebra"]}', -502);
  await add(
    hours,
    '{"type":"all","of":[{"type":"text","match":"exact","value":"night"},{"type":"time","from":"22:00","to":"06:00","zone":"UTC"}]}',
    -501,
  );
  const tried = (message: object) =>
    document<
      {
        route: string;
        reason: string;
        destinations: string[];
        router_on: boolean;
        explanation: { name: string; matched: boolean; why: string }[];
      }
    >(
      "routes",
      "explain",
      "--try",
      JSON.stringify(message),
    );

  await t.step("the first that holds and whose flag is on", async () => {
    const found = await tried({ type: "text", text: "A zebra!" });
    assertEquals([found.route, found.reason, found.destinations, found.router_on], [words, "matched", [
      target,
    ], true]);
    const why = (name: string) => found.explanation.find((finding) => finding.name === name)!.why;
    assertEquals([why(flagged), why(words), why(hours)], [
      "flag off: zebra.enabled",
      'condition: text has "zebra"',
      "not reached",
    ]);
  });
  await t.step("its text says the same", async () => {
    const { code, out } = await gatelink(["routes", "explain", "--try", '{"text":"zebra"}']);
    assertEquals(code, 0);
    assertMatch(out, new RegExp(`^route +${words}\n`));
    assertMatch(out, new RegExp(`${flagged} +no +flag off: zebra.enabled`));
    assertMatch(out, new RegExp(`${words} +taken`));
  });
  await t.step("the flag on for one contact, known by phone", async () => {
    const [{ id }] = await sql`insert into public.contacts (name) values ('Vip') returning id`;
    await sql`insert into public.contact_identities (contact_id, kind, value) values (${id}, 'phone', '16505550199')`;
    await sql`insert into public.settings (key, value, metadata) values ('zebra.enabled', 'true', ${
      sql.json({ target_user_ids: [id] })
    })`;
    assertEquals((await tried({ text: "zebra", from: "+1 (650) 555-0199" })).route, flagged);
    assertEquals((await tried({ text: "zebra", contact: id })).route, flagged);
    assertEquals((await tried({ text: "zebra", from: "16505550198" })).route, words);
    const [{ route_id }] = await sql`select id as route_id from public.routes where name = ${hours}`;
    await sql`insert into public.conversations (number_id, contact_id, sticky_route_id, sticky_until)
      values (${NUMBER}, ${id}, ${route_id}, now() + interval '1 hour')`;
    const sticky = await tried({ text: "zebra", contact: id });
    assertEquals([sticky.route, sticky.reason], [hours, "sticky"]);
  });
  await t.step("past a paused destination", async () => {
    const second = unique("second");
    await document("destinations", "add", second, `${service}/${second}`);
    await document(
      ...["routes", "add", "--to", target, "--to", second, "--priority", "-504"],
      ...["--when", '{"type":"text","match":"exact","value":"okapi"}'],
    );
    assertEquals((await tried({ text: "okapi" })).destinations, [target]);
    await document("destinations", "pause", target);
    assertEquals((await tried({ text: "okapi" })).destinations, [second]);
  });
  await t.step("by the time given", async () => {
    assertEquals((await tried({ text: "night", at: "2026-11-21T23:00:00Z" })).route, hours);
    const day = await tried({ text: "night", at: "2026-11-21T12:00:00Z" });
    assert(day.route !== hours);
  });
});

Deno.test("gatelink routes explain: why a message went where it went, and nobody's number", async (t) => {
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
      const found = await document<{
        route: string;
        why: string;
        destinations: string[];
        message: { contact: string };
        deliveries: { destination: string }[];
      }>("routes", "explain", given);
      assertEquals([found.route, found.why, found.destinations], ["gone by now", "its condition holds", [
        name,
      ]]);
      assertEquals([found.message.contact, found.deliveries[0].destination], ["…1234", name]);
    });
  }
  await t.step("as text", async () => {
    const { code, out } = await gatelink(["routes", "explain", taken]);
    assertEquals(code, 0);
    assertMatch(out, /first +no +flag off: first.enabled\ngone by now +taken +condition: any message/);
    assertStringIncludes(out, "…1234");
    assert(!out.includes(PHONE) && !out.includes("Nora"), "personal data is shown");
  });
  await t.step("one that waits", async () => {
    const found = await document<{ route: null; why: string }>("routes", "explain", held);
    assertEquals([found.route, found.why], [null, "it waits for the router"]);
  });
  await t.step(
    "one that is unknown",
    () => fails(["routes", "explain", "wamid.no"], 4, "not_found", /no message/),
  );
});
