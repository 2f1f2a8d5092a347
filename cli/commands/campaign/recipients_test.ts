import { assertEquals } from "../../../tests/support/assert.ts";
import { cellsOf, recipientOf } from "./recipients.ts";

Deno.test("cellsOf: plain and quoted cells, doubled quotes, empty cells; no cell without its closing quote", () => {
  assertEquals(cellsOf('a@x.example, Ada ,"Lovelace, ""Countess""",'), [
    "a@x.example",
    "Ada",
    'Lovelace, "Countess"',
    "",
  ]);
  assertEquals(cellsOf(""), [""]);
  assertEquals(cellsOf('a,"b'), undefined);
  assertEquals(cellsOf('a,"b"c'), undefined);
});

Deno.test("recipientOf: to or email is the address, other plain members are fields", () => {
  assertEquals(recipientOf({ email: "a@x.example", name: "Ada", n: 3, deep: {} }), {
    to: "a@x.example",
    fields: { name: "Ada", n: "3" },
  });
  assertEquals(recipientOf({ name: "Ada" }), undefined);
});
