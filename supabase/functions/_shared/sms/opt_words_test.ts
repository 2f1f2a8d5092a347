import fc from "fast-check";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { mayEndTexts, optWordOf, optWordOfType } from "./opt_words.ts";

Deno.test("optWordOf(): a keyword alone, in any case, with blanks, accents and a full stop", () => {
  for (
    const [text, means] of [
      ["STOP", "out"],
      ["  stop\n", "out"],
      ["Stop.", "out"],
      ["“stop”", undefined],
      ["'stop'", "out"],
      ["Arrêt", "out"],
      ["ARRET", "out"],
      ["désabonner", "out"],
      ["baja", "out"],
      ["Sair", "out"],
      ["abmelden!", "out"],
      ["revoke", "out"],
      ["OptOut", "out"],
      ["START", "in"],
      ["unstop", "in"],
      ["yes", "in_if_out"],
      ["Help", "help"],
      ["Hilfe", "help"],
      ["STOP PLEASE", undefined],
      ["stop at the corner", undefined],
      ["stop, start", undefined],
      ["yes please", undefined],
      ["resume", undefined],
      ["", undefined],
      ["constructor", undefined],
    ] as const
  ) assertEquals(optWordOf(text), means, text);
});

Deno.test("optWordOf(): whatever stands beside a keyword makes it none", () => {
  const word = fc.string({ unit: fc.constantFrom(..."abcxyz019"), minLength: 1, maxLength: 10 });
  holds(fc.property(word, fc.boolean(), (word, first) => {
    assertEquals(optWordOf(first ? `${word} stop` : `stop ${word}`), undefined);
  }));
});

Deno.test("optWordOfType(): the provider's word counts, and another is none", () => {
  assertEquals(["STOP", "start", "HELP", "OTHER", "", undefined].map(optWordOfType), [
    "out",
    "in",
    "help",
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("mayEndTexts(): a sentence that asks for no more texts, in five languages", () => {
  for (
    const text of [
      "Could you stop sending these messages",
      "Don’t text me again",
      "please do not contact me",
      "Remove my number from your list",
      "Dejen de mandarme mensajes",
      "Arrêtez de m'envoyer des messages",
      "Parem de enviar mensagens",
      "Bitte keine Nachrichten mehr",
      "Hört auf, mir zu schreiben",
    ]
  ) assertEquals(mayEndTexts(text), true, text);
  for (
    const text of [
      "The bus stops at the corner",
      "Can you stop by at 5?",
      "Text me when you are there",
      "I will cancel the booking",
      "He is not here, I got your address",
      "",
    ]
  ) assertEquals(mayEndTexts(text), false, text);
});
