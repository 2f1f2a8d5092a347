import { assertEquals } from "../../../../../tests/support/assert.ts";
import type { StoryEvent } from "../answers/messages.ts";
import { storyInWords } from "./story.ts";

const AT = "2026-11-29T10:00:00Z";
const CASES: [code: string, StoryEvent["figures"], what: string, detail: string | null][] = [
  ["written", {}, "written", "the time that Meta gave it"],
  ["stored", { type: "text", seq: 12 }, "stored", "text, message 12 of all"],
  [
    "decided",
    { reason: "matched", route: "orders", destinations: ["shop", "crm"] },
    "decided",
    "matched, route orders, to shop and crm",
  ],
  ["decided", { reason: "no_match", route: null, destinations: [] }, "decided", "no_match"],
  [
    "delivered",
    { destination: "shop", attempt: 1, status: 200, latency_ms: 12, error: null },
    "delivered",
    "shop, attempt 1, HTTP 200, 12 ms",
  ],
  [
    "tried",
    { destination: "shop", attempt: 2, status: null, latency_ms: 5000, error: "timeout" },
    "will be retried",
    "shop, attempt 2, 5000 ms, timeout",
  ],
  ["given_up", { destination: "shop", attempt: 8, status: 410 }, "given up", "shop, attempt 8, HTTP 410"],
  ["delivery_waits", { destination: "shop", state: "active" }, "waits", "shop"],
  ["delivery_waits", { destination: "shop", state: "paused" }, "waits", "shop, which is paused"],
  [
    "delivering",
    { destination: "shop", state: "circuit_open" },
    "is being delivered",
    "shop, which keeps failing",
  ],
  ["queued", { type: "text", id: "01" }, "queued", "text 01"],
  [
    "waits",
    { attempt: 1, fallback: true, due_at: AT, error: "131000" },
    "waits",
    `attempt 1, as the template, because the window was closed, due at ${AT}, Meta: 131000 (something went wrong at Meta)`,
  ],
  ["sending", { attempt: 0, fallback: false, due_at: null, error: null }, "is being sent", null],
  ["sent", { attempt: 1, fallback: false }, "sent", "attempt 1"],
  ["failed", { attempt: 3, error: "" }, "failed", "attempt 3, Meta: "],
  [
    "tried_once",
    { error: "30003" },
    "not delivered",
    "error 30003, so it is sent a second time, and no more",
  ],
  ["status", { status: "delivered" }, "status delivered", null],
  ["eclipsed", {}, "eclipsed", null],
];
for (const [code, figures, what, detail] of CASES) {
  Deno.test(`storyInWords(): ${what} (${detail ?? "nothing more"})`, () => {
    assertEquals(storyInWords([{ at: AT, reply: false, what: code, figures }]), [{ at: AT, what, detail }]);
  });
}

Deno.test("storyInWords(): events of a reply say so", () => {
  const [event] = storyInWords([{ at: AT, reply: true, what: "status", figures: { status: "read" } }]);
  assertEquals(event.what, "reply status read");
});
