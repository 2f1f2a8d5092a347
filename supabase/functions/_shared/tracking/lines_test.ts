import { assertEquals } from "../../../../tests/support/assert.ts";
import { AccessLines, saidOf } from "./lines.ts";

const SAID = saidOf({ verdict: "human", client: "chrome", signs: "p.browser", reasons: ["browser", "pair"] });

Deno.test("AccessLines: an access a line, its fields in order, empty where it has none", () => {
  const lines = new AccessLines();
  assertEquals([lines.count, lines.text()], [0, ""]);
  lines.add({ kind: "open", ticket: 7, at: 1764489600000, link: undefined, said: SAID });
  lines.add({ kind: "click", ticket: 9007199254740991, at: 1764489600001, link: 0, said: SAID });
  assertEquals(lines.count, 2);
  assertEquals(lines.text().split("\n"), [
    "o 7 1764489600000  human chrome p.browser browser,pair",
    "c 9007199254740991 1764489600001 0 human chrome p.browser browser,pair",
  ]);
});

Deno.test("AccessLines: holds many", () => {
  const lines = new AccessLines();
  for (let i = 1; i <= 5000; i++) lines.add({ kind: "open", ticket: i, at: i, link: undefined, said: SAID });
  const text = lines.text().split("\n");
  assertEquals([text.length, text[4999]], [5000, "o 5000 5000  human chrome p.browser browser,pair"]);
});
