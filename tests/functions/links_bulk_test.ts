/** Many links at once: checked without being created, and changed together. */
import { assert, assertEquals } from "../support/assert.ts";
import { bulkResults, linksChanged } from "../../supabase/functions/_shared/contract/links.ts";
import { type Links, linksTest } from "../support/links.ts";

const HOME = "https://www.example.com/";

const state = async ({ sql }: Links) =>
  (await sql`select code, state, tags, version::int from links order by code`).map((row) => ({ ...row }));

linksTest("POST /bulk with check tells what would be, and creates nothing", async (links) => {
  await links.link({ default_url: HOME, code: "taken" });
  await links.link({ default_url: HOME, external_id: "poster-1" });
  const rows = [
    { default_url: HOME },
    { default_url: HOME, code: "taken" },
    { default_url: HOME, external_id: "poster-1" },
    { default_url: `${HOME}other`, external_id: "poster-1" },
    { default_url: "https://elsewhere.example.org/" },
    { default_url: HOME, code: "fresh" },
    { default_url: HOME, code: "fresh" },
    { default_url: HOME, tilte: "a typo" },
  ];
  const before = await state(links);
  const ask = async (check: boolean) =>
    bulkResults.parse((await links.call("/bulk", { method: "POST", body: { links: rows, check } })).body)
      .results;
  const checked = await ask(true);
  assertEquals(await state(links), before);
  const said = (results: Awaited<ReturnType<typeof ask>>) =>
    results.map((result) => "error" in result ? `${result.status} ${result.error}` : String(result.status));
  assertEquals(said(checked), [
    "201",
    "409 code_taken",
    "200",
    "409 external_id_taken",
    "422 url_not_allowed",
    "201",
    "409 code_taken",
    "422 invalid_request",
  ]);
  assert(checked.every((result) => !("code" in result)), "no code is promised");
  assertEquals(said(await ask(false)), said(checked), "what was said is what happens");
});

linksTest("PATCH /bulk changes state and tags of each, and names those that it cannot", async (links) => {
  for (const [code, tags] of [["aaa", ["x"]], ["bbb", ["x", "y"]], ["ccc", []]] as const) {
    await links.link({ default_url: HOME, code, tags: [...tags] });
  }
  const change = async (body: Record<string, unknown>) => {
    const { status, body: answer } = await links.call("/bulk", { method: "PATCH", body });
    assertEquals(status, 200, JSON.stringify(answer));
    return linksChanged.parse(answer).results;
  };
  const tagged = { codes: ["aaa", "none", "BBB"], add_tags: ["z"], remove_tags: ["x"], state: "disabled" };
  assertEquals(await change(tagged), [
    { status: 200, code: "aaa" },
    { status: 404, error: "link_not_found" },
    { status: 200, code: "bbb" },
  ]);
  const after = [
    { code: "aaa", state: "disabled", tags: ["z"], version: 2 },
    { code: "bbb", state: "disabled", tags: ["y", "z"], version: 2 },
    { code: "ccc", state: "active", tags: [], version: 1 },
  ];
  assertEquals(await state(links), after);
  await change(tagged);
  assertEquals(await state(links), after, "asked for again, nothing changes");

  assertEquals((await change({ codes: ["aaa", "ccc"], state: "deleted" })).map(({ status }) => status), [
    200,
    200,
  ]);
  assertEquals((await change({ codes: ["aaa"], add_tags: ["q"] }))[0], {
    status: 404,
    error: "link_not_found",
  });
  await change({ codes: ["aaa"], state: "active" });
  assertEquals((await state(links)).map(({ code, state }) => `${code} ${state}`), [
    "aaa active",
    "bbb disabled",
    "ccc deleted",
  ]);
  for (const bad of [{ codes: [] }, { codes: ["aaa"], state: "gone" }, { codes: ["aaa"], title: "x" }, []]) {
    assertEquals(
      (await links.call("/bulk", { method: "PATCH", body: bad })).status,
      422,
      JSON.stringify(bad),
    );
  }
});
