import { assertEquals } from "../../../../tests/support/assert.ts";
import { asksForNoMore } from "./unsubscribe.ts";

const CASES: readonly (readonly [subject: string, text: string, by: "subject" | "text" | null])[] = [
  ["unsubscribe", "", "subject"],
  ["Unsubscribe", "This message was generated.", "subject"],
  ["  UNSUBSCRIBE. ", "", "subject"],
  ["Abmelden", "", "subject"],
  ["Désabonnement", "", "subject"],
  ["退订", "", "subject"],
  ["Re: unsubscribe", "Why?", null],
  ["How do I unsubscribe?", "Please say.", null],
  ["Re: Your seeds", "STOP", "text"],
  ["Re: Your seeds", "stop!!", "text"],
  ["Re: Your seeds", " Please  unsubscribe. ", "text"],
  ["Re: Your seeds", "Arrêt", "text"],
  ["Re: Your seeds", "Стоп", "text"],
  ["Re: Your seeds", "配信停止", "text"],
  ["Re: Your seeds", "Stop by at noon", null],
  ["Re: Your seeds", "Do not stop", null],
  ["Re: Your seeds", "End of the week is fine", null],
  ["Re: Your seeds", "", null],
  ["Stop", "Please call me.", null],
];
for (const [subject, text, by] of CASES) {
  Deno.test(`asksForNoMore(): "${subject}" / "${text}"`, () =>
    assertEquals(asksForNoMore(subject, text), by));
}
