/**
 * What the database answers about who is on call.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

const source = z.enum(["rota", "pagerduty", "opsgenie", "jsm"]);
/** Ids of Telegram's have up to 52 bits. */
const telegramId = z.int();

const person = z.strictObject({
  name: z.string(),
  email: z.string().nullable(),
  /** Null for who is not linked. */
  telegram_id: telegramId.nullable(),
});
/** Somebody who is on call. */
export type PersonOnCall = z.infer<typeof person>;

const answer = z.strictObject({
  people: z.array(person),
  /** When it was said. */
  at,
  /** Whether it is older than it should be. */
  is_stale: z.boolean(),
});
/** Who is on call. */
export type OnCallAnswer = z.infer<typeof answer>;

const called = z.array(person);

const claim = z.strictObject({
  delivery_id: id,
  lease: id,
  /** waiting for the answer, or paging: the person is to be called. */
  state: z.enum(["waiting", "paging"]),
  schedule: z.strictObject({ id, name: z.string(), source, external_id: z.string().nullable() }),
  /** Null where it has to be asked. */
  answer: answer.nullable(),
  /** Who is to be called. */
  people: called,
  chat_id: telegramId,
  topic_id: telegramId.nullable(),
  message_id: telegramId,
});
/** A card that is to mention who is on call. */
export type Claim = z.infer<typeof claim>;

const eventClaim = z.strictObject({
  key: z.string(),
  lease: id,
  source,
  action: z.enum(["trigger", "acknowledge", "resolve"]),
  /** The state that the incident has after it. */
  told: z.enum(["open", "acknowledged", "resolved"]),
  summary: z.string(),
  about: z.string(),
});
/** An incident whose provider is to be told something. */
export type OnCallEventClaim = z.infer<typeof eventClaim>;

const onCallNow = z.strictObject({
  schedule: z.string(),
  source,
  people: z.array(person),
  /** False: there was never an answer. */
  known: z.boolean(),
  at: at.nullable(),
  is_stale: z.boolean(),
  /** Why the provider did not answer last time. */
  fault: z.string().nullable(),
  until: at.nullable(),
});
/** Who is on call for a schedule. */
export type OnCallNow = z.infer<typeof onCallNow>;

const schedule = z.strictObject({
  name: z.string(),
  source,
  external_id: z.string().nullable(),
  zone: z.string(),
  /** The chat whose cards mention who is on call. */
  destination: z.string().nullable(),
  scopes: z.array(z.string()).nullable(),
  types: z.array(z.string()).nullable(),
  opens_incidents: z.boolean(),
  /** Address of who is told of gaps. */
  owner: z.string().nullable(),
  layers: z.array(z.strictObject({
    id,
    unit: z.enum(["day", "week"]),
    every: count,
    starts_on: z.string(),
    handover: z.string(),
    days: z.array(z.int()).nullable(),
    from: z.string().nullable(),
    until: z.string().nullable(),
    people: z.array(z.string()),
  })),
  overrides: z.array(z.strictObject({ id, person: z.string(), from: at, until: at })),
  /** The next 14 days of a rota; person null: nobody. */
  shifts: z.array(z.strictObject({ person: z.string().nullable(), from: at, until: at })),
});
/** A schedule. */
export type OnCallSchedule = z.infer<typeof schedule>;

export const ONCALL = {
  add_oncall: z.strictObject({ id, name: z.string(), source, layers: count }),
  set_oncall_person: z.strictObject({
    id,
    name: z.string(),
    email: z.string().nullable(),
    atlassian_id: z.string().nullable(),
  }),
  remove_oncall_person: z.strictObject({ id, name: z.string(), layers: count }),
  override_oncall: z.strictObject({ id, schedule: z.string(), from: at, until: at, person: z.string() }),
  who_is_on_call: z.array(onCallNow),
  list_oncall: z.array(schedule),
  claim_oncall_pages: z.array(claim),
  claim_oncall_events: z.array(eventClaim),
  settle_oncall_lookup: answer.nullable(),
  settle_oncall_page: z.strictObject({
    outcome: z.enum(["found", "unlinked", "stale", "empty", "failed"]),
    /** Whether people are to be called by a message. */
    pages: z.boolean(),
    people: called,
    /** Who is to be told that nobody is on call, or that it is not known. */
    owner: z.strictObject({
      telegram_id: telegramId,
      trouble: z.enum(["gap", "silent"]),
      schedule: z.string(),
    }).nullable(),
  }).nullable(),
};
