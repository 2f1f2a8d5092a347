import { assertEquals } from "../../../../tests/support/assert.ts";
import type { MaskedWaiting } from "../contract/answers/masking.ts";
import type { WaitingConversation } from "../contract/answers/pipeline.ts";
import type { Rpc } from "../db/client.ts";
import type { OrgFlags } from "../masking/flags.ts";
import { createMasker, decideMasked } from "./relaying.ts";

const flag = (value: boolean) => ({ value, from: "setting" }) as const;
const ON: OrgFlags = { core: flag(true), proactive: flag(true), sitter: flag(true) };
const leg = (id: string, role: "client" | "sitter") =>
  ({ id, threadId: "t", contactId: role, role, numberId: "n", optedOut: false }) as const;
const CLIENT = leg("c", "client"), SITTER = leg("s", "sitter");

function waiting(
  texts: readonly (Partial<MaskedWaiting["messages"][number]> & { from?: "client" | "sitter" })[],
  more: Partial<MaskedWaiting> = {},
): MaskedWaiting {
  return {
    conversation_id: "k",
    org_id: "o",
    countries: ["US"],
    zone: "UTC",
    own_numbers: [],
    earlier: [],
    messages: texts.map(({ from = "client", ...text }, i) => ({
      id: `m${i}`,
      at: "2026-11-30T12:00:00Z",
      text: "hello",
      keyword: null,
      is_group: false,
      is_phone: true,
      media: [],
      contactId: from,
      numberClass: "pool",
      fromOurs: false,
      senderLegs: [from === "client" ? CLIENT : SITTER],
      pastThreadId: null,
      thread: {
        id: "t",
        numberClass: "pool",
        live: true,
        legs: [CLIENT, SITTER],
        windows: [{ legId: "s", state: "active", from: "2026-11-30T11:00:00Z" }],
      },
      ...text,
    })),
    ...more,
  };
}

const url = (id: string, file: number) => `https://files.example.com/${id}/${file}`;
const decided = (one: MaskedWaiting, flags = ON) =>
  decideMasked(one, "12025550143", flags, url).map(({ outcome, reason }) => `${outcome} ${reason}`);

Deno.test("decideMasked(): the kind of a text decides before anything else is asked", () => {
  assertEquals(
    decided(waiting([{}, { keyword: "stop" }, { is_group: true }, { is_phone: false }, { fromOurs: true }])),
    ["leg relayed", "held keyword", "owner_inbox group", "owner_inbox short_code", "held loop"],
  );
  assertEquals(decided(waiting([{}]), { ...ON, core: flag(false) }), ["held off"]);
});

Deno.test("decideMasked(): a picture goes by our own address, and a contact card is a number", () => {
  const [picture, card] = decideMasked(
    waiting([{ text: null, media: ["image/jpeg", null] }, { text: "here", media: ["text/x-vcard"] }]),
    null,
    ON,
    url,
  );
  assertEquals(picture.message?.media, ["https://files.example.com/m0/0", "https://files.example.com/m0/1"]);
  assertEquals([card.outcome, card.types, card.findings[0].rule], ["blocked", ["phone"], "contact_card"]);
});

Deno.test("decideMasked(): what came before in the same batch is read with a text, and what was sent long before is not", () => {
  const parts = waiting([{ text: "call me:" }, { text: "202 555" }, { text: "0190" }]);
  assertEquals(decided(parts).at(-1), "blocked anti_poaching");
  assertEquals(decided(waiting([{ text: "0190" }], { earlier: ["call me:", "202 555"] })), [
    "blocked anti_poaching",
  ]);
  assertEquals(decided(waiting([{ text: "0190" }])), ["leg relayed"]);
});

Deno.test("createMasker(): asks nothing where no text waits, and takes only what belongs to organisations", async () => {
  const calls: string[] = [];
  const rpc = ((name: string) => {
    calls.push(name);
    return Promise.resolve(
      name === "masked_waiting" ? [waiting([{}])] : {
        decided: 1,
        queued: 1,
        stale: [],
        relayed: [{ message_id: "m0", org_id: "o", thread_id: "t", outcome: "leg", reason: "relayed" }],
      },
    );
  }) as unknown as Rpc;
  const told: unknown[] = [];
  const mask = createMasker({
    rpc,
    flagsFor: () => Promise.resolve(ON),
    mediaUrl: url,
    onRelayed: (fields) => told.push(fields),
  });
  const conversation = (id: string, channel: string) => ({ id, channel, phone: null }) as WaitingConversation;
  assertEquals((await mask([conversation("w", "whatsapp")], 1)).taken.size, 0);
  assertEquals(calls, []);
  const masked = await mask([conversation("k", "sms"), conversation("other", "sms")], 1);
  assertEquals([[...masked.taken], masked.decided, masked.queued, masked.again], [["k"], 1, 1, false]);
  assertEquals(told, [{ messageId: "m0", orgId: "o", threadId: "t", decision: "leg", reason: "relayed" }]);
});
