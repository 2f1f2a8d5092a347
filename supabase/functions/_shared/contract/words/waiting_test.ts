import { assertEquals } from "../../../../../tests/support/assert.ts";
import type { WaitingQueue } from "../answers/operations.ts";
import { waitingInWords } from "./waiting.ts";

const AT = "2026-11-29T10:00:00Z";
/** Queue, name, code, time, rate, the two sentences, and the flag. */
const CASES: [
  WaitingQueue["queue"],
  string | null,
  WaitingQueue["because"],
  string | null,
  string | null,
  string,
  string,
  string?,
][] = [
  [
    "router",
    null,
    "flag_off",
    null,
    null,
    "conversations for the router",
    "the flag sms_router.enabled is off for the contact",
    "sms_router.enabled",
  ],
  [
    "router",
    null,
    "not_reached",
    null,
    null,
    "conversations for the router",
    "the router has not processed it yet",
  ],
  ["destination", "crm", "paused", null, null, "deliveries to crm", "the destination is paused"],
  [
    "destination",
    "crm",
    "circuit_open",
    AT,
    null,
    "deliveries to crm",
    `the destination keeps failing; one delivery probes it at ${AT}`,
  ],
  ["destination", "crm", "retry", AT, null, "deliveries to crm", `retry at ${AT}`],
  ["destination", "crm", "rate", null, "0.50", "deliveries to crm", "at most 0.50 a second"],
  ["destination", "crm", "due", null, null, "deliveries to crm", "due, but not processed yet"],
  ["number", "1", "paused", null, null, "messages to send from 1", "the sender is paused"],
  [
    "destination",
    "crm",
    "flag_off",
    null,
    null,
    "deliveries to crm",
    "the flag wa_router.enabled is off",
    "wa_router.enabled",
  ],
  [
    "number",
    "1",
    "flag_off",
    null,
    null,
    "messages to send from 1",
    "the flag sms_send.enabled is off",
    "sms_send.enabled",
  ],
  [
    "number",
    "1",
    "number_paced",
    null,
    null,
    "messages to send from 1",
    "the number's rate limit, or a pause requested by Meta",
  ],
  ["number", "1", "paced", AT, null, "messages to send from 1", `due at ${AT}, by rate limit or retry`],
  ["number", "1", "due", null, null, "messages to send from 1", "due, but not processed yet"],
];
for (const [queue, name, because, at, per_second, what, why, flag = null] of CASES) {
  Deno.test(`waitingInWords(): ${queue} ${because}`, () => {
    const found = waitingInWords([{
      queue,
      name,
      n: 2,
      oldest_seconds: 5,
      because,
      at,
      per_second,
      flag,
      code: null,
    }]);
    assertEquals(found, [{ n: 2, why, what, oldest_seconds: 5 }]);
  });
}

Deno.test("waitingInWords(): shows an unknown code of a newer database unchanged", () => {
  const newer = {
    queue: "router",
    name: null,
    n: 1,
    oldest_seconds: null,
    at: null,
    per_second: null,
    flag: null,
  };
  const [{ why }] = waitingInWords([{ ...newer, because: "moon_phase" } as unknown as WaitingQueue]);
  assertEquals(why, "moon_phase");
});
