/**
 * Error answers (RFC 9457) and the members that some codes add to them.
 *
 * Functions and pages import only types from this folder (and `limits.ts`, which has no schema), so what these schemas say
 * for docs/openapi.yaml costs nothing at run time.
 *
 * @module
 */
import { z } from "zod";
import { linkFaults } from "../links.ts";

/** A problem; further members depend on its code. */
export const problem = z.looseObject({
  type: z.string().regex(/^urn:gatelink:problem:[a-z_]+$/),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  request_id: z.string(),
  detail: z.string().optional(),
}).describe("RFC 9457. All codes are in `docs/errors.md`.");
/** See {@linkcode problem}. */
export type ProblemBody = z.infer<typeof problem>;

/** Errors of a message, with code `invalid_request`. */
export const issues = z.array(z.strictObject({
  path: z.string().meta({ examples: ["interactive.action.buttons.1.reply.title"] }),
  message: z.string(),
})).describe("The errors of the message by member");
/** See {@linkcode issues}. */
export type Issues = z.infer<typeof issues>;

/** A problem of a link that is created or changed. */
export const linkRefusal = problem.extend({ fields: linkFaults.optional() });

/** Since when a conversation is closed, with code `window_closed`. */
export const windowClosedAt = z.iso.datetime({ offset: true })
  .describe("When the window closed; absent if the person has never written");

/** Names of the limits that were exceeded, with code `rate_limited`. */
export const violatedPolicies = z.array(z.string());

/** A problem of the functions that OpenFeature's providers call. */
export const ofrepProblem = problem.extend({ errorDetails: z.string() })
  .describe("A problem with the members that OFREP clients expect");

/** Schemas of this module that docs/openapi.yaml names. */
export const PROBLEMS = {
  Problem: problem,
  Fields: linkFaults,
  Issues: issues,
  LinkRefusal: linkRefusal,
  OfrepProblem: ofrepProblem,
  ViolatedPolicies: violatedPolicies,
  WindowClosedAt: windowClosedAt,
} as const;
