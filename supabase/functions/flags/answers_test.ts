import { assertEquals } from "../../../tests/support/assert.ts";
import { createAnswers } from "./answers.ts";

Deno.test("createAnswers(): remembers a person's last answer for ten minutes, in bounded memory", () => {
  let now = 0;
  const answers = createAnswers({ now: () => now, most: 2 });
  const told = (who: string, value: boolean, reason: "SPLIT" | "DISABLED" | "STATIC" = "SPLIT") =>
    answers.told(who, { key: "a.enabled", value, reason });
  told("u1", true);
  assertEquals([answers.had("a.enabled", "u1"), answers.had("b.enabled", "u1")], [true, undefined]);
  told("u1", false, "DISABLED");
  assertEquals(answers.had("a.enabled", "u1"), undefined, "the same for everybody");
  told("u1", true);
  told("u2", false);
  told("u3", true);
  assertEquals(["u1", "u2", "u3"].map((who) => answers.had("a.enabled", who)), [undefined, false, true]);
  now = 600_001;
  assertEquals(answers.had("a.enabled", "u3"), undefined);
});
