import { assertEquals } from "../../../../../tests/support/assert.ts";
import { INBOUND_TYPES, OUTBOUND_TYPES } from "../messages.ts";
import { typeInWords } from "./messages.ts";

Deno.test("typeInWords(): each known type has words, an unknown one is shown by name", () => {
  for (const type of [...INBOUND_TYPES, ...OUTBOUND_TYPES]) {
    assertEquals(typeInWords(type) !== type && typeInWords(type) !== "", true, type);
  }
  for (const type of ["poll", "", "constructor"]) assertEquals(typeInWords(type), type);
});
