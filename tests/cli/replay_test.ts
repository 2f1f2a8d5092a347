/** `gatelink replay` on a real stack. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { join } from "node:path";
import { verify } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { parse } from "../../supabase/functions/_shared/channels/whatsapp/inbound/updates.ts";
import {
  body,
  document,
  fails,
  folder,
  gatelink,
  NOBODY,
  PHONE,
  sql,
  stack,
  unique,
  written,
} from "../support/cli.ts";

Deno.test("gatelink replay: sends files and folders, signed and counted; a second run gives duplicates", async (t) => {
  const name = unique("replay");
  const dir = join(folder, name);
  const wamids = [0, 1, 2].map((n) => `wamid.${name}-${n}`);
  for (const [n, wamid] of wamids.entries()) {
    await written(`${name}/${n}.json`, body(wamid, "äöü 😀 \\u00e4"));
  }
  await written(`${name}/README.md`, "not a body");

  await t.step("a folder, by name", async () => {
    const result = await document(`replay ${dir}`);
    assertEquals([result.received, result.stored, result.failed], [3, 3, 0]);
    assertEquals(
      result.results.map(({ file, status }: { file: string; status: number }) => [file, status]),
      [0, 1, 2].map((n) => [join(dir, `${n}.json`), 200]),
    );
    const [{ n }] = await sql`select count(*)::int as n from public.messages where provider_id in ${
      sql(wamids)
    }`;
    assertEquals(n, 3);
  });
  await t.step("again, and a file twice", async () => {
    const { code, out } = await gatelink(`replay ${dir} ${dir}/0.json`);
    assertEquals(code, 0);
    assertMatch(out, /4 bodies to http\S+: 0 failed; 4 received = 0 stored \+ 4 duplicates\n$/);
  });
  await t.step("a path is relative to where the user is", async () => {
    assertEquals((await gatelink("replay 1.json", { env: { INIT_CWD: dir } })).code, 0);
  });
  await t.step("signed with another secret: exit code 1", async () => {
    const { code, out } = await gatelink(`replay ${dir} --secret wrong`);
    assertEquals(code, 1);
    assertMatch(out, /401[^]*signature_invalid[^]*3 failed/);
  });
  await t.step("one of them is no JSON: exit code 1, the others are sent", async () => {
    const broken = await written(`${name}-broken.json`, "{");
    const { code, json } = await gatelink(`replay ${broken} ${dir}/0.json --json`);
    const { failed, results } = json();
    assertEquals([code, failed], [1, 1]);
    assertEquals([results[0].status, results[0].error, results[1].status], [400, "invalid_json", 200]);
  });
  await t.step(
    "a redirect is not followed, and when nobody answers any more the rest is not sent",
    async () => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      let redirects = 0;
      const answered = (async () => {
        for await (using connection of listener) {
          // Only the first is answered. The port stays ours: somebody else could take it, and answer.
          if (redirects++ > 0) continue;
          await connection.read(new Uint8Array(65_536));
          const head = `HTTP/1.1 307 Temporary Redirect\r\nlocation: ${stack.url}\r\nconnection: close\r\n`;
          await connection.write(new TextEncoder().encode(`${head}content-length: 0\r\n\r\n`));
        }
      })();
      const { code, json } = await gatelink(
        `replay ${dir} --to http://127.0.0.1:${listener.addr.port} --secret theirs --json`,
      );
      const { stopped, results } = json();
      listener.close();
      await answered;
      const statuses = results.map(({ status }: { status: number | null }) => status);
      assertEquals([code, stopped, statuses], [1, true, [307, null]]);
    },
  );
  await t.step("a folder without any: exit code 2", async () => {
    await fails(`replay ${await Deno.makeTempDir({ dir: folder })}`, 2, "usage", /no .json file/);
  });
  await t.step(
    "to another address without its secret: exit code 2",
    () =>
      fails(`replay ${dir} --to ${stack.url}`, 2, "usage", /app secret/, {
        env: { WHATSAPP_APP_SECRET: "" },
      }),
  );
  await t.step("to nobody: exit code 3", async () => {
    await fails(`replay ${dir} --secret s --to ${NOBODY}`, 3, "stack_unreachable", /does not answer/);
  });
});

Deno.test("gatelink replay --since: stored updates are replayed unchanged, here and elsewhere", async (t) => {
  const wamid = `wamid.${unique("since")}`;
  await document(`replay ${await written(`${wamid}.json`, body(wamid, "again"))}`);
  const alert = {
    object: "whatsapp_business_account",
    entry: [{
      id: "7",
      time: 1_780_000_000,
      changes: [{ field: "account_alerts", value: { alert: wamid } }],
    }],
  };
  await document(`replay ${await written(`${wamid}-alert.json`, JSON.stringify(alert))}`);

  await t.step("here all are duplicates, and what has no id is left out", async () => {
    const result = await document("replay --since 1h");
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
    await document(`replay --since 1h --to http://127.0.0.1:${target.addr.port} --secret theirs`);
    const updates = bodies.flatMap((body) => parse(JSON.parse(body)));
    const again = updates.find((update) => update.provider_id === wamid)!;
    assertEquals(again.key, `m:${stack.whatsapp.phoneNumberId}:${wamid}:text`);
    assertEquals([again.body, again.name], ["again", "Nora Feld"]);
    assertEquals(again.identities, [{ kind: "phone", value: PHONE, previous: undefined }]);
    assert(
      updates.some(({ field, raw }) => field === "account_alerts" && JSON.stringify(raw).includes(wamid)),
    );
  });
  await t.step("nothing since then", async () => {
    assertMatch((await gatelink("replay --since 2999-01-01")).out, /Nothing has been stored since then/);
  });
});
