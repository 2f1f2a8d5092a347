import { assertEquals } from "../../../../tests/support/assert.ts";
import type {
  ClaimedDelivery,
  ClaimedDestination,
  WaitingConversation,
} from "../contract/answers/pipeline.ts";
import type { DeliveryResult } from "../delivery/deliver.ts";
import { namedParts } from "../routing/address_labels.ts";
import type { DecidedConversation } from "./decide.ts";
import { createMailFigures } from "./mail_figures.ts";

const NOW = Date.parse("2026-11-20T10:00:05Z");

function figures(conditions: unknown[]) {
  const counted: string[] = [], measured: string[] = [], outcomes: string[] = [];
  const named = namedParts(conditions);
  const made = createMailFigures({
    count: (name, label) => void counted.push(`${name} ${label}`),
    measure: (name, label, ms) => void measured.push(`${name} ${label} ${ms}`),
    named: () => Promise.resolve(named),
    outcome: (contact, { failed, latencyMs }) => void outcomes.push(`${contact} ${failed} ${latencyMs}`),
    now: () => new Date(NOW),
    onError: (error) => {
      throw error;
    },
  });
  return { ...made, counted, measured, outcomes };
}

const ROUTES = [{ type: "address", domains: ["shop"], types: ["alert"] }];
const claimed = (changes: Record<string, unknown> = {}) =>
  ({
    attempt: 1,
    resent: 0,
    contact: { id: "c1" },
    card: { token: "t", is_sent: false },
    message: {
      channel: "email",
      created_at: "2026-11-20T10:00:00Z",
      native: { recipient: "shop.db.alert@in.example.com" },
    },
    ...changes,
  }) as unknown as ClaimedDelivery;

/** What is counted and measured of one attempt. */
async function attempt(result: Partial<DeliveryResult>, changes = {}, kind = "telegram") {
  const { counting, counted, measured, outcomes } = figures(ROUTES);
  const deliver = counting(() => Promise.resolve({ latencyMs: 1, ...result } as DeliveryResult));
  await deliver(claimed(changes), { kind } as ClaimedDestination, undefined);
  await Promise.resolve();
  return { counted, measured, outcomes };
}

const NOTHING = { counted: [], measured: [], outcomes: [] };

Deno.test("mail figures: a card that is sent counts as delivered, with the time since the mail came", async () => {
  assertEquals(await attempt({ ok: true }), {
    counted: ["mail_cards shop other alert delivered"],
    measured: ["happened mail.card 0", "mail_card  5000"],
    outcomes: ["c1 false 5000"],
  });
  const late = {
    counted: ["mail_cards shop other alert delivered"],
    measured: ["mail_card  5000"],
    outcomes: [],
  };
  assertEquals(await attempt({ ok: true }, { attempt: 3 }), late);
});

Deno.test("mail figures: a mail fails once, and waiting for the pace is no failure", async () => {
  const failed = { ok: false, error: "timeout" } as const;
  assertEquals(await attempt(failed), {
    counted: ["mail_cards shop other alert failed"],
    measured: ["happened mail.card 0", "happened mail.card_failed 0"],
    outcomes: ["c1 true 5000"],
  });
  assertEquals(await attempt(failed, { attempt: 2 }), NOTHING);
  assertEquals(await attempt({ ok: false, error: "platform_limit" }), NOTHING);
});

Deno.test("mail figures: the time of a card that was there, or is sent again, says nothing", async () => {
  const counted = ["mail_cards shop other alert delivered"];
  const there = await attempt({ ok: true }, { card: { token: "t", is_sent: true } });
  assertEquals([there.counted, there.measured], [counted, ["happened mail.card 0"]]);
  assertEquals(await attempt({ ok: true }, { resent: 1 }), { counted, measured: [], outcomes: [] });
});

Deno.test("mail figures: other channels and other destinations are not counted", async () => {
  const text = { message: { channel: "sms", created_at: "2026-11-20T10:00:00Z", native: null } };
  assertEquals(await attempt({ ok: true }, text), NOTHING);
  assertEquals(await attempt({ ok: true }, {}, "http"), NOTHING);
});

/** What is measured of a mail to this address that no route takes, or that this route takes. */
async function routed(
  conditions: unknown[],
  recipient: string | null,
  route: string | null = null,
  kind = "new_mail",
) {
  const { onRouted, measured } = figures(conditions);
  onRouted(
    {
      channel: "email",
      messages: [{ id: "m1", mail: { kind, recipient } }],
    } as unknown as WaitingConversation,
    { decisions: [{ message_id: "m1", route_id: route }] } as unknown as DecidedConversation,
  );
  await Promise.resolve();
  await Promise.resolve();
  return measured;
}

Deno.test("mail figures: a mail that no route takes is a routing error, where routes ask for addresses", async () => {
  const failed = ["happened mail.route_failed no_route 0"], unknown = ["happened mail.address_unknown 0"];
  assertEquals(await routed(ROUTES, "shop.alert@in.example.com"), unknown);
  assertEquals(
    await routed([{ ...ROUTES[0], scopes: ["eu"] }], "shop.eu.report@x.example"),
    failed,
  );
  assertEquals(await routed(ROUTES, null), unknown);
  assertEquals(await routed(ROUTES, "shop.eu.alert@x.example", "r1"), []);
  assertEquals(await routed([{ type: "any" }], "shop.alert@x.example"), []);
  assertEquals(await routed(ROUTES, "shop.alert@x.example", null, "reply"), []);
});

Deno.test("mail figures: a decision that cannot be stored is a routing error, of mail alone", () => {
  const { onRouted, measured } = figures([]);
  onRouted({ channel: "email", messages: [] } as unknown as WaitingConversation, undefined);
  onRouted({ channel: "sms", messages: [] } as unknown as WaitingConversation, undefined);
  assertEquals(measured, ["happened mail.route_failed route_error 0"]);
});
