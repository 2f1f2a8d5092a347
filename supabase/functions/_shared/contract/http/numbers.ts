/**
 * The check of numbers over HTTP.
 *
 * @module
 */
import { z } from "zod";

const finding = z.strictObject({
  account: z.string().describe("The account's name, or its id"),
  number: z.string().nullable().describe("The number as dialled; null if it is about the account"),
  level: z.enum(["ok", "warning", "problem"]),
  about: z.string().describe(
    "`token`, `scopes`, `subscription`, `account`, `status`, `quality`, `limit`, `name`, …",
  ),
  what: z.string(),
  advice: z.string().nullable().describe("What to do; null if nothing is needed"),
});
/** One thing that the check found. */
export type NumberCheckFinding = z.infer<typeof finding>;

/** The answer of `POST wa-router/numbers/check`. */
export const numberCheck = z.strictObject({ findings: z.array(finding) });
/** See {@linkcode numberCheck}. */
export type NumberCheck = z.infer<typeof numberCheck>;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const NUMBERS = { NumberCheck: numberCheck, NumberCheckFinding: finding } as const;
