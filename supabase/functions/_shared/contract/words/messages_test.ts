import { assertEquals } from "../../../../../tests/support/assert.ts";
import { INBOUND_TYPES, OUTBOUND_TYPES } from "../messages.ts";
import { typeInWords } from "./messages.ts";

Deno.test("typeInWords(): each type that is known has words, another one is shown by its name", () => {
  for (const type of [...INBOUND_TYPES, ...OUTBOUND_TYPES]) {
    assertEquals(typeInWords(type) !== type && typeInWords(type) !== "", true, type);
  }
  for (const type of ["poll", "", "constructor"]) assertEquals(typeInWords(type), type);
});
