/** Files of several accounts: each call about a file uses the account of its number, with that account's proof. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { fileOf } from "../../local/simulator/media.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { proofOf } from "../../supabase/functions/_shared/channels/whatsapp/graph_call.ts";
import { type Edge, edgeTest, KEYS, NUMBER, SECOND } from "../support/edge.ts";
import { withSecond } from "../support/second_account.ts";
import { until } from "../support/until.ts";

const KEY = { apikey: KEYS.secretKey };
const BYTES = new Uint8Array(50_000).map((_, i) => i * 31 % 251);
const PROOFS = {
  first: proofOf(KEYS.accessToken, KEYS.appSecret),
  second: proofOf(SECOND.accessToken, SECOND.appSecret),
};

/** A person sends a file to a number; the ids of its message and of the file at Meta. */
async function sends(edge: Edge, number: string, phone: string): Promise<{ id: string; mediaId: string }> {
  const { meta, sql } = edge;
  const mediaId = meta.media.add(fileOf(BYTES, "application/pdf", "a.pdf"));
  const person = meta.addContact({ name: "Amina", phone });
  const wamid = meta.userSends(person, { type: "document", document: { id: mediaId } }, number);
  await meta.settled();
  const [{ id }] = await sql`select id from public.messages where provider_id = ${wamid}`;
  return { id, mediaId };
}

/** Status and length of a file that is asked for with a key. */
async function get({ url }: Edge, path: string): Promise<[number, number]> {
  const response = await fetch(`${url}/functions/v1/${path}`, { headers: KEY });
  return [response.status, (await response.arrayBuffer()).byteLength];
}

async function upload({ url }: Edge, path: string) {
  const form = new FormData();
  form.append("messaging_product", "whatsapp");
  form.append("file", new Blob([BYTES], { type: "image/png" }), "plan.png");
  const response = await fetch(`${url}/functions/v1/${path}`, { method: "POST", headers: KEY, body: form });
  return { status: response.status, body: await response.json() };
}

async function remove({ url }: Edge, path: string): Promise<number> {
  const response = await fetch(`${url}/functions/v1/${path}`, { method: "DELETE", headers: KEY });
  await response.body?.cancel();
  return response.status;
}

/** Calls of the Graph API about files from now on, each by the account whose proof it has. */
function proofs({ meta }: Edge): string[] {
  const seen: string[] = [];
  const real = meta.graph.bind(meta);
  meta.graph = (request) => {
    const { pathname, searchParams } = new URL(request.url);
    // The file's own address is not a call of the Graph API.
    if (/\/v[\d.]+\/(?:\d+|\d+\/media)$/.test(pathname)) {
      const proof = searchParams.get("appsecret_proof");
      seen.push(`${request.method} ${proof === PROOFS.first ? 1 : proof === PROOFS.second ? 2 : "none"}`);
    }
    return real(request);
  };
  return seen;
}

edgeTest("files come from the account of the number that received them, with its proof", async (edge) => {
  await withSecond(edge, async () => {
    const first = await sends(edge, NUMBER.id, "12025550111");
    const second = await sends(edge, SECOND.phoneNumberId, "12025550112");
    const seen = proofs(edge);
    const whole: [number, number] = [200, BYTES.length];
    assertEquals([await get(edge, `wa-media/${first.id}`), await get(edge, `wa-media/${second.id}`)], [
      whole,
      whole,
    ]);
    assertEquals(seen, ["GET 1", "GET 2"]);
    // By Meta's id, with the number.
    const at = (numberId: string) => `wa-media/${second.mediaId}?phone_number_id=${numberId}`;
    assertEquals(await get(edge, at(SECOND.phoneNumberId)), whole);
    assertEquals(seen.splice(0), ["GET 1", "GET 2", "GET 2"]);
    // Another account does not have it.
    assertEquals((await get(edge, at(NUMBER.id)))[0], 410);
    // Without a known number, any account may have it.
    for (const query of ["", "?phone_number_id=999999"]) {
      assertEquals(await get(edge, `wa-media/${second.mediaId}${query}`), whole, query);
    }
    assertEquals(seen, ["GET 1", "GET 1", "GET 2", "GET 1", "GET 2"]);
  });
});

edgeTest(
  "media.store: files of every account are stored; a missing token holds its own alone",
  async (edge) => {
    await edge.set({ "media.store": "true" });
    await withSecond(edge, async () => {
      const first = await sends(edge, NUMBER.id, "12025550111");
      const second = await sends(edge, SECOND.phoneNumberId, "12025550112");
      const states = async () =>
        Object.fromEntries(
          (await edge.sql`select message_id, state, error from public.media_files
          where lease is null and attempt > 0`)
            .map(({ message_id, state, error }) => [message_id, `${state}: ${error}`]),
        );
      const work = async (expected: Record<string, string>) => {
        await edge.call("wa-media/worker", { headers: KEY });
        await until("both attempts ended", async () => Object.keys(await states()).length === 2);
        assertEquals(await states(), expected);
      };
      Deno.env.delete("WHATSAPP_ACCESS_TOKEN_SECOND");
      forgetEnv();
      await work({
        [first.id]: "stored: null",
        [second.id]: "pending: WHATSAPP_ACCESS_TOKEN_SECOND: it is not set",
      });
      Deno.env.set("WHATSAPP_ACCESS_TOKEN_SECOND", SECOND.accessToken);
      forgetEnv();
      await edge.sql`update public.media_files set next_attempt_at = now() where state = 'pending'`;
      await edge.call("wa-media/worker", { headers: KEY });
      await until("the second is stored", async () => (await states())[second.id] === "stored: null");
    });
  },
);

edgeTest(
  "an upload goes to the account of each number that sends it, and is deleted at each",
  async (edge) => {
    await withSecond(edge, async () => {
      const { meta, sql } = edge;
      const seen = proofs(edge);
      const { status, body } = await upload(edge, `wa-media?from=${SECOND.phoneNumberId}`);
      assertEquals([status, seen], [201, ["POST 2"]]);
      const phones = { first: "12025550111", second: "12025550112" };
      meta.userSends(meta.addContact({ name: "Ada", phone: phones.first }), "hi");
      meta.userSends(meta.addContact({ name: "Bo", phone: phones.second }), "hi", SECOND.phoneNumberId);
      await meta.settled();
      const send = async (to: string) => {
        const answer = await edge.send({ to, type: "image", image: { id: body.id } });
        await edge.settled();
        const [{ state }] =
          await sql`select state from public.outbound_messages where id = ${answer.body.id}`;
        assertEquals(state, "sent");
        return (meta.outbox.messages.at(-1)!.payload.image as { id: string }).id;
      };
      const ofSecond = await send(phones.second);
      const ofFirst = await send(phones.first);
      assertEquals([await send(phones.first), await send(phones.second)], [ofFirst, ofSecond]);
      assertEquals([seen, ofFirst !== ofSecond], [["POST 2", "POST 1"], true]);
      // Meta has it no more: uploaded again, to the same account.
      meta.media.expire(ofSecond);
      const again = await send(phones.second);
      assertEquals([seen.splice(0), again !== ofSecond], [["POST 2", "POST 1", "POST 2"], true]);

      assertEquals(await remove(edge, `wa-media/${body.id}`), 204);
      assertEquals(seen.toSorted(), ["DELETE 1", "DELETE 2"]);
      assertEquals([meta.media.get(ofFirst), meta.media.get(again)], [undefined, undefined]);
    });
  },
);

edgeTest(
  "wa-graph: files of the second account are found, uploaded and deleted with its token",
  async (edge) => {
    await withSecond(edge, async () => {
      const { meta } = edge;
      const { mediaId } = await sends(edge, SECOND.phoneNumberId, "12025550112");
      const seen = proofs(edge);
      for (const query of ["", `?phone_number_id=${SECOND.phoneNumberId}`]) {
        const found = await edge.call(`wa-graph/v26.0/${mediaId}${query}`, { method: "GET", headers: KEY });
        assertEquals([found.status, found.body.file_size], [200, BYTES.length], query);
        const file = await fetch(found.body.url);
        assertEquals([file.status, (await file.arrayBuffer()).byteLength], [200, BYTES.length], query);
      }
      assertEquals(seen.splice(0), ["GET 1", "GET 2", "GET 1", "GET 2", "GET 2", "GET 2"]);
      const { body } = await upload(edge, `wa-graph/v26.0/${SECOND.phoneNumberId}/media`);
      assertEquals(seen.splice(0), ["POST 2"]);
      assertEquals(await remove(edge, `wa-graph/v26.0/${body.id}`), 200);
      assertEquals(seen.splice(0), ["DELETE 2"]);
      assertEquals(await remove(edge, `wa-graph/v26.0/${mediaId}`), 200);
      assertEquals([seen, meta.media.get(mediaId)], [["DELETE 1", "DELETE 2"], undefined]);
    });
  },
);

edgeTest("without its account's token, a file waits for the token and the answer names it", async (edge) => {
  await withSecond(edge, async () => {
    const { id } = await sends(edge, SECOND.phoneNumberId, "12025550112");
    Deno.env.delete("WHATSAPP_ACCESS_TOKEN_SECOND");
    forgetEnv();
    const { status, body } = await edge.call(`wa-media/${id}`, { method: "GET", headers: KEY });
    assertEquals([status, body.code], [500, "config_invalid"]);
    assertMatch(body.detail, /WHATSAPP_ACCESS_TOKEN_SECOND/);
  });
});

edgeTest("a proof that Meta refuses is left out of calls about files, uploads too", async (edge) => {
  const other = "secret-of-the-webhooks-app";
  const before = Deno.env.get("WHATSAPP_APP_SECRET")!;
  const { id } = await sends(edge, NUMBER.id, "12025550111");
  const renewed = "token-of-another-app";
  const real = edge.meta.graph.bind(edge.meta);
  // Another token, so that nothing is known of its proof; Meta knows it as the first account's.
  edge.meta.graph = async (request) => {
    const headers = new Headers(request.headers);
    if (headers.get("authorization") === `Bearer ${renewed}`) {
      headers.set("authorization", `Bearer ${KEYS.accessToken}`);
    }
    const body = request.body === null ? undefined : await request.arrayBuffer();
    return await real(new Request(request.url, { method: request.method, headers, body }));
  };
  Deno.env.set("WHATSAPP_APP_SECRET", other);
  Deno.env.set("WHATSAPP_ACCESS_TOKEN", renewed);
  forgetEnv();
  try {
    const { status, body } = await upload(edge, `wa-media?from=${NUMBER.id}`);
    assertEquals(status, 201);
    const [known] = await edge
      .sql`select media_id from public.media_provider_ids where upload_id = ${body.id}`;
    assert(known !== undefined, "Meta has the upload");
    assertEquals(await get(edge, `wa-media/${id}`), [200, BYTES.length]);
  } finally {
    Deno.env.set("WHATSAPP_APP_SECRET", before);
    Deno.env.set("WHATSAPP_ACCESS_TOKEN", KEYS.accessToken);
    forgetEnv();
  }
});
