/**
 * What Meta reports of accounts, numbers and templates, over HTTP: the event for those who are told of it.
 *
 * @module
 */
import { z } from "zod";

const time = z.iso.datetime({ offset: true });

/** The event for subscribers of what happens to an account. */
export const accountEvent = z.strictObject({
  type: z.enum([
    "template.paused",
    "template.disabled",
    "template.rejected",
    "template.category_changed",
    "template.category_announced",
    "number.quality",
    "number.limit",
    "account.alert",
    "account.restricted",
    "account.banned",
    "account.reinstated",
  ]),
  timestamp: time.describe("When it happened, by Meta's clock"),
  data: z.strictObject({
    id: z.guid(),
    account: z.string().describe("Meta's WABA id"),
    account_name: z.string().nullable().describe("The team's name of the account"),
    sender_id: z.string().nullable().describe("`phone_number_id`, if it is about one number"),
    subject: z.string().nullable().describe("The template's name and language, or the number as dialled"),
    data: z.record(z.string(), z.unknown()).describe("Meta's details"),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode accountEvent}. */
export type AccountEvent = z.infer<typeof accountEvent>;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const ACCOUNTS = { AccountNotification: accountEvent } as const;
