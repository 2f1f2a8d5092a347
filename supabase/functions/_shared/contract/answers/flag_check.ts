/**
 * Whether a flag is on for somebody, and why.
 *
 * @module
 */
import { z } from "zod";
import { at } from "./common.ts";

const checked = z.strictObject({
  /** The id that is evaluated: a contact's, or one of the team's app. */
  id: z.string(),
  last_four: z.string().nullable(),
  name: z.string().nullable(),
  has_written: z.boolean(),
  on: z.boolean(),
  reason: z.string(),
  error_code: z.string().nullable(),
  /** The percentage from which on the flag is on for this id. */
  place: z.number(),
  percentage: z.number(),
  /** Whether the id is a target of the flag. */
  listed: z.boolean(),
  /** Segments that the flag targets and the id is in. */
  segments: z.array(z.string()),
  /** Prerequisites that are not on for this id. */
  missing: z.array(z.string()),
  /** Whether the flag is on for anybody. */
  is_on: z.boolean(),
  killed_since: at.nullable(),
});
/** One person's evaluation, for which `words/flag_check.ts` has the sentences. */
export type CheckedFlag = z.infer<typeof checked>;

/** The answers of flag checks. */
export const FLAG_CHECK = { check_flag: z.array(checked) };
