import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { checkComponents, fillTemplate, previewOf, slotsOf, type TemplateShape } from "./templates.ts";

const named: TemplateShape = {
  name: "parcel",
  language: "en",
  category: "utility",
  parameter_format: "named",
  components: [
    {
      type: "BODY",
      text: "Hello {{first_name}}, order {{order_id}} is here, {{first_name}}.",
      example: { body_text_named_params: [{ param_name: "first_name", example: "Amina" }] },
    },
    { type: "FOOTER", text: "Thanks" },
    { type: "BUTTONS", buttons: [{ type: "QUICK_REPLY", text: "Where?" }] },
  ],
};
const offer: TemplateShape = {
  name: "offer",
  language: "en",
  category: "marketing",
  parameter_format: "positional",
  components: [
    { type: "HEADER", format: "IMAGE" },
    { type: "BODY", text: "{{1}}: {{2}} off", example: { body_text: [["Amina", "20 %"]] } },
    {
      type: "BUTTONS",
      buttons: [{ type: "URL", text: "See", url: "https://x.example/{{1}}", example: ["spring"] }],
    },
  ],
};
const code: TemplateShape = {
  name: "code",
  language: "en",
  category: "AUTHENTICATION",
  parameter_format: "positional",
  components: [{ type: "BODY", text: "{{1}} is your code" }, {
    type: "BUTTONS",
    buttons: [{ type: "OTP", text: "Copy" }],
  }],
};

Deno.test("slotsOf(): each value once, with its kind and Meta's example", () => {
  assertEquals(slotsOf(named).map(({ key, kind, example }) => [key, kind, example]), [
    ["first_name", "text", "Amina"],
    ["order_id", "text", undefined],
  ]);
  assertEquals(slotsOf(offer).map(({ key, kind, example }) => [key, kind, example]), [
    ["header", "image", undefined],
    ["1", "text", "Amina"],
    ["2", "text", "20 %"],
    ["button.0", "url", "spring"],
  ]);
});

Deno.test("fillTemplate(): named and positional values become Meta's components", () => {
  assertEquals(fillTemplate(named, { order_id: "7", first_name: "Ada" }), {
    ok: true,
    components: [{
      type: "body",
      parameters: [
        { type: "text", parameter_name: "first_name", text: "Ada" },
        { type: "text", parameter_name: "order_id", text: "7" },
      ],
    }],
  });
  assertEquals(
    fillTemplate(offer, { header: "https://x.example/a.jpg", 1: "Ada", 2: "5 %", "button.0": "x" }),
    {
      ok: true,
      components: [
        { type: "header", parameters: [{ type: "image", image: { link: "https://x.example/a.jpg" } }] },
        { type: "body", parameters: [{ type: "text", text: "Ada" }, { type: "text", text: "5 %" }] },
        { type: "button", sub_type: "url", index: "0", parameters: [{ type: "text", text: "x" }] },
      ],
    },
  );
  const filled = fillTemplate(code, ["123"]);
  assert(filled.ok);
  assertEquals(filled.components[1], {
    type: "button",
    sub_type: "url",
    index: "0",
    parameters: [{ type: "text", text: "123" }],
  });
});

Deno.test("fillTemplate(): says which value is missing, unknown or cannot be", () => {
  const issues = (template: TemplateShape, values: Parameters<typeof fillTemplate>[1]) => {
    const filled = fillTemplate(template, values);
    return filled.ok ? [] : filled.issues.map(({ path }) => path.replace("template.parameters.", ""));
  };
  assertEquals(issues(named, { first_name: "Ada" }), ["order_id"]);
  assertEquals(issues(named, { first_name: "Ada", order_id: "1", nick: "A" }), ["nick"]);
  assertEquals(issues(named, { first_name: "A\nB", order_id: "" }), ["first_name", "order_id"]);
  assertEquals(issues(named, ["Ada", "7", "8"]), ["3"]);
  assertEquals(
    issues(offer, { header: { id: "1", link: "https://x" }, 1: "a", 2: { id: "x" }, "button.0": "x" }),
    [
      "header",
      "2",
    ],
  );
});

Deno.test("checkComponents(): count, names, kinds, header and buttons", () => {
  const body = (...parameters: Record<string, unknown>[]) => [{ type: "body", parameters }];
  const texts = (...names: string[]) =>
    names.map((name) => ({ type: "text", parameter_name: name, text: "x" }));
  assertEquals(checkComponents(named, body(...texts("first_name", "order_id"))), []);
  assertEquals(checkComponents(named, []).map(({ path }) => path), ["template.components"]);
  assertEquals(checkComponents(named, body(...texts("first_name", "nick"))).map(({ message }) => message), [
    "the body needs a parameter with parameter_name order_id",
  ]);
  const whole = fillTemplate(offer, { header: "1", 1: "a", 2: "b", "button.0": "c" });
  assert(whole.ok);
  assertEquals(checkComponents(offer, whole.components), []);
  assertEquals(
    checkComponents(offer, whole.components.slice(1)).map(({ message }) => message),
    ["the header has 0 parameters, and needs 1"],
  );
  const video = [
    { type: "header", parameters: [{ type: "video", video: { id: "1" } }] },
    ...whole.components.slice(1),
  ];
  assertEquals(checkComponents(offer, video).map(({ path }) => path), [
    "template.components.0.parameters.0.type",
  ]);
  assertEquals(checkComponents(offer, whole.components.slice(0, 2)).length, 1);
  const more = [...whole.components, {
    type: "button",
    sub_type: "url",
    index: 3,
    parameters: [{ type: "text", text: "x" }],
  }];
  assertEquals(checkComponents(offer, more).map(({ path }) => path), ["template.components.3.index"]);
});

Deno.test("checkComponents(): what fillTemplate() makes always fits", () => {
  const value = fc.stringMatching(/^[a-z0-9]{1,20}$/);
  for (const template of [named, offer, code]) {
    const slots = slotsOf(template);
    holds(fc.property(fc.array(value, { minLength: slots.length, maxLength: slots.length }), (values) => {
      const filled = fillTemplate(template, Object.fromEntries(slots.map(({ key }, i) => [key, values[i]])));
      assert(filled.ok);
      assertEquals(checkComponents(template, filled.components), []);
    }));
  }
});

Deno.test("templates: nothing throws, whatever Meta sends as components", () => {
  const part = fc.dictionary(
    fc.constantFrom("type", "format", "text", "buttons", "example", "parameters", "index"),
    fc.jsonValue(),
  );
  holds(
    fc.property(fc.array(part, { maxLength: 4 }), fc.array(part, { maxLength: 4 }), (components, sent) => {
      const template: TemplateShape = { ...offer, components };
      slotsOf(template);
      previewOf(template, { 1: "x" });
      fillTemplate(template, {});
      checkComponents(template, sent);
    }),
  );
});

Deno.test("previewOf(): filled where there is a value, and as it stands elsewhere", () => {
  assertEquals(previewOf(named, { first_name: "Ada" }), {
    body: "Hello Ada, order {{order_id}} is here, Ada.",
    footer: "Thanks",
    buttons: [{ kind: "quick_reply", text: "Where?" }],
  });
  assertEquals(previewOf(offer, { "button.0": "spring" }).buttons, [
    { kind: "url", text: "See", target: "https://x.example/spring" },
  ]);
});
