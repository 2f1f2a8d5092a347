import { assertEquals } from "../../../tests/support/assert.ts";
import { refused } from "./bodies.ts";

Deno.test("refused(): each fault is a sentence, whatever its message begins with", () => {
  const cases: [path: string, message: string, detail: string][] = [
    ["", 'Unrecognized key: "tilte"', 'Unrecognized key: "tilte".'],
    ["", "must be an object", "The body must be an object."],
    ["tags", "Invalid input: expected array", "tags: Invalid input: expected array."],
    ["expires_at", "must be later than starts_at", "expires_at must be later than starts_at."],
  ];
  for (const [path, message, detail] of cases) {
    assertEquals(refused("invalid_request", [{ path, message }]).detail, detail);
  }
  const both = refused("invalid_request", [{ path: "a", message: "must be b" }, {
    path: "",
    message: "Bad",
  }]);
  assertEquals(both.detail, "a must be b; Bad.");
});
