/** An unchanged receiver of Meta's webhooks behind a destination of format meta: `whatsapp-api-js` 6.3.0. */
import { assert, assertEquals } from "../support/assert.ts";
import { WhatsAppAPI } from "whatsapp-api-js";
import { edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { addDestination, addRoute } from "../support/service.ts";
import { bareMessage, canonical, messageBodies } from "../support/whatsapp_bodies.ts";

edgeTest(
  "whatsapp-api-js receives every type of message and every status behind a destination of format meta",
  async (edge) => {
    const { sql, hook, settled, reread } = edge;
    const received: Record<string, unknown>[] = [];
    const statuses: string[] = [];
    let verified = 0, appSecret = "";
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const api = new WhatsAppAPI({ token: KEYS.accessToken, appSecret, v: "v26.0" });
      api.on.message = ({ message }) => void received.push(message as unknown as Record<string, unknown>);
      api.on.status = ({ status }) => void statuses.push(status);
      const body = await request.text();
      try {
        await api.post(JSON.parse(body), body, request.headers.get("x-hub-signature-256") ?? "");
        verified++;
        return new Response();
      } catch (error) {
        return new Response(String(error), { status: 500 });
      }
    });
    try {
      const url = `http://127.0.0.1:${server.addr.port}/webhook`;
      appSecret =
        (await addDestination(sql, "meta", { url }, { format: "meta", events: ["message.*"] })).secret;
      await addRoute(sql, ["meta"]);
      await reread();
      const wanted: string[] = [];
      for (const { body, sent } of messageBodies()) {
        assertEquals((await hook(body)).status, 200);
        wanted.push(...sent.map((message) => canonical(bareMessage(message))));
        // Before the next one, which may withdraw it.
        await settled();
      }
      const types = new Set(received.map(({ type }) => type));
      for (
        const type of [
          "text",
          "image",
          "audio",
          "video",
          "document",
          "sticker",
          "location",
          "contacts",
          "interactive",
          "button",
          "reaction",
          "order",
        ]
      ) assert(types.has(type) || !wanted.some((one) => one.includes(`"type":"${type}"`)), type);
      assert(types.size >= 12, [...types].join());
      // Each message once, whole and as Meta sent it.
      const found = received.map((message) => canonical(JSON.parse(JSON.stringify(message))));
      for (const one of new Set(wanted)) assert(found.includes(one), one);
      const person = edge.meta.addContact({ name: "Ada", phone: "12025550177" });
      await edge.says(person, "hi");
      await settled();
      await edge.send({ to: person.phone, type: "text", text: { body: "hello" } });
      await edge.send({ to: person.phone, type: "text", text: { body: "never arrives" } });
      await settled();
      await edge.meta.settled();
      const [first, second] = edge.meta.outbox.messages.slice(-2).map(({ wamid }) => wamid);
      for (
        const [id, status] of [[first, "read"], [first, "played"], [first, "deleted"], [second, "failed"]]
      ) {
        const timestamp = String(Math.floor(Date.now() / 1000));
        const errors = status === "failed"
          ? { errors: [{ code: 131026, title: "Message undeliverable" }] }
          : {};
        await hook({
          object: "whatsapp_business_account",
          entry: [{
            id: "240011223344556",
            changes: [{
              field: "messages",
              value: {
                messaging_product: "whatsapp",
                metadata: { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id },
                statuses: [{ id, status, timestamp, recipient_id: person.phone, ...errors }],
              },
            }],
          }],
        });
        await settled();
      }
      assertEquals([...new Set(statuses)].toSorted(), [
        ...["deleted", "delivered", "failed", "played", "read", "sent"],
      ]);
      assertEquals(verified, received.length + statuses.length);
    } finally {
      await server.shutdown();
    }
  },
);
