/**
 * What the tests of routing share.
 *
 * @module
 */
import type { MessageFacts } from "../../supabase/functions/_shared/routing/facts.ts";
import type { RouteRow } from "../../supabase/functions/_shared/routing/routes.ts";

/** A text message "hello" of a contact with a phone, changed as asked. */
export function message(changes: Partial<MessageFacts> = {}): MessageFacts {
  return {
    id: "01968f00-0000-7000-8000-000000000001",
    channel: "whatsapp",
    type: "text",
    body: "hello",
    number_id: "106540352242922",
    contact: { id: "01968f00-0000-7000-8000-0000000000c1", phone: "16505551234" },
    at: "2026-03-02T10:00:00Z",
    ...changes,
  };
}

/** A route row that takes any message to one destination, changed as asked. */
export function route(changes: Partial<RouteRow> = {}): RouteRow {
  return {
    id: "r1",
    name: `route ${changes.id ?? "r1"}`,
    priority: 100,
    condition: { type: "any" },
    mode: "first",
    destination_ids: ["d1"],
    ...changes,
  };
}
