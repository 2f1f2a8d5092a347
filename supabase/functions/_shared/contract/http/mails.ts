/**
 * A mail whole, over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { count, id } from "../answers/common.ts";

const person = z.strictObject({ address: z.string(), name: z.string() });

/** A mail whole. */
export const wholeMail = z.strictObject({
  id,
  subject: z.string(),
  from: person.nullable().describe("Null for what we sent"),
  to: z.array(person),
  cc: z.array(person),
  text: z.string().describe("With what it quotes"),
  html: z.string().nullable().describe(
    "Without scripts, styles that move anything, forms, and content of other servers; images as data",
  ),
  remote_images: count.describe("Images of other servers, which are left out unless they were asked for"),
  remote_shown: count.describe("Those of them that were asked for and are in `html`"),
  raw: z.boolean().describe("Whether its raw form is still stored"),
  attachments: z.array(z.strictObject({
    index: count,
    name: z.string(),
    type: z.string().describe("As the sender stated it"),
    size: count,
    stored: z.boolean().describe("Whether it can be downloaded"),
  })),
});
/** See {@linkcode wholeMail}. */
export type WholeMail = z.infer<typeof wholeMail>;

/** Schemas of this module that docs/openapi.yaml names. */
export const MAILS = { WholeMail: wholeMail } as const;
