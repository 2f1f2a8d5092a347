/**
 * What the functions in SQL answer, by their names: each shape once, for functions, command line and panel.
 *
 * @module
 */
import type { z } from "zod";
import { ANNOUNCEMENTS } from "./answers/announcements.ts";
import { DELIVERIES } from "./answers/deliveries.ts";
import { INCIDENTS } from "./answers/incidents.ts";
import { LINKS } from "./answers/links.ts";
import { MAIL } from "./answers/mail.ts";
import { MESSAGES } from "./answers/messages.ts";
import { OPERATIONS } from "./answers/operations.ts";
import { PEOPLE } from "./answers/people.ts";
import { PIPELINE } from "./answers/pipeline.ts";
import { REPORTS } from "./answers/reports.ts";
import { ROLLOUTS } from "./answers/rollouts.ts";
import { ROUTES } from "./answers/routes.ts";
import { SIGNALS } from "./answers/signals.ts";
import type { Database } from "./database.ts";
import type { Json } from "./json.ts";

type Functions = Database["public"]["Functions"];

/** Functions whose answer the catalog does not describe: JSON. */
type JsonFunction = {
  [Name in keyof Functions]: Json extends Functions[Name]["Returns"] ? Name : never;
}[keyof Functions];

/** The answers, to be checked where it is worth its time: tests check each. One that is missing does not compile. */
export const ANSWERS = {
  ...ANNOUNCEMENTS,
  ...DELIVERIES,
  ...INCIDENTS,
  ...LINKS,
  ...MAIL,
  ...MESSAGES,
  ...OPERATIONS,
  ...PEOPLE,
  ...PIPELINE,
  ...REPORTS,
  ...ROLLOUTS,
  ...ROUTES,
  ...SIGNALS,
} as const satisfies Readonly<Record<JsonFunction, z.ZodType>>;

/** What is answered in JSON, by the function's name. */
export type Answers = { [Name in keyof typeof ANSWERS]: z.infer<(typeof ANSWERS)[Name]> };
