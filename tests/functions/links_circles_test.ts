/** A link never leads to itself, nor in a circle through others of the installation. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { type Links, linksTest } from "../support/links.ts";

const DOMAIN = "go.example.com";
const HOME = "https://www.example.com/";
const at = (code: string) => `https://${DOMAIN}/${code}`;

/** A test on a link domain to which links may lead. */
const circleTest = (name: string, test: (links: Links) => Promise<void>) =>
  linksTest(name, async (links) => {
    await links.allow(DOMAIN, "ref.example.co");
    await test(links);
  }, { LINK_DOMAIN: DOMAIN });

async function refusal(links: Links, body: object, method = "POST", path = ""): Promise<string> {
  const answer = await links.call(path, { method, body });
  assertEquals([answer.status, answer.body.code], [422, "url_not_allowed"], JSON.stringify(answer.body));
  return answer.body.fields.map((field: { path: string; message: string }) =>
    `${field.path} ${field.message}`
  ).join();
}

circleTest("a link to itself is refused, by any of its addresses and spellings", async (links) => {
  const forms = [
    at("loop-one"),
    at("LOOP-ONE"),
    at("loop%2Done"),
    `${at("loop-one")}/`,
    `${at("loop-one")}?x=1#y`,
    "https://ref.example.co/functions/v1/deeplinks/loop-one",
  ];
  for (const url of forms) {
    assertMatch(
      await refusal(links, { code: "loop-one", default_url: url }),
      /^default_url leads to the link itself/,
      url,
    );
  }
  const places: [object, RegExp][] = [
    [{ default_url: HOME, expired_url: at("loop-one") }, /^expired_url /],
    [
      { default_url: HOME, targets: [{ when: { platform: "ios" }, url: at("loop-one") }] },
      /^targets\[0\]\.url /,
    ],
    [{ default_url: HOME, targets: [{ store: at("loop-one") }] }, /^targets\[0\]\.store /],
    [
      { default_url: HOME, targets: [{ app: { url: HOME, fallback: at("loop-one") } }] },
      /^targets\[0\]\.app\.fallback /,
    ],
  ];
  for (const [body, path] of places) assertMatch(await refusal(links, { ...body, code: "loop-one" }), path);
  await links.link({ code: "loop-one", default_url: HOME });
  assertMatch(await refusal(links, { default_url: at("loop-one") }, "PATCH", "/loop-one"), /^default_url /);
  // What is no link of ours is not: a picture of the code, another host.
  await links.link({
    code: "own-qr",
    default_url: "https://ref.example.co/functions/v1/deeplinks/own-qr/qr.svg",
  });
});

circleTest(
  "a circle of links is refused when it closes: one by one, in one call, by a change",
  async (links) => {
    await links.link({ code: "one", default_url: HOME });
    await links.link({ code: "two", default_url: at("one") });
    await links.link({
      code: "three",
      default_url: HOME,
      targets: [{ when: { country: "DE" }, url: at("two") }],
    });
    assertMatch(
      await refusal(links, { default_url: at("three") }, "PATCH", "/one"),
      /^default_url leads back to the link itself through other links/,
    );
    // The other links are not in the way of a change that has nothing to do with them.
    assertEquals((await links.call("/three", { method: "PATCH", body: { title: "Third" } })).status, 200);

    await links.link({ code: "first", default_url: at("not-yet") });
    assertMatch(await refusal(links, { code: "not-yet", default_url: at("first") }), /leads back/);
    const { body } = await links.call("/bulk", {
      method: "POST",
      body: {
        links: [{ code: "left", default_url: at("right") }, { code: "right", default_url: at("left") }, {
          default_url: at("one"),
        }],
      },
    });
    assertEquals(body.results.map(({ status }: { status: number }) => status), [422, 422, 201]);
  },
);

circleTest("a long chain of links is refused, and a short one works", async (links) => {
  await links.link({ code: "way-0", default_url: HOME });
  for (let i = 1; i <= 5; i++) await links.link({ code: `way-${i}`, default_url: at(`way-${i - 1}`) });
  assertMatch(
    await refusal(links, { code: "way-6", default_url: at("way-5") }),
    /leads through more than 5 links of this installation/,
  );
  let code = "way-5", query = "";
  for (let hop = 0; hop < 5; hop++) {
    const location = new URL((await links.visit(code, {}, query)).headers.get("location")!);
    code = location.pathname.slice(1);
    query = location.search;
  }
  const last = await links.visit(code, {}, query);
  assertEquals([code, last.headers.get("location")], ["way-0", HOME]);
});

circleTest("a circle that arose in another way ends", async (links) => {
  const { sql } = links;
  await links.link({ code: "left", default_url: HOME, pass_query: true });
  await links.link({ code: "right", default_url: at("left"), expired_url: HOME });
  await sql`update links set default_url = ${`${
    at("right")
  }?gl_hop=0`}, expired_url = null where code = 'left'`;
  await links.link({ code: "self", default_url: HOME });
  await sql`update links set default_url = ${at("self")} where code = 'self'`;
  await links.refresh();
  const itself = await links.visit("self");
  assertEquals([itself.status, (await itself.json()).code], [403, "link_blocked"]);

  let code = "left", query = "", hops = 0, location: string | null = null;
  for (; hops < 20; hops++) {
    const answer = await links.visit(code, {}, query);
    location = answer.headers.get("location");
    if (location === null || location === HOME) break;
    const next = new URL(location);
    code = next.pathname.slice(1);
    query = next.search;
  }
  assertEquals([hops, location], [5, HOME], "the sixth goes where it should when a link cannot be used");
});

circleTest("links that lead to no other link cause no database query", async (links) => {
  links.calls.clear();
  await links.link({ default_url: HOME });
  assertEquals(links.calls.get("get_links") ?? 0, 0);
});
