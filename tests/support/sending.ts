/** Messages to send, and what became of them. */
import { assertEquals } from "./assert.ts";
import type { Sql } from "postgres";
import type { Contact } from "../../local/simulator/model.ts";
import { type Edge } from "./edge.ts";
import { until } from "./until.ts";

/** A template message. */
export const TEMPLATE = { type: "template", template: { name: "order_update", language: { code: "en" } } };
/** A text message. */
export const text = (body: string) => ({ type: "text", text: { body } });

/** A message of each type that has a recipient; some answer a message that came in. */
export function messagesOfEachType(inbound: string): Record<string, unknown>[] {
  const media = { link: "https://files.example.com/a" };
  return [
    { type: "text", text: { body: "Hello 🌷", preview_url: true } },
    { ...text("as an answer"), context: { message_id: inbound } },
    TEMPLATE,
    {
      type: "interactive",
      interactive: {
        type: "button",
        body: { text: "Sure?" },
        action: { buttons: [{ type: "reply", reply: { id: "y", title: "Yes" } }] },
      },
    },
    {
      type: "interactive",
      interactive: {
        type: "list",
        body: { text: "Which?" },
        action: {
          button: "Choose",
          sections: [{ rows: [{ id: "1", title: "One", description: "first" }] }],
        },
      },
    },
    {
      type: "interactive",
      interactive: {
        type: "cta_url",
        body: { text: "See" },
        action: { name: "cta_url", parameters: { display_text: "Open", url: "https://example.com/" } },
      },
    },
    {
      type: "interactive",
      interactive: {
        type: "flow",
        body: { text: "Fill in" },
        action: {
          name: "flow",
          parameters: { flow_message_version: "3", flow_cta: "Start", flow_id: "1234567890" },
        },
      },
    },
    { type: "image", image: { ...media, caption: "a picture" } },
    { type: "video", video: media },
    { type: "audio", audio: { id: "1166846181421424", voice: true } },
    { type: "document", document: { ...media, filename: "bill.pdf", caption: "your bill" } },
    { type: "sticker", sticker: { id: "1166846181421425" } },
    { type: "location", location: { latitude: 52.52, longitude: 13.405, name: "Berlin" } },
    {
      type: "contacts",
      contacts: [{ name: { formatted_name: "Ada" }, phones: [{ phone: "+12025550199" }] }],
    },
    { type: "reaction", reaction: { message_id: inbound, emoji: "👍" } },
  ];
}

/** A person who has just written, so that the window is open. */
export async function writer({ meta, says }: Edge, phone = "12025550123"): Promise<Contact> {
  const person = meta.addContact({ name: `Person ${phone.slice(-4)}`, phone });
  await says(person, "hi");
  return person;
}

/** Queues a message that must be taken, and gives its id. */
export async function queued(edge: Edge, message: Record<string, unknown>): Promise<string> {
  const { status, body } = await edge.send(message);
  assertEquals([status, body.status], [202, "queued"], JSON.stringify(body));
  return body.id;
}

/** A queued message and what became of it. */
export interface Row {
  state: string;
  attempt: number;
  error: Record<string, unknown> | null;
  status: string | null;
  provider_id: string | null;
}

/** Reads a queued message; its attempts with those that were put off. */
export async function rowOf(sql: Sql, id: string): Promise<Row> {
  const [row] = await sql<Row[]>`
    select o.state, o.attempt + o.deferred as attempt, o.error, m.status, m.provider_id
    from public.outbound_messages o left join public.messages m on m.id = o.message_id where o.id = ${id}`;
  return { ...row };
}

/** Waits until so many attempts at a message have failed and it waits for the next. */
export async function failedAttempts({ sql }: Edge, id: string, attempts: number): Promise<Row> {
  return await until(`${attempts} failed attempts`, async () => {
    const row = await rowOf(sql, id);
    return row.state === "queued" && row.attempt === attempts ? row : undefined;
  });
}

/** What Meta got, by its words. */
export const received = ({ meta }: Edge) =>
  meta.outbox.messages.map(({ payload }) => (payload.text as { body: string } | undefined)?.body);
