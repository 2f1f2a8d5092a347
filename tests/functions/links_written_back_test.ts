/** What was read of a link can be written back, changes do not undo each other, a deletion can be undone. */
import { link as linkShape } from "../../supabase/functions/_shared/contract/links.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { type Links, linksTest, NUMBER } from "../support/links.ts";

const HOME = "https://www.example.com/", SALE = "https://www.example.com/sale";
const post = (links: Links, body: unknown) => links.call("", { method: "POST", body });
const patch = (links: Links, code: string, body: unknown) =>
  links.call(`/${code}`, { method: "PATCH", body });
const remove = (links: Links, code: string) => links.call(`/${code}`, { method: "DELETE" });

/** A link as its owners read it. */
async function read(links: Links, code: string, state?: string) {
  const { body } = await links.call(`?code=${code}${state === undefined ? "" : `&state=${state}`}`);
  return body.links[0];
}

const FULL = {
  title: "Poster",
  note: "Two\nlines",
  default_url: HOME,
  whatsapp: { phone_number_id: NUMBER.id, text: "Hi" },
  targets: [{ when: { platform: ["ios"], query: { src: ["a"] }, weight: 30 }, url: SALE }],
  starts_at: "2020-01-01T00:00:00Z",
  expires_at: "2999-01-01T00:00:00Z",
  expired_url: SALE,
  max_uses: 5,
  password: "open sesame",
  utm: { source: "qr", campaign: "spring" },
  pass_query: true,
  tags: ["a", "b"],
  external_id: "poster-1",
  flag_key: "deeplinks.enabled",
  preview: { title: "T", description: "D" },
  fingerprint: true,
};

linksTest("PATCH accepts a link as it was read, and only the version changes", async (links) => {
  for (const body of [{ default_url: HOME }, FULL]) {
    const code = await links.link(body);
    const before = await read(links, code);
    linkShape.parse(before);
    const { status, body: after } = await patch(links, code, before);
    assertEquals(status, 200, JSON.stringify(after));
    const { version, updated_at: _, ...rest } = before;
    const { updated_at: __, ...same } = after;
    assertEquals(same, { ...rest, version: version + 1 });
    const { version: ___, ...unversioned } = after;
    assertEquals((await patch(links, code, unversioned)).status, 200, "without the version, while it stands");
  }
});

linksTest(
  "PATCH with everything that was read still conflicts after somebody else's change",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    const before = await read(links, code);
    await patch(links, code, { tags: ["theirs"] });
    const late = await patch(links, code, { ...before, tags: ["mine"] });
    assertEquals([late.status, late.body.code], [409, "conflict"]);
  },
);

linksTest("PATCH with a version conflicts only if the same member changed since", async (links) => {
  const code = await links.link({ default_url: HOME, tags: ["a"], utm: { source: "s" }, title: "T" });
  const before = await read(links, code);
  const { version } = before;
  assertEquals((await patch(links, code, { tags: ["theirs"], version })).status, 200);
  // Other members: as a patch, and as the whole link that was read with one member changed.
  assertEquals((await patch(links, code, { note: "mine", version })).status, 200);
  const { status, body } = await patch(links, code, { title: "mine", version });
  assertEquals([status, body.tags, body.note, body.title], [200, ["theirs"], "mine", "mine"]);
  // The whole link as it was read would undo their tags.
  const whole = await patch(links, code, { ...before, max_uses: 7 });
  assertEquals([whole.status, whole.body.code], [409, "conflict"]);
  assert(whole.body.detail.includes("tags") && !whole.body.detail.includes("note"), whole.body.detail);
  // The same member, by each way to change it.
  assertEquals((await patch(links, code, { tags: ["mine"], version })).status, 409);
  assertEquals((await patch(links, code, { tags: ["theirs"], version })).status, 200, "what it is by now");
  await patch(links, code, { utm: { medium: "m" } });
  assertEquals((await patch(links, code, { utm: { source: "x" }, version })).status, 409);
  assertEquals((await patch(links, code, { utm: { medium: "m" }, version })).status, 200);
  await patch(links, code, { password: "open sesame" });
  assertEquals((await patch(links, code, { password: "another one", version })).status, 409);
  assertEquals((await patch(links, code, { password: null, version })).status, 409);
  await remove(links, code);
  assertEquals((await patch(links, code, { state: "active", version })).status, 409);
  assertEquals((await patch(links, code, { state: "active" })).status, 200);
  // A member changed by hand, in the database.
  const { version: latest } = await read(links, code);
  await links.sql`update links set title = 'by hand', version = version + 1 where code = ${code}`;
  assertEquals((await patch(links, code, { title: "mine", version: latest })).status, 409);
  for (const odd of [99, 1.5, "1", null]) {
    assertEquals((await patch(links, code, { note: "x", version: odd })).status, 409, String(odd));
  }
});

linksTest("PATCH with everything that was read does not conflict because of visits", async (links) => {
  const code = await links.link({ default_url: HOME, max_uses: 5 });
  const before = await read(links, code);
  await links.visit(code);
  const { status, body } = await patch(links, code, { ...before, tags: ["x"] });
  assertEquals([status, body.uses, body.tags], [200, 1, ["x"]]);
});

linksTest("PATCH refuses read-only members by name if they differ from the current values", async (links) => {
  const code = await links.link({ default_url: HOME });
  for (
    const body of [{ code: "other" }, { url: HOME }, { uses: 9 }, { created_by: "me" }, {
      created_at: "2020-01-01T00:00:00Z",
    }, { password: true }]
  ) {
    const { status, body: problem } = await patch(links, code, body);
    assertEquals([status, problem.code], [422, "invalid_request"], JSON.stringify(body));
    assert(problem.detail.includes(Object.keys(body)[0]), problem.detail);
  }
});

linksTest("POST accepts a link as it was read, under another code", async (links) => {
  const { password: _, external_id: __, ...body } = FULL;
  const before = await read(links, await links.link(body));
  assertEquals((await post(links, before)).body.code, "code_taken");
  const { status, body: made } = await post(links, { ...before, code: "copy-one" });
  assertEquals(status, 201, JSON.stringify(made));
  const own = (link: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(link).filter(([name]) => !/^(code|url|qr_url|created_at|updated_at)$/.test(name)),
    );
  assertEquals(own(await read(links, "copy-one")), own(before));
});

linksTest("POST names what a copy would lose: a password, a state", async (links) => {
  const code = await links.link(FULL);
  const { external_id: _, ...before } = await read(links, code);
  const { status, body } = await post(links, { ...before, code: "copy-one" });
  assertEquals([status, body.fields.map(({ path }: { path: string }) => path)], [422, ["password"]]);
  const off = await post(links, { ...before, code: "copy-one", password: "open sesame", state: "disabled" });
  assertEquals(off.status, 422);
  assert(off.body.detail.includes("state"), off.body.detail);
});

linksTest("concurrent changes of different members all succeed", async (links) => {
  const code = await links.link({ default_url: HOME, utm: { source: "a" } });
  const changes = [
    { tags: ["x"] },
    { title: "T" },
    { note: "N" },
    { max_uses: 7 },
    { utm: { campaign: "c" } },
    { utm: { term: "t" } },
    { expired_url: SALE },
    { state: "disabled" },
    { password: "open sesame" },
    { pass_query: true },
  ];
  const answers = await Promise.all(changes.map((body) => patch(links, code, body)));
  assertEquals(answers.map(({ status }) => status), changes.map(() => 200));
  const { tags, title, note, max_uses, utm, expired_url, state, password, pass_query, version } = await read(
    links,
    code,
  );
  assertEquals({ tags, title, note, max_uses, utm, expired_url, state, password, pass_query, version }, {
    tags: ["x"],
    title: "T",
    note: "N",
    max_uses: 7,
    utm: { source: "a", campaign: "c", term: "t" },
    expired_url: SALE,
    state: "disabled",
    password: true,
    pass_query: true,
    version: 11,
  });
});

linksTest("concurrent changes of one member are applied one after the other", async (links) => {
  const code = await links.link({ default_url: HOME });
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => patch(links, code, { tags: [`t${i}`] })),
  );
  assertEquals(answers.map(({ status }) => status), Array(8).fill(200));
  assertEquals((await read(links, code)).version, 9);
});

linksTest("a deleted link is restored by its state, with its password and figures", async (links) => {
  const code = await links.link({
    default_url: HOME,
    code: "del-one",
    external_id: "one",
    password: "open sesame",
  });
  await links.link({ default_url: HOME, code: "del-two" });
  await links.visit("del-two");
  await links.flush();
  await remove(links, code);
  await remove(links, "del-two");
  assertEquals((await patch(links, code, { tags: ["x"] })).status, 404, "nothing else brings it back");
  assertEquals((await patch(links, code, { state: "deleted" })).status, 422);
  assertEquals((await post(links, { default_url: HOME, code })).body.code, "code_taken");
  assertEquals((await read(links, code, "deleted")).code, code);
  const { status, body } = await patch(links, code, { state: "active" });
  assertEquals([status, body.state, body.password, body.external_id], [200, "active", true, "one"]);
  assertEquals((await links.visit(code)).status, 401);
  assertEquals((await patch(links, "del-two", { state: "disabled", tags: ["x"] })).body.state, "disabled");
  assertEquals((await links.call("/del-two/stats")).body.clicks.human, 1);
});

linksTest("a deleted link whose external id now belongs to another is not restored", async (links) => {
  const code = await links.link({ default_url: HOME, external_id: "one" });
  await remove(links, code);
  await links.link({ default_url: HOME, external_id: "one" });
  assertEquals((await patch(links, code, { state: "active" })).body.code, "external_id_taken");
  assertEquals((await patch(links, code, { state: "active", external_id: null })).status, 200);
});

linksTest("each filter of a list applies, also a repeated one", async (links) => {
  const ab = await links.link({ default_url: HOME, tags: ["a", "b"], utm: { campaign: "spring" } });
  const a = await links.link({ default_url: HOME, tags: ["a"], title: "Poster" });
  const found = async (query: string) => {
    const { status, body } = await links.call(`?${query}`);
    return status === 200 ? body.links.map(({ code }: { code: string }) => code).sort() : body.detail;
  };
  assertEquals(await found("tag=a"), [a, ab].sort());
  assertEquals(await found("tag=a&tag=b"), [ab]);
  assertEquals(await found("tag=b&tag=a&tag=a"), [ab]);
  assertEquals(await found("tag=a&tag=nosuch"), []);
  assertEquals(await found("tag=a&title=post&state=active"), [a]);
  assertEquals(await found("tag=a&campaign=spring&title=post"), []);
  for (const name of ["campaign", "code", "title", "note", "external_id", "state", "limit", "cursor"]) {
    const value = name === "state" ? "active" : name === "limit" ? "5" : "x";
    assertEquals(await found(`${name}=${value}&${name}=${value}`), `\`${name}\` may be given only once.`);
  }
  assertEquals((await links.call(`/${a}/stats?from=2026-01-01&from=2026-01-02`)).status, 422);
});
