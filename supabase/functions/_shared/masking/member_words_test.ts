import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { segmentsOf } from "../sms/segments.ts";
import { memberNotice, type MemberTopic } from "./member_words.ts";
import type { NoticeLanguage } from "./words.ts";

const LANGUAGES: NoticeLanguage[] = ["en", "es", "fr", "pt", "de"];
const TOPICS: MemberTopic[] = ["messaging", "threads", "sitters"];

Deno.test("memberNotice(): each by itself, with the business first, in five segments at most", () => {
  const seen = new Set<string>();
  for (const language of LANGUAGES) {
    for (const topic of TOPICS) {
      for (const begins of [true, false]) {
        const { subject, mail, text } = memberNotice(topic, begins, language, "M".repeat(120));
        assert([subject, mail, text].every((said) => said.startsWith(`${"M".repeat(39)}…: `)), text);
        assert(text.startsWith(mail) && text.includes("STOP") && !mail.includes("STOP"), text);
        assert(segmentsOf(text).segments <= 5, `${segmentsOf(text).segments}: ${text}`);
        seen.add(text).add(subject);
      }
    }
  }
  assertEquals(seen.size, LANGUAGES.length * TOPICS.length * 2 * 2);
});

Deno.test("memberNotice(): sitters learn that a program reads what they write", () => {
  assertEquals(
    memberNotice("sitters", true, "en", "Moss").mail,
    "Moss: You can now text your clients around your visits, at the number of each thread. " +
      "Texts are checked by a program: contact details and payments outside of our service are held back.",
  );
});
