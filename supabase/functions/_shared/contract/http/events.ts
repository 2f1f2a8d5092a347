/**
 * The events for services, besides the messages that come in ({@link MessageReceived} in messages.ts): one schema per
 * family of types.
 *
 * @module
 */
import { z } from "zod";
import { id, passed } from "../answers/common.ts";
import { EVENT_FAMILIES } from "../event_types.ts";
import { eventContact } from "./messages.ts";

const time = z.iso.datetime({ offset: true });

/** Members that each event has. */
const common = {
  resent: z.int().min(1).optional().describe(
    "How often a person has resent it after delivery; absent if never. The `webhook-id` stays the same",
  ),
  seq: z.int().describe("Increases within a conversation, together with `seq` of its messages"),
  channel: z.string().meta({ description: "Its channel", examples: ["whatsapp"] }),
  native: passed.nullable().describe(
    "What the provider reported, in its format; null for what happened in Gatelink",
  ),
};

const conversation = z.strictObject({
  id,
  number_id: z.string().describe("`phone_number_id` of the business number"),
});

/** Members of an event about a person. */
const personal = { conversation, contact: eventContact };

const [received, ...fates] = EVENT_FAMILIES.message;

/** A sent message reached a status. Each status comes once, in the order in which the provider reported them. */
export const messageFate = z.strictObject({
  type: z.enum(fates).describe(`Each status of a sent message; ${received} is an event of its own`),
  timestamp: time.describe("When it was reached, by the provider's clock"),
  data: z.strictObject({
    ...common,
    message: z.strictObject({
      id: id.describe("As `wa-send` returned it"),
      seq: z.int(),
      channel: z.string(),
      type: z.string(),
      provider_id: z.string().nullable().describe("wamid; null if it was never accepted"),
    }),
    error: z.array(passed).optional().describe("Why it failed: the provider's errors"),
    pricing: passed.optional().describe("What the provider charges"),
    ...personal,
  }),
});

/** Something happened to a template. */
export const templateEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.template),
  timestamp: time,
  data: z.strictObject({
    ...common,
    template: z.strictObject({
      account: z.string().describe("Meta's WABA id"),
      id: z.string().optional(),
      name: z.string().optional(),
      language: z.string().optional(),
      category: z.string().optional().describe("In lower case: marketing, utility, authentication"),
      previous_category: z.string().optional(),
      reason: z.string().optional().describe("Meta's reason, such as INCORRECT_CATEGORY"),
    }),
  }),
});

/** The quality or the limits of a business number changed. */
export const numberEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.number),
  timestamp: time,
  data: z.strictObject({
    ...common,
    number: z.strictObject({
      account: z.string().describe("Meta's WABA id"),
      id: z.string().optional().describe("`phone_number_id`, if the number is known here"),
      address: z.string().optional().describe("The number as people dial it, digits only"),
      event: z.string().optional().describe("Meta's word, such as FLAGGED or UPGRADE"),
      limit: z.string().optional().describe("Its messaging limit now, such as TIER_1K"),
      previous_limit: z.string().optional(),
    }),
  }),
});

/** Meta warns, restricts or bans an account. */
export const accountEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.account),
  timestamp: time,
  data: z.strictObject({
    ...common,
    account: z.strictObject({
      id: z.string().describe("Meta's WABA id"),
      event: z.string().optional().describe("Meta's word, such as DISABLED_UPDATE or ACCOUNT_VIOLATION"),
      state: z.string().optional().describe("Meta's word for the ban, such as SCHEDULE_FOR_DISABLE"),
      severity: z.string().optional(),
      description: z.string().optional(),
      restrictions: z.array(z.string()).optional(),
    }),
  }),
});

/** A person opted out or in, or changed the phone number. */
export const contactEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.contact),
  timestamp: time,
  data: z.strictObject({
    ...common,
    change: z.strictObject({
      phone: z.string().describe("The new number, digits only"),
      previous: z.string().describe("The number before"),
    }).optional().describe("For contact.changed_number"),
    ...personal,
  }),
});

/** What became of a call. An incoming call also is a message of type `call`. */
export const callEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.call),
  timestamp: time,
  data: z.strictObject({
    ...common,
    call: z.strictObject({
      id: z.string().optional().describe("Meta's id of the call"),
      direction: z.string().optional().describe("USER_INITIATED or BUSINESS_INITIATED"),
      status: z.string().optional().describe("How it ended, such as COMPLETED"),
      seconds: z.number().optional().describe("How long it lasted"),
    }),
    ...personal,
  }),
});

/** A person took a conversation over from the services, or it went back to them. */
export const conversationEvent = z.strictObject({
  type: z.enum(EVENT_FAMILIES.conversation),
  timestamp: time,
  data: z.strictObject({
    ...common,
    takeover: z.strictObject({
      by: z.string().describe(
        "A user id, app for the WhatsApp Business app, or the name that the API's caller gave",
      ),
      since: time,
      until: time.describe("When it ends by itself"),
      released: z.enum(["hand", "time"]).optional().describe(
        "For conversation.released: by hand, or at its end",
      ),
    }),
    ...personal,
  }),
});

/** The schema of each family. */
export const SERVICE_EVENTS = {
  message: messageFate,
  template: templateEvent,
  number: numberEvent,
  account: accountEvent,
  contact: contactEvent,
  call: callEvent,
  conversation: conversationEvent,
} as const;
/** Any event but message.received. */
export type ServiceEvent = z.infer<typeof SERVICE_EVENTS[keyof typeof SERVICE_EVENTS]>;

/** Schemas of this module that docs/openapi.yaml names. */
export const EVENTS = {
  AccountEvent: accountEvent,
  CallEvent: callEvent,
  ContactEvent: contactEvent,
  ConversationEvent: conversationEvent,
  MessageFate: messageFate,
  NumberEvent: numberEvent,
  TemplateEvent: templateEvent,
} as const;
