import { assertEquals } from "../../../../../tests/support/assert.ts";
import { ROUTING_REASONS } from "../states.ts";
import { routingReasonInWords } from "./routing.ts";

Deno.test("routingReasonInWords(): each known reason has words, an unknown one is shown by name", () => {
  for (const reason of ROUTING_REASONS) {
    assertEquals(routingReasonInWords(reason).includes(" "), true, reason);
  }
  for (const reason of ["by_hand", "constructor"]) assertEquals(routingReasonInWords(reason), reason);
});
