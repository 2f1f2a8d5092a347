/**
 * Codes that confirm the addresses of an identity, over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { at } from "../answers/common.ts";

/** A code that was made, and how its mail went. */
export const identityCode = z.strictObject({
  to: z.string().describe("The address that the code was mailed to"),
  expires_at: at.describe("Until when the code is valid"),
  sent: z.boolean().describe("Whether the provider took the mail, or may have taken it"),
  detail: z.string().optional().describe("Why it was not sent"),
});
/** See {@linkcode identityCode}. */
export type IdentityCode = z.infer<typeof identityCode>;

/** Schemas of this module that docs/openapi.yaml names. */
export const IDENTITIES = { IdentityCode: identityCode } as const;
