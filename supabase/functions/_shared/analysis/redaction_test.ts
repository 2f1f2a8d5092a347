/** What leaves for a model: nothing that has a form. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { redactForModel } from "./redaction.ts";

const CASES: readonly (readonly [text: string, redacted: string])[] = [
  ["Write to casey@example.org or CASEY@example.org", "Write to [email-1] or [email-1]"],
  ["casey.o'neil+x@mail.example.co.uk, dana@example.org.", "[email-1], [email-2]."],
  ["ask casey (at) example", "ask [email-1]"],
  ["Call +49 (30) 23125-123 or 07700 900123", "Call [phone-1] or [phone-2]"],
  ["card 4111 1111 1111 1111, 4111-1111-1111-1111", "card [card-1], [card-1]"],
  ["order 123456 of 12.10.", "order [number-1] of 12.10."],
  ["IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban-1] please"],
  ["see https://shop.example/a?token=b#c now, www.shop.example/x", "see [link-1] now, [link-2]"],
  ["reset at app.example.com/r/AbC123?x=1 or e.g. this/that", "reset at [link-1] or e.g. this/that"],
  ["cards 4111_1111_1111_1111, 4111   1111 - 1111   1111", "cards [card-1], [card-1]"],
  ["ca\u200bsey@exam\u00adple.org and +49\u20603012\u200b345678", "[email-1] and [phone-1]"],
  ["iban gb29 nwbk 6016 1331 9268 19 please", "iban [iban-1] please"],
  ["pwd: hunter2x, passcode is 5521", "pwd: [key-1], passcode is [key-2]"],
  ["key sk_test_EXAMPLE000000000000 and ghp_abcdefghij0123456789", "key [key-1] and [key-2]"],
  ["eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.", "[key-1]"],
  ["my password is hunter2!", "my password is [key-1]"],
  ["Passwort: geheim12", "Passwort: [key-1]"],
  ["from 203.0.113.7, 2001:db8::7", "from [ip-1], [ip-2]"],
  ["I live at 12 Elm Street in town", "I live at [address-1] in town"],
  ["Ich wohne Lindenstraße 12b, 10115 Berlin", "Ich wohne [address-1], [address-2] Berlin"],
  ["vivo en la Calle de Alcalá 45", "vivo en la [address-1]"],
  ["au 8 rue de la Paix", "au [address-1]"],
  ["born 1990-02-28 in spring", "born [date-1] in spring"],
  ["SSN 000-12-3456", "SSN [phone-1]"],
  ["Hello Tom,\nit broke", "Hello [name-1],\nit broke"],
  ["Sehr geehrte Frau Weber,\nes ist kaputt", "Sehr geehrte Frau [name-1],\nes ist kaputt"],
  ["It broke.\n\nKind regards,\nRosalind Quast\nSales, +49 30 23125 123", "It broke.\n\nKind regards,"],
  ["It broke.\n-- \nRosalind", "It broke.\n"],
  [
    "The shop is down since 14:02, 98 % of requests fail",
    "The shop is down since 14:02, 98 % of requests fail",
  ],
];

for (const [text, redacted] of CASES) {
  Deno.test(`redactForModel(): ${JSON.stringify(text).slice(0, 60)}`, () => {
    assertEquals(redactForModel(text), redacted);
  });
}

Deno.test("redactForModel(): names of headers go, as words and not within others", () => {
  assertEquals(
    redactForModel("Rosalind here. quast wrote; Quaster did not. Info is fine.", [
      "Rosalind Quast",
      "info@shop.example",
    ]),
    "[name-1] here. [name-2] wrote; Quaster did not. Info is fine.",
  );
});

Deno.test("redactForModel(): short names go as they are written, and names of scripts without spaces anywhere", () => {
  assertEquals(
    redactForModel("Wu here, also as wu. 李伟说好。", ["Wu Ng", "李伟"]),
    "[name-1] here, also as wu. [name-2]说好。",
  );
});

Deno.test("redactForModel(): no address, card or phone number of any text is left", () => {
  const secret = fc.oneof(
    fc.tuple(
      fc.stringMatching(/^[a-z][a-z0-9.]{2,12}[a-z]$/),
      fc.stringMatching(/^[a-z]{3,8}\.(?:example|test)$/),
    ).map((parts) => parts.join("@")),
    fc.stringMatching(/^\+[1-9]\d{9,12}$/),
    fc.stringMatching(/^[1-9]\d{3} \d{4} \d{4} \d{4}$/),
    fc.stringMatching(/^sk-[A-Za-z0-9]{24}$/),
  );
  holds(
    fc.property(
      fc.array(fc.tuple(fc.stringMatching(/^[ a-z,.\n]{0,30}$/), secret), { minLength: 1, maxLength: 5 }),
      (parts) => {
        const text = parts.map(([before, value]) => `${before} ${value} `).join("");
        const redacted = redactForModel(text);
        for (const [, value] of parts) assert(!redacted.includes(value), `${value} in ${redacted}`);
      },
    ),
  );
});

Deno.test("redactForModel(): takes any text, and of a redacted one nothing more goes", () => {
  holds(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    const once = redactForModel(text);
    assert(typeof once === "string");
  }));
  assertEquals(redactForModel("[email-1] wrote [card-1]"), "[email-1] wrote [card-1]");
});
