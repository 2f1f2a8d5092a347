/** Urgency by rules: what monitoring writes, what people write, and where nothing is said. */
import { assertEquals } from "../../../../tests/support/assert.ts";
import { isMoreUrgent, moreUrgent, type Urgency, urgencyOfType } from "./types.ts";
import { urgencyByRules } from "./urgency.ts";

const CASES: readonly (readonly [subject: string, text: string, urgency: Urgency | null])[] = [
  ["[FIRING:2] HighLatency checkout", "p99 is 4 s", "critical"],
  ["[FIRING:1] DiskSpace web-1", "severity=warning", "high"],
  ["[RESOLVED] HighLatency checkout", "p99 is 0.2 s", "low"],
  ["PROBLEM: web-1 is DOWN", "for 3 minutes", "critical"],
  ["RECOVERY: web-1 is UP", "after 3 minutes", "low"],
  ["** CRITICAL ** load", "load is 40", "critical"],
  ["[WARNING] load", "load is 8", "high"],
  ["Re: our shop", "Nothing works, all our customers see an error", "critical"],
  ["Printer", "The printer in room 4 is offline", "high"],
  ["Todo caído", "Los clientes no pueden comprar", "critical"],
  ["En panne", "Le site est en panne, tous les clients attendent", "critical"],
  ["Fora do ar", "O sistema está fora do ar", "critical"],
  ["Ausfall", "Seit 20 Minuten geht nichts mehr, alle Kunden warten", "critical"],
  ["Maintenance", "Planned maintenance on Sunday, the service is down for an hour. No action needed.", "low"],
  ["Account", "I think I was hacked", "critical"],
  ["Report", "I found a vulnerability in your form", "high"],
  ["Invoice", "You charged twice, I want a refund", "high"],
  ["Question", "How do I kill a job?", null],
  ["Question", "What does the error critical failure mean?", null],
  ["Hello", "Just a note", null],
  ["No rush", "Please change it urgently, no rush", "low"],
];

for (const [subject, text, urgency] of CASES) {
  Deno.test(`urgencyByRules(): ${subject} | ${text}`, () => {
    assertEquals(
      urgencyByRules({ subject, text, automatic: false, kind: null, sender: { name: null, address: null } }),
      urgency,
    );
  });
}

Deno.test("urgencyByRules(): automatic answers and bounces are low, alerts of machines are not", () => {
  const mail = { automatic: true, kind: "auto_reply", sender: { name: null, address: null } };
  assertEquals(
    urgencyByRules({ ...mail, subject: "Re: urgent", text: "I am away, urgent matters go to Ana" }),
    "low",
  );
  assertEquals(urgencyByRules({ ...mail, subject: "[FIRING] DiskFull", text: "98 %" }), "critical");
});

Deno.test("moreUrgent(), isMoreUrgent(): nothing is lowered", () => {
  assertEquals(moreUrgent("low", "critical"), "critical");
  assertEquals(moreUrgent(null, "low"), "low");
  assertEquals(moreUrgent(null, null), null);
  assertEquals(isMoreUrgent("high", urgencyOfType("request")), true);
  assertEquals(isMoreUrgent("critical", urgencyOfType("alert")), false);
  assertEquals(isMoreUrgent(null, "low"), false);
});
