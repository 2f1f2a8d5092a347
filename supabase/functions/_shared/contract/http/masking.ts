/**
 * Masked messaging over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { MASKING as ANSWERS } from "../answers/masking.ts";

const flag = z.strictObject({
  value: z.boolean(),
  from: z.enum(["environment", "setting", "default"]).describe("What says so"),
});

const report = ANSWERS.messages_diagnostics.unwrap().extend({
  org_id: z.guid(),
  flags: z.strictObject({
    ENABLE_MESSAGING_V1: flag,
    ENABLE_PROACTIVE_THREAD_CREATION: flag,
    ENABLE_SITTER_MESSAGES_V1: flag,
  }),
});
/** How masked messaging of an organisation is doing, with its flags. */
export type MessagesReport = z.infer<typeof report>;

/** Schemas of this module that docs/openapi.yaml names. */
export const MASKED = { MessagesReport: report, MessagingFlag: flag } as const;
