import { assert, assertEquals, assertMatch } from "../../tests/support/assert.ts";
import { createSimulator, type Simulator, type SimulatorOptions } from "./mod.ts";
import { CALM, type Contact } from "./model.ts";
import { callGraph, OPTIONS } from "./testing.ts";

const ORIGIN = "http://127.0.0.1:54321";

/** Runs a test on a simulator whose webhook always answers 200. */
async function withSimulator(
  test: (simulator: Simulator) => Promise<void>,
  options: Partial<SimulatorOptions> = {},
): Promise<void> {
  const receive: typeof fetch = () => Promise.resolve(new Response(null, { status: 200 }));
  const simulator = createSimulator({
    ...{ ...OPTIONS, webhookUrl: `${ORIGIN}/hook`, fetch: receive },
    ...options,
  });
  try {
    await test(simulator);
  } finally {
    simulator.stop();
  }
}

const get = (simulator: Simulator, path: string, headers: HeadersInit = {}) =>
  simulator.fetch(new Request(`${ORIGIN}${path}`, { headers }));

const post = (simulator: Simulator, path: string, body: unknown, headers: HeadersInit = {}) =>
  simulator.fetch(
    new Request(`${ORIGIN}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );

Deno.test("createSimulator: serves every file that the page names, with a type and a policy", async () => {
  await withSimulator(async (simulator) => {
    const found = new Set<string>();
    const wanted = [""];
    for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
      if (found.has(name)) continue;
      found.add(name);
      const response = await get(simulator, `/simulator/${name}`);
      assertEquals(response.status, 200, name);
      const type = response.headers.get("content-type")!;
      const text = await response.text();
      assertMatch(
        response.headers.get("content-security-policy")!,
        /^default-src 'self';.* frame-ancestors 'none'$/,
      );
      assertEquals(response.headers.get("x-frame-options"), "DENY");
      if (type.startsWith("text/html")) {
        assert(!/<script>|<style>| on\w+=| style=/.test(text), "nothing inline");
        for (const [, link] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
          if (!["outbox", "sendgrid/mails", "twilio/texts", "telegram/chats"].includes(link)) {
            wanted.push(link);
          }
        }
      }
      if (type.startsWith("text/css")) {
        for (const [, link] of text.matchAll(/@import "(.+?)"/g)) wanted.push(link);
      }
      if (type.startsWith("text/javascript")) {
        for (const [, link] of text.matchAll(/from "\.\/(.+?)"/g)) wanted.push(link);
      }
    }
    for (const { name } of Deno.readDirSync(new URL("./page", import.meta.url))) {
      assert(found.has(name.replace(/\.html$/, "")) || name === "index.html", `${name} is used`);
    }
    assertEquals((await get(simulator, "/simulator")).headers.get("location"), "/simulator/");
    assertEquals((await get(simulator, "/simulator/mod.ts")).status, 404);
    assertEquals((await get(simulator, "/simulator/..%2fmod.ts")).status, 404);
    assertEquals((await get(simulator, "/elsewhere")).status, 404);
  });
});

Deno.test("createSimulator: a person writes, the business answers, and the outbox lists it", async () => {
  await withSimulator(async (simulator) => {
    const contact =
      await (await post(simulator, "/simulator/api/contacts", { name: "Bo", phone: "4520123456" })).json();
    const { wamid } =
      await (await post(simulator, "/simulator/api/send", { contact: contact.id, message: "hi" })).json();
    assertMatch(wamid, /^wamid\./);
    await simulator.meta.settled();
    assertEquals(simulator.meta.acknowledged.map(({ wamid }) => wamid), [wamid]);
    const answer = await post(
      simulator,
      `/simulator/graph/v23.0/${OPTIONS.phoneNumberId}/messages`,
      { messaging_product: "whatsapp", to: contact.phone, type: "text", text: { body: "hello" } },
      { authorization: `Bearer ${OPTIONS.accessToken}` },
    );
    const [{ id }] = (await answer.json()).messages;
    const outbox = await (await get(simulator, "/simulator/outbox")).json();
    assertEquals(
      outbox.messages.map(({ wamid, to, type }: Record<string, string>) => ({ wamid, to, type })),
      [
        { wamid: id, to: contact.phone, type: "text" },
      ],
    );
    assertEquals(outbox.receipts, []);
  });
});

Deno.test("createSimulator: a refusal is a 400 with a sentence", async () => {
  await withSimulator(async (simulator) => {
    for (
      const [path, body, sentence] of [
        ["contacts", { name: "" }, /name/],
        ["contacts", { name: 5 }, /name/],
        ["send", { contact: "nobody", message: "hi" }, /no contact nobody/],
        ["send", { contact: simulator.meta.contacts[0].id, message: null }, /a message has a type/],
        ["settings", { batch: -1 }, /batch/],
        ["settings", "[]", /not an object/],
        ["settings", "{", /not JSON/],
      ] as const
    ) {
      const response = await post(simulator, `/simulator/api/${path}`, body);
      assertEquals(response.status, 400, path);
      assertMatch((await response.json()).error, sentence);
    }
  });
});

Deno.test("createSimulator: answers only this machine, and no foreign page", async () => {
  await withSimulator(async (simulator) => {
    const foreign = await simulator.fetch(new Request("http://rebound.example/simulator/outbox"));
    assertEquals(foreign.status, 403);
    assertEquals((await get(simulator, "/simulator/outbox", { origin: "https://evil.example" })).status, 403);
    assertEquals((await get(simulator, "/simulator/outbox", { origin: "null" })).status, 403);
    assertEquals((await get(simulator, "/simulator/outbox", { "sec-fetch-site": "cross-site" })).status, 403);
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    assertEquals((await get(simulator, "/simulator/", link)).status, 200);
    assertEquals((await get(simulator, "/simulator/outbox", { origin: ORIGIN })).status, 200);
    // A form of a foreign page can send text without asking first, so text is not taken.
    const form = { "content-type": "text/plain" };
    const sent = await post(simulator, "/simulator/api/settings", { batch: 2 }, form);
    assertEquals([sent.status, simulator.meta.settings.batch], [400, 1]);
  });
});

Deno.test("createSimulator: events begin with the state and report each change until the end", async () => {
  await withSimulator(async (simulator) => {
    const response = await get(simulator, "/simulator/api/events");
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => JSON.parse((await reader.read()).value!.slice("data: ".length));
    const state = await next();
    assertEquals([state.type, state.business, state.contacts.length], ["state", OPTIONS.displayNumber, 3]);
    const wamid = simulator.meta.userSends(simulator.meta.contacts[0], "hi");
    const told = await next();
    assertEquals([told.type, told.message.wamid, told.message.progress], ["message", wamid, "sent"]);
    let last = told;
    while (last.message?.progress !== "delivered") last = await next();
    simulator.stop();
    let done = false;
    while (!done) ({ done } = await reader.read());
  });
});

Deno.test("createSimulator: a reset restores the initial people, and open pages are notified", async () => {
  await withSimulator(async (simulator) => {
    const { meta } = simulator;
    const names = () => meta.contacts.map(({ name }) => name);
    const newcomers = names();
    const phone = "4915100004711";
    meta.userSends(meta.addContact({ name: "Ada", phone }), "hello");
    await post(simulator, "/simulator/api/settings", { statusDelayMs: 60_000 });
    await callGraph(meta, { to: phone, type: "text", text: { body: "its status would come in a minute" } });
    const events = await get(simulator, "/simulator/api/events");
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();

    assertEquals((await post(simulator, "/simulator/api/reset", {})).status, 200);
    assertEquals([names(), meta.messages, meta.pending], [newcomers, [], 0]);
    assertEquals([meta.posts, meta.calls, meta.settings], [[], [], CALM]);
    let told = "";
    while (!/"type":"state"/.test(told)) told = (await reader.read()).value!;
    const state = JSON.parse(told.slice(told.lastIndexOf("data: ") + "data: ".length));
    assertEquals([state.contacts.length, state.messages], [newcomers.length, []]);
    // What was taken is free, and everything goes on.
    meta.userSends(meta.addContact({ name: "Ada again", phone }), "hello");
    await meta.settled();
    assertEquals(meta.messages.map(({ progress }) => progress), ["delivered"]);
  });
});

Deno.test("createSimulator: 24 hours pass for one conversation on both sides, or on neither", async () => {
  const aged: unknown[] = [];
  let isAway = false;
  const business = {
    age: ({ name }: Contact, number: string, ms: number) => {
      if (isAway) return Promise.reject(new RangeError("the database is away"));
      return Promise.resolve(void aged.push([name, number, ms]));
    },
    panelUrl: () => Promise.resolve(undefined),
  };
  await withSimulator(async (simulator) => {
    const { meta } = simulator;
    const [amina, daniel] = meta.contacts;
    const text = { type: "text", text: { body: "hello" } };
    const statuses = async () =>
      await Promise.all(
        [amina, daniel].map(async ({ phone }) => (await callGraph(meta, { to: phone, ...text })).status),
      );
    for (const person of [amina, daniel]) meta.userSends(person, "hi");
    const pass = (body: unknown) => post(simulator, "/simulator/api/pass", body);
    isAway = true;
    assertEquals((await pass({ contact: amina.id })).status, 400);
    assertEquals(await statuses(), [200, 200]);
    isAway = false;
    assertEquals(await (await pass({ contact: amina.id })).json(), { hours: 24 });
    assertEquals(aged, [[amina.name, OPTIONS.phoneNumberId, 24 * 3_600_000]]);
    assertEquals(await statuses(), [400, 200]);
    for (const hours of [0, -1, "1", 1e6]) {
      assertEquals((await pass({ contact: amina.id, hours })).status, 400);
    }
    assertEquals((await pass({ contact: "nobody" })).status, 400);
    assertEquals((await pass({ contact: amina.id, number: "1" })).status, 400);
    assertEquals(aged.length, 1);
  }, { business });
});

Deno.test("createSimulator: a conversation opens in the panel once the business knows it", async () => {
  let known: string | undefined;
  const business = { age: () => Promise.resolve(), panelUrl: () => Promise.resolve(known) };
  await withSimulator(async (simulator) => {
    const [{ id }] = simulator.meta.contacts;
    const open = () => get(simulator, `/simulator/panel?contact=${id}&number=${OPTIONS.phoneNumberId}`);
    const early = await open();
    assertEquals(early.status, 400);
    assertMatch((await early.json()).error, /no message of Amina Diallo yet/);
    known = "/admin/#/messages?conversation=1";
    const response = await open();
    assertEquals([response.status, response.headers.get("location")], [302, known]);
    assertEquals((await get(simulator, "/simulator/panel?contact=nobody")).status, 400);
  }, { business });
});

Deno.test("createSimulator: media can be looked up and fetched by the webhook's id", async () => {
  await withSimulator(async (simulator) => {
    simulator.meta.userSends(simulator.meta.contacts[0], { type: "image", image: { id: "900000000000001" } });
    const { image } = simulator.meta.messages[0].message as { image: Record<string, string> };
    const headers = { authorization: `Bearer ${OPTIONS.accessToken}` };
    const graph = await get(simulator, `/simulator/graph/v23.0/${image.id}`, headers);
    const { url, mime_type, sha256, file_size } = await graph.json();
    assertEquals(mime_type, image.mime_type);
    assertEquals((await simulator.fetch(new Request(url))).status, 401);
    const file = await simulator.fetch(new Request(url, { headers }));
    const bytes = await file.arrayBuffer();
    assertEquals([bytes.byteLength, file.headers.get("content-type")], [file_size, "image/jpeg"]);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    // Meta's webhooks have hashes in base64, its answers in hexadecimal.
    assertEquals(btoa(String.fromCharCode(...hash)), image.sha256);
    assertEquals([...hash].map((byte) => byte.toString(16).padStart(2, "0")).join(""), sha256);
    const shown = await (await get(simulator, new URL(image.url).pathname, {})).arrayBuffer();
    assertEquals(shown.byteLength, file_size);
  });
});

Deno.test("createSimulator: files of people and of the business have ids that expire", async () => {
  await withSimulator(async (simulator) => {
    const headers = { authorization: `Bearer ${OPTIONS.accessToken}` };
    const at = (path: string) => `/simulator/graph/v26.0/${path}`;
    const post = (path: string, init: RequestInit) =>
      simulator.fetch(new Request(`http://127.0.0.1${path}`, { method: "POST", ...init }));
    const octets = { "content-type": "application/octet-stream" };
    const added = await post("/simulator/api/media?type=audio/ogg&name=voice.ogg", {
      headers: octets,
      body: new Uint8Array([1, 2, 3]),
    });
    const { id } = await added.json();
    simulator.meta.userSends(simulator.meta.contacts[0], { type: "audio", audio: { id, voice: true } });
    const said = simulator.meta.messages.at(-1)!.message.audio as Record<string, unknown>;
    assertEquals([said.mime_type, said.voice], ["audio/ogg; codecs=opus", true]);
    assertEquals((await post("/simulator/api/media", { body: "{}" })).status, 400);

    const upload = (file: Blob) => {
      const body = new FormData();
      body.append("messaging_product", "whatsapp");
      body.append("file", file, "a");
      return post(at(`${OPTIONS.phoneNumberId}/media`), { headers, body });
    };
    const uploaded = await (await upload(new Blob(["%PDF"], { type: "application/pdf" }))).json();
    assertEquals((await get(simulator, at(uploaded.id), headers)).status, 200);
    assertEquals((await upload(new Blob(["x"], { type: "text/html" }))).status, 400);
    assertEquals((await upload(new Blob([new Uint8Array(6 << 20)], { type: "image/png" }))).status, 400);

    const deleted = await simulator.fetch(
      new Request(`http://127.0.0.1${at(uploaded.id)}`, { method: "DELETE", headers }),
    );
    assertEquals(await deleted.json(), { success: true });
    const { error } = await (await get(simulator, at(uploaded.id), headers)).json();
    assertEquals([error.code, error.error_subcode], [100, 33]);
    const sent = await post(at(`${OPTIONS.phoneNumberId}/messages`), {
      headers,
      body: JSON.stringify({
        messaging_product: "whatsapp",
        to: simulator.meta.contacts[0].phone,
        type: "document",
        document: { id: uploaded.id },
      }),
    });
    assertEquals(sent.status, 400);
  });
});
