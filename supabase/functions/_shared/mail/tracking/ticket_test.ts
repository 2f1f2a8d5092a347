import { assert, assertEquals, assertThrows } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { openTicket, sealTicket, ticketKey } from "./ticket.ts";

const KEY = ticketKey("00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0");
const OTHER = ticketKey("10112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0");
const ticket = fc.record({
  mail: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  links: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
});

Deno.test("openTicket(): gives back what was sealed, in lower and upper case; the same each time", () => {
  holds(fc.property(ticket, (given) => {
    const text = sealTicket(KEY, given);
    assert(/^[a-z2-7]{32}$/.test(text), text);
    assertEquals(openTicket(KEY, text), given);
    assertEquals(openTicket(KEY, text.toUpperCase()), given);
    assertEquals(sealTicket(KEY, given), text);
  }));
});

Deno.test("openTicket(): takes no ticket that was changed, made with another key, or invented", () => {
  holds(fc.property(ticket, fc.nat(31), fc.integer({ min: 1, max: 31 }), (given, at, by) => {
    const text = sealTicket(KEY, given);
    const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    const changed = alphabet[(alphabet.indexOf(text[at]) + by) % 32];
    assertEquals(openTicket(KEY, text.slice(0, at) + changed + text.slice(at + 1)), undefined);
    assertEquals(openTicket(OTHER, text), undefined);
  }));
  holds(fc.property(fc.string({ unit: "binary", minLength: 30, maxLength: 34 }), (text) => {
    assertEquals(openTicket(KEY, text), undefined);
  }));
  assertEquals(openTicket(KEY, ""), undefined);
  assertEquals(openTicket(KEY, "a".repeat(32)), undefined);
});

Deno.test("sealTicket(): tickets of neighbours have nothing in common that tells how many mails were sent", () => {
  const texts = Array.from({ length: 200 }, (_, i) => sealTicket(KEY, { mail: i + 1, links: 7 }));
  for (let at = 0; at < 32; at++) {
    assert(new Set(texts.map((text) => text[at])).size > 16, `character ${at} hardly changes`);
  }
});

Deno.test("sealTicket(): refuses numbers that no row has", () => {
  for (
    const given of [{ mail: 0, links: 1 }, { mail: 1.5, links: 1 }, { mail: 1, links: -1 }, {
      mail: 1,
      links: 2 ** 40,
    }]
  ) {
    assertThrows(() => sealTicket(KEY, given), RangeError);
  }
});
