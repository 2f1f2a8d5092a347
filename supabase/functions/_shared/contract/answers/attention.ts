/**
 * What the panel tells people to do.
 *
 * @module
 */
import { z } from "zod";
import { at, count, figures } from "./common.ts";

const item = z.strictObject({
  kind: z.enum([
    "incident",
    "destination",
    "sender",
    "health",
    "dead_letters",
    "unknown",
    "signature",
    "endpoint",
  ]),
  /** Number, name or UUID, by which the panel opens it. */
  id: z.string(),
  state: z.string(),
  /** How many. */
  n: count.nullable(),
  since: at.nullable(),
  urgent: z.boolean(),
  figures,
});
/** Something that needs somebody, with codes and figures for which `words/attention.ts` has the sentence. */
export type AttentionItem = z.infer<typeof item>;

const steps = z.array(z.strictObject({
  step: z.enum([
    "clock",
    "webhook",
    "destination",
    "route",
    "delivered",
    "reply",
    "link",
    "click",
    "member",
    "endpoint",
  ]),
  done: z.boolean(),
}));
/** How far a new installation is. */
export type FirstSteps = z.infer<typeof steps>;

/** The answers of attention and the first steps. */
export const ATTENTION = { attention: z.array(item), first_steps: steps };
