/** `gatelink replay` on a real stack. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { verify } from "../supabase/functions/_shared/whatsapp/signature.ts";
import { parse } from "../supabase/functions/_shared/whatsapp/updates.ts";
import {
  body,
  document,
  fails,
  folder,
  gatelink,
  NUMBER,
  PHONE,
  sql,
  stack,
  unique,
  written,
} from "./support/cli.ts";

Deno.test("gatelink replay: files and folders, signed, counted; repeated they are duplicates", async (t) => {
  const prefix = unique("replay");
  const wamids = [1, 2, 3].map((n) => `wamid.${prefix}-${n}`);
  for (const [index, wamid] of wamids.entries()) {
    await written(join(prefix, `${index}.json`), body(wamid, "äöü 😀 \\u00e4"));
  }
  await written(join(prefix, "README.md"), "not a body");
  const dir = join(folder, prefix);

  await t.step("a folder, by name", async () => {
    const result = await document<
      { received: number; stored: number; results: { file: string; status: number }[] }
    >("replay", dir);
    assertEquals([result.received, result.stored], [3, 3]);
    assertEquals(result.results.map(({ file, status }) => [file.slice(-6), status]), [["0.json", 200], [
      "1.json",
      200,
    ], ["2.json", 200]]);
    assertEquals((await sql`select 1 from public.messages where provider_id in ${sql(wamids)}`).length, 3);
  });
  await t.step("again, and a file twice", async () => {
    const { code, out } = await gatelink(["replay", dir, join(dir, "0.json")]);
    assertEquals(code, 0);
    assertMatch(out, /4 bodies to http\S+: 0 failed; 4 received = 0 stored \+ 4 duplicates\n$/);
  });
  await t.step("a path is relative to where the user is", async () => {
    const { code } = await gatelink(["replay", "1.json"], { env: { INIT_CWD: dir } });
    assertEquals(code, 0);
  });
  await t.step("another secret: exit code 1", async () => {
    const { code, out } = await gatelink(["replay", dir, "--secret", "wrong"]);
    assertEquals(code, 1);
    assertMatch(out, /401[^]*signature_invalid[^]*3 failed/);
  });
  await t.step("one of them is no JSON: exit code 1, the others are sent", async () => {
    const broken = await written(`${prefix}-broken.json`, "{");
    const { code, json } = await gatelink(["replay", broken, join(dir, "0.json"), "--json"]);
    const { failed, results } = json() as unknown as {
      failed: number;
      results: { status: number; error?: string }[];
    };
    assertEquals([code, failed, results.map(({ status }) => status)], [1, 1, [400, 200]]);
    assertEquals(results[0].error, "invalid_json");
  });
  await t.step(
    "a redirect is not followed, and when nobody answers any more the rest is not sent",
    async () => {
      let answered = 0;
      const target = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
        answered++;
        setTimeout(() => target.shutdown());
        return new Response(null, { status: 307, headers: { location: stack.url, connection: "close" } });
      });
      const to = ["--to", `http://127.0.0.1:${target.addr.port}`, "--secret", "theirs", "--json"];
      const { code, json } = await gatelink(["replay", dir, ...to]);
      const { stopped, results } = json() as { stopped: boolean; results: { status: number | null }[] };
      assertEquals([code, answered, stopped, results.map(({ status }) => status)], [1, 1, true, [307, null]]);
    },
  );
  await t.step("a folder without any: exit code 2", async () => {
    await fails(["replay", await Deno.makeTempDir({ dir: folder })], 2, "usage", /no .json file/);
  });
  await t.step(
    "to another address without its secret: exit code 2",
    () =>
      fails(["replay", dir, "--to", "http://127.0.0.1:9"], 2, "usage", /app secret/, {
        env: { WHATSAPP_APP_SECRET: "" },
      }),
  );
  await t.step(
    "to nobody: exit code 3",
    () =>
      fails(
        ["replay", dir, "--to", "http://127.0.0.1:9", "--secret", "s"],
        3,
        "stack_unreachable",
        /does not answer/,
      ),
  );
});

Deno.test("gatelink replay --since: what was stored says the same again, here and elsewhere", async (t) => {
  const wamid = `wamid.${unique("since")}`;
  await document("replay", await written(`${wamid}.json`, body(wamid, "again")));
  await document(
    "replay",
    await written(
      `${wamid}-other.json`,
      JSON.stringify({
        object: "whatsapp_business_account",
        entry: [{
          id: "7",
          time: 1_780_000_000,
          changes: [{ field: "account_alerts", value: { alert: wamid } }],
        }],
      }),
    ),
  );

  await t.step("here all are duplicates, and what has no id is left out", async () => {
    const result = await document<{ received: number; stored: number; left_out: { no_id: number } }>(
      "replay",
      "--since",
      "1h",
    );
    assert(result.received > 0 && result.left_out.no_id > 0);
    assertEquals(result.stored, 0);
  });
  await t.step("elsewhere everything arrives, signed", async () => {
    const bodies: string[] = [];
    await using target = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const bytes = await request.bytes();
        assert(verify(bytes, request.headers.get("x-hub-signature-256"), ["theirs"]), "not signed");
        assertEquals(new URL(request.url).pathname, "/functions/v1/wa-webhook");
        bodies.push(new TextDecoder().decode(bytes));
        return Response.json({ received: 1, stored: 1, duplicates: 0 });
      },
    );
    await document(
      "replay",
      "--since",
      "1h",
      "--to",
      `http://127.0.0.1:${target.addr.port}`,
      "--secret",
      "theirs",
    );
    const updates = bodies.flatMap((body) => parse(JSON.parse(body)));
    const again = updates.find((update) => update.wamid === wamid)!;
    assertEquals([again.key, again.body, again.phone, again.name], [
      `m:${NUMBER}:${wamid}:text`,
      "again",
      PHONE,
      "Nora Feld",
    ]);
    assert(
      updates.some(({ field, raw }) => field === "account_alerts" && JSON.stringify(raw).includes(wamid)),
    );
  });
  await t.step("nothing since then", async () => {
    assertMatch((await gatelink(["replay", "--since", "2999-01-01"])).out, /Nothing was stored since then/);
  });
});
