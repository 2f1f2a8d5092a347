import { assert, assertEquals, fail } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { checkMessage, wordsOf } from "./outbound.ts";
import { checkRequest } from "./request.ts";
import { holds } from "../../../../../../tests/support/property.ts";

const button = (id: string, title: string) => ({ type: "reply", reply: { id, title } });
const interactive = (interactive: Record<string, unknown>) => ({ type: "interactive", interactive });
const list = (sections: unknown[], more = {}) =>
  interactive({ type: "list", body: { text: "Which?" }, action: { button: "Show", sections }, ...more });
const buttons = (...all: unknown[]) =>
  interactive({ type: "button", body: { text: "Sure?" }, action: { buttons: all } });
const row = (id: string, more = {}) => ({ id, title: id, ...more });

/** One of each, as Meta's pages show them, and the words that people read. */
const VALID: [string, Record<string, unknown>, string?][] = [
  ["text", { type: "text", text: { body: "Hello", preview_url: true } }, "Hello"],
  ["text with 4,096 emoji", { type: "text", text: { body: "🌷".repeat(4096) } }, "🌷".repeat(4096)],
  ["reply", { type: "text", text: { body: "Yes" }, context: { message_id: "wamid.1" } }, "Yes"],
  [
    "template",
    { type: "template", template: { name: "order_ready", language: { code: "en_US" } } },
    "[order_ready]",
  ],
  ["template with components", {
    type: "template",
    template: {
      name: "order_ready",
      language: { code: "en", policy: "deterministic" },
      components: [
        { type: "header", parameters: [{ type: "image", image: { id: "1" } }] },
        { type: "body", parameters: [{ type: "text", parameter_name: "name", text: "Nora" }] },
        {
          type: "button",
          sub_type: "quick_reply",
          index: "0",
          parameters: [{ type: "payload", payload: "p" }],
        },
        { type: "carousel", cards: [] },
      ],
    },
  }, "[order_ready]"],
  ["reply buttons", buttons(button("y", "Yes"), button("n", "No"), button("m", "Maybe")), "Sure?"],
  ["list", list([{ rows: [row("a", { description: "first" }), row("b")] }]), "Which?"],
  [
    "list of two sections",
    list([{ title: "One", rows: [row("a")] }, { title: "Two", rows: [row("b")] }]),
    "Which?",
  ],
  [
    "URL button",
    interactive({
      type: "cta_url",
      header: { type: "image", image: { link: "https://example.com/a.png" } },
      body: { text: "Dates" },
      footer: { text: "subject to change" },
      action: { name: "cta_url", parameters: { display_text: "See dates", url: "https://example.com/d" } },
    }),
    "Dates",
  ],
  [
    "flow",
    interactive({
      type: "flow",
      body: { text: "Book" },
      action: {
        name: "flow",
        parameters: { flow_message_version: "3", flow_id: "1", flow_cta: "Book", flow_action: "navigate" },
      },
    }),
    "Book",
  ],
  [
    "location request",
    interactive({
      type: "location_request_message",
      body: { text: "Where?" },
      action: { name: "send_location" },
    }),
    "Where?",
  ],
  ["interactive of a type yet unknown", interactive({ type: "hologram", action: { name: "show" } })],
  [
    "product list",
    interactive({ type: "product_list", body: { text: "Our" }, action: { sections: [] } }),
    "Our",
  ],
  ["image by link", { type: "image", image: { link: "https://example.com/a.png", caption: "A" } }, "A"],
  ["image by id", { type: "image", image: { id: "123" } }],
  ["video", { type: "video", video: { id: "123", caption: "V" } }, "V"],
  ["audio", { type: "audio", audio: { id: "123", voice: true } }],
  ["document", { type: "document", document: { id: "1", filename: "a.pdf", caption: "D" } }, "D"],
  ["sticker", { type: "sticker", sticker: { id: "123" } }],
  ["location", { type: "location", location: { latitude: 52.5, longitude: -13.4, name: "Here" } }],
  ["contacts", {
    type: "contacts",
    contacts: [{ name: { formatted_name: "Ole" }, phones: [{ phone: "+1" }] }],
  }],
  ["reaction", { type: "reaction", reaction: { message_id: "wamid.1", emoji: "👍🏽" } }, "👍🏽"],
  ["reaction taken back", { type: "reaction", reaction: { message_id: "wamid.1", emoji: "" } }],
  ["read receipt", { type: "read", message_id: "wamid.1" }],
  ["read receipt, typing", { type: "read", message_id: "wamid.1", typing_indicator: { type: "text" } }],
];

for (const [name, message, words] of VALID) {
  Deno.test(`checkMessage() accepts a ${name}`, () => {
    const checked = checkMessage(message);
    assertEquals(checked, { ok: true, value: message } as typeof checked);
    assertEquals(checked.ok ? wordsOf(checked.value) : undefined, words);
  });
}

Deno.test("checkMessage() removes the envelope, and passes unknown members on", () => {
  const envelope = {
    messaging_product: "whatsapp",
    recipient_type: "individual",
    to: "1",
    recipient: "US.1",
    from: "2",
    idempotency_key: "k",
    fallback: {},
  };
  const message = {
    type: "text",
    text: { body: "x", font: "serif" },
    ttl: 60,
    recipient_identity_key_hash: "h",
    biz_opaque_callback_data: "theirs",
  };
  assertEquals(checkMessage({ ...envelope, ...message }), { ok: true, value: message } as never);
});

Deno.test("checkMessage(): null means absent, except in a service's own data", () => {
  const parameters = {
    flow_message_version: "3",
    flow_cta: "Go",
    flow_id: "1",
    flow_action_payload: { screen: "a", data: { middle_name: null } },
  };
  const flow = { type: "flow", body: { text: "x" }, action: { name: "flow", parameters } };
  assertEquals(
    checkMessage({
      type: "interactive",
      context: null,
      interactive: { ...flow, header: null, footer: null },
    }),
    { ok: true, value: { type: "interactive", interactive: flow } } as never,
  );
  const text = { to: "12025550123", type: "text", text: { body: "x", preview_url: null } };
  const nulls = { recipient: null, from: null, idempotency_key: null, fallback: null, recipient_type: null };
  const checked = checkRequest({ ...text, ...nulls, biz_opaque_callback_data: null });
  const { echo, message } = checked.ok ? checked.value : fail(JSON.stringify(checked));
  assertEquals([echo, message], [undefined, { type: "text", text: { body: "x" } }]);
});

Deno.test("checkRequest(): returns the caller's own tracking value", () => {
  const checked = checkRequest({
    to: "12025550123",
    type: "text",
    text: { body: "x" },
    biz_opaque_callback_data: "77",
  });
  assertEquals(checked.ok && checked.value.echo, { biz_opaque_callback_data: "77" });
});

Deno.test("checkMessage() accepts a read receipt as Meta writes it", () => {
  const typing = { typing_indicator: { type: "text" } };
  assertEquals(
    checkMessage({ messaging_product: "whatsapp", status: "read", message_id: "wamid.1", ...typing }),
    { ok: true, value: { type: "read", message_id: "wamid.1", ...typing } } as never,
  );
});

Deno.test("checkMessage() accepts degrees as text", () => {
  const checked = checkMessage({ type: "location", location: { latitude: "52.5", longitude: "-13.4" } });
  assertEquals(
    checked,
    { ok: true, value: { type: "location", location: { latitude: 52.5, longitude: -13.4 } } } as never,
  );
});

/** What is wrong -> the places that are told. */
const INVALID: [string, unknown, string[]][] = [
  ["nothing", undefined, [""]],
  ["a list", [], [""]],
  ["no type", { text: { body: "x" } }, ["type"]],
  ["an unknown type", { type: "hologram", hologram: {} }, ["type"]],
  ["a text without its object", { type: "text" }, ["text"]],
  ["a text of the wrong kind", { type: "text", text: "x" }, ["text"]],
  ["an empty text", { type: "text", text: { body: "" } }, ["text.body"]],
  ["a text too long", { type: "text", text: { body: "x".repeat(4097) } }, ["text.body"]],
  ["a text with NUL", { type: "text", text: { body: "a\0" } }, [""]],
  ["a text with half a pair", { type: "text", text: { body: "\ud83d" } }, [""]],
  ["an empty context", { type: "text", text: { body: "x" }, context: {} }, ["context.message_id"]],
  ["media without source", { type: "image", image: {} }, ["image"]],
  ["media with both sources", { type: "image", image: { id: "1", link: "https://a.example" } }, ["image"]],
  ["a link that is none", { type: "image", image: { link: "a.png" } }, ["image.link"]],
  ["a link to run", { type: "image", image: { link: "javascript:alert(1)" } }, ["image.link"]],
  ["a caption too long", { type: "video", video: { id: "1", caption: "x".repeat(1025) } }, ["video.caption"]],
  ["a template without language", { type: "template", template: { name: "a" } }, ["template.language"]],
  ["a component without type", {
    type: "template",
    template: { name: "a", language: { code: "en" }, components: [{}] },
  }, ["template.components.0.type"]],
  ...["a\nb", "a\r", "a\tb", "a     b", "", undefined].map((
    text,
  ): [string, unknown, string[]] => [`a template with ${JSON.stringify(text)}`, {
    type: "template",
    template: {
      name: "a",
      language: { code: "en" },
      components: [{
        type: "body",
        parameters: [{ type: "text", text: "fine    so" }, { type: "text", text }],
      }],
    },
  }, ["template.components.0.parameters.1.text"]]),
  ["no buttons", buttons(), ["interactive.action.buttons"]],
  ["four buttons", buttons(...["a", "b", "c", "d"].map((id) => button(id, id))), [
    "interactive.action.buttons",
  ]],
  ["a title too long", buttons(button("a", "x".repeat(21))), ["interactive.action.buttons.0.reply.title"]],
  ["the same id and title twice", buttons(button("a", "A"), button("a", "A")), [
    "interactive.action.buttons.1.reply.id",
    "interactive.action.buttons.1.reply.title",
  ]],
  ["interactive without action", interactive({ type: "button", body: { text: "x" } }), [
    "interactive.action",
  ]],
  ["interactive without type", interactive({ action: {} }), ["interactive.type"]],
  [
    "a header too long",
    interactive({
      type: "button",
      header: { type: "text", text: "x".repeat(61) },
      body: { text: "x" },
      action: { buttons: [button("a", "A")] },
    }),
    ["interactive.header.text"],
  ],
  ["a list with an image", list([{ rows: [row("a")] }], { header: { type: "image", image: { id: "1" } } }), [
    "interactive.header.type",
    "interactive.header.text",
  ]],
  ["eleven rows", list([{ rows: Array.from({ length: 11 }, (_, i) => row(`r${i}`)) }]), [
    "interactive.action.sections",
  ]],
  ["sections without title", list([{ title: "One", rows: [row("a")] }, { rows: [row("b")] }]), [
    "interactive.action.sections.1.title",
  ]],
  [
    "the same row twice",
    list([{ title: "1", rows: [row("a")] }, { title: "2", rows: [row("b"), row("a")] }]),
    [
      "interactive.action.sections.1.rows.1.id",
    ],
  ],
  ["a row too long", list([{ rows: [row("a", { title: "x".repeat(25), description: "x".repeat(73) })] }]), [
    "interactive.action.sections.0.rows.0.title",
    "interactive.action.sections.0.rows.0.description",
  ]],
  [
    "a flow without id",
    interactive({
      type: "flow",
      body: { text: "x" },
      action: { name: "flow", parameters: { flow_message_version: "3", flow_cta: "Go" } },
    }),
    ["interactive.action.parameters"],
  ],
  ["a place off the globe", { type: "location", location: { latitude: 91, longitude: "x" } }, [
    "location.latitude",
    "location.longitude",
  ]],
  ["no contacts", { type: "contacts", contacts: [] }, ["contacts"]],
  ["a contact without name", { type: "contacts", contacts: [{ phones: [] }] }, ["contacts.0.name"]],
  ["a reaction to nothing", { type: "reaction", reaction: { emoji: "x" } }, ["reaction.message_id"]],
  ["a read receipt of nothing", { status: "read" }, ["message_id"]],
];

for (const [name, message, paths] of INVALID) {
  Deno.test(`checkMessage() refuses ${name}, and says where`, () => {
    const checked = checkMessage(message);
    const issues = checked.ok ? [] : checked.issues;
    assertEquals(issues.map(({ path }) => path), paths);
    for (const { message } of issues) assert(message.length > 5, message);
  });
}

Deno.test("checkMessage() never throws, and reports at most 20 issues", () => {
  const type = fc.constantFrom(
    "text",
    "template",
    "interactive",
    "image",
    "location",
    "contacts",
    "reaction",
    "read",
  );
  holds(fc.property(fc.jsonValue({ stringUnit: "binary" }), type, (value, type) => {
    for (
      const input of [value, { type, [type]: value }, { type, interactive: { type: "list", action: value } }]
    ) {
      const checked = checkMessage(input);
      if (!checked.ok) assert(checked.issues.length > 0 && checked.issues.length <= 20);
    }
  }));
});

Deno.test("checkMessage() accepts a template's category in either case, and no other", () => {
  const offer = (category: unknown) =>
    checkMessage({ type: "template", template: { name: "offer", language: { code: "en" } }, category });
  const taken = offer("UTILITY");
  assertEquals(taken.ok && (taken.value as { category?: string }).category, "utility");
  for (const category of ["service", 1, ""]) {
    const refused = offer(category);
    assertEquals(refused.ok || refused.issues[0].path, "category");
  }
});
