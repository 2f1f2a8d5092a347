import { assertEquals } from "../../../../tests/support/assert.ts";
import { callWords } from "./call_words.ts";
import { answer, dial, say } from "./twiml.ts";

Deno.test("TwiML: whatever an address or a sentence contains stays text", () => {
  const english = callWords("US", undefined, []);
  assertEquals(
    answer(dial({
      phones: ["12025550143"],
      callerId: "12025550100",
      action: `https://a:"b"@example.org/voice?x=1&y='2'`,
    })),
    '<Response><Dial callerId="+12025550100" answerOnBridge="true" timeout="20" ' +
      'action="https://a:&quot;b&quot;@example.org/voice?x=1&amp;y=&apos;2&apos;" method="POST">' +
      "<Number>+12025550143</Number></Dial></Response>",
  );
  assertEquals(say("<Dial>&", english), '<Say language="en-US">&lt;Dial&gt;&amp;</Say>');
});

Deno.test("callWords(): by the caller's country, then by the organisation's first", () => {
  const cases: [string | undefined, string | undefined, string[], string][] = [
    ["US", "CA", ["DE"], "en-US"],
    ["MX", undefined, ["US"], "es-ES"],
    ["CA", "QC", ["US"], "fr-FR"],
    ["CA", "ON", ["FR"], "en-US"],
    ["BR", "", [], "pt-BR"],
    [undefined, undefined, ["AT", "US"], "de-DE"],
    ["", undefined, ["FR"], "fr-FR"],
    [undefined, undefined, [], "en-US"],
    ["JP", undefined, ["FR"], "en-US"],
  ];
  for (const [country, region, countries, locale] of cases) {
    assertEquals(callWords(country, region, countries).locale, locale, `${country} ${region} ${countries}`);
  }
});
