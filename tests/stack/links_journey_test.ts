/**
 * The closed loop on a whole local stack: a QR code is scanned, the link tapped, the message sent in the simulator; it
 * arrives at a service with its link and attribution, and the figures show it.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import postgres from "postgres";
import { untilAll } from "../../cli/core/functions_state.ts";
import { join } from "../../lib/paths.ts";
import { testSession } from "../support/gatelink.ts";
import { rasterize, readQr } from "../support/qr.ts";
import { addDestination, addRoute, isSigned, startService } from "../support/service.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const PHONE = {
  "user-agent":
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
};

interface Person {
  id: string;
  name: string;
  phone?: string;
}

/** Who is in the simulator. */
async function people(url: string): Promise<Person[]> {
  const events = await fetch(`${url}/simulator/api/events`);
  const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n\n")) {
    const { value, done } = await reader.read();
    assert(!done, `the stream ended after ${text}`);
    text += value;
  }
  await reader.cancel();
  return JSON.parse(text.slice("data: ".length, text.indexOf("\n\n"))).contacts;
}

/** What a phone does with a QR code: reads it, opens the address, and has WhatsApp open with what it is told. */
async function scan(qrUrl: string): Promise<{ number: string; text: string }> {
  const svg = await (await fetch(qrUrl)).text();
  const { pixels, size } = rasterize(svg);
  const link = readQr(pixels, size, size);
  if (link === null) throw new Error("no QR code to be seen");
  const visit = await fetch(link, { headers: PHONE, redirect: "manual" });
  await visit.body?.cancel();
  assertEquals(visit.status, 302);
  const chat = new URL(visit.headers.get("location")!);
  assertEquals(chat.origin, "https://wa.me");
  return { number: chat.pathname.slice(1), text: chat.searchParams.get("text")! };
}

async function send(url: string, person: Person, message: unknown): Promise<void> {
  const response = await fetch(`${url}/simulator/api/send`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ contact: person.id, message }),
  });
  assertEquals(response.status, 200, await response.text());
}

async function stats(stack: RunningStack, code: string) {
  const response = await fetch(`${stack.url}/functions/v1/deeplinks/${code}/stats`, {
    headers: { apikey: stack.stack.secretKey },
  });
  assertEquals(response.status, 200);
  return await response.json();
}

Deno.test("a link's journey: scanned, tapped, sent; the message has link and attribution, and the figures show it", async () => {
  const stack = await startStack();
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  await using service = startService();
  const api = await testSession({ env: { GATELINK_STACK: join(stack.dir, "stack.json") } }).api();
  try {
    const destination = await addDestination(sql, "posters", service);
    await addRoute(sql, ["posters"], { type: "link", tags: ["poster"] }, { priority: 1 });
    const [{ revision }] = await sql`select revision::float8 as revision from private.config_revision`;
    const made = await fetch(`${stack.url}/functions/v1/deeplinks`, {
      method: "POST",
      headers: { apikey: stack.stack.secretKey },
      body: JSON.stringify({
        code: "spring-bread",
        whatsapp: { phone_number_id: stack.stack.whatsapp.phoneNumberId, text: "Ein Brot, bitte! 🍞" },
        default_url: `${stack.url}/simulator/`,
        tags: ["poster"],
        utm: { campaign: "spring" },
        external_id: "poster-1",
      }),
    });
    assertEquals(made.status, 201);
    const { url, qr_url } = await made.json();
    assertEquals(url, `${stack.url}/l/spring-bread`);
    const [first, second] = await people(stack.url);

    const { number, text } = await scan(qr_url);
    const [{ display_number }] = await sql`select display_number from public.wa_numbers`;
    assertEquals(number, display_number.replace(/\D/g, ""));
    assertMatch(text, /^Ein Brot, bitte! 🍞\n\n\[ref:[a-z2-7]{16}\]$/);
    const token = /\[ref:(.*)\]/.exec(text)![1];
    await untilAll(
      api.stack,
      "wa_router.enabled",
      (state) => (state.config_revision ?? 0) >= revision,
      60_000,
    );
    await send(stack.url, first, text);

    const delivered = await until("the message at the service", () => service.received[0]);
    assert(isSigned(delivered, destination.secret));
    const { data } = delivered.event;
    assertEquals(data.message.text, "Ein Brot, bitte! 🍞");
    assertEquals(data.link, {
      code: "spring-bread",
      external_id: "poster-1",
      tags: ["poster"],
      campaign: "spring",
      utm: { campaign: "spring" },
    });
    const { confidence, reason, first_touch, clicked_at } = data.attribution;
    assertEquals([confidence, reason, first_touch, data.attribution.token], ["exact", "first", true, token]);
    assert(Math.abs(Date.parse(clicked_at) - Date.now()) < 60_000);

    // Somebody else got the message forwarded, and sends it too: it is told, and takes nothing from the first.
    await send(stack.url, second, { type: "text", text: { body: text }, context: { forwarded: true } });
    const forwarded = await until("the forwarded message", () => service.received[1]);
    assertEquals(forwarded.event.data.message.text, "Ein Brot, bitte! 🍞");
    assertEquals([forwarded.event.data.attribution.confidence, forwarded.event.data.link.code], [
      "low",
      "spring-bread",
    ]);

    // A preview in a chat is no visit of a person.
    await (await fetch(url, { headers: { "user-agent": "WhatsApp/2.24.20.78 A" }, redirect: "manual" })).body
      ?.cancel();
    const figures = await until("the figures", async () => {
      const figures = await stats(stack, "spring-bread");
      return figures.clicks.preview === 1 && figures.attributions.total === 2 ? figures : undefined;
    });
    assertEquals(figures.clicks, { human: 1, bot: 0, preview: 1, prefetch: 0, own: 0 });
    assertEquals(figures.visitors, 1);
    assertEquals(figures.attributions, { total: 2, first_touch: 2, by_confidence: { exact: 1, low: 1 } });
    assertEquals([figures.platforms, figures.targets], [{ android: 1 }, { whatsapp: 1 }]);
  } finally {
    await sql.end();
    await stack.stop();
  }
});
