/**
 * The answers of SQL functions by function name. Each shape is declared once, for functions, command line and panel.
 *
 * @module
 */
import type { z } from "zod";
import { ACCOUNTS } from "./answers/accounts.ts";
import { ANNOUNCEMENTS } from "./answers/announcements.ts";
import { ATTENTION } from "./answers/attention.ts";
import { AUDIT } from "./answers/audit.ts";
import { CAMPAIGNS } from "./answers/campaigns.ts";
import { DELIVERIES } from "./answers/deliveries.ts";
import { FLAG_CHECK } from "./answers/flag_check.ts";
import { INCIDENTS } from "./answers/incidents.ts";
import { LINKS } from "./answers/links.ts";
import { MAIL } from "./answers/mail.ts";
import { MAILBOXES } from "./answers/mailboxes.ts";
import { MASKING } from "./answers/masking.ts";
import { MEDIA } from "./answers/media.ts";
import { MESSAGES } from "./answers/messages.ts";
import { OPERATIONS } from "./answers/operations.ts";
import { PEOPLE } from "./answers/people.ts";
import { PIPELINE } from "./answers/pipeline.ts";
import { REPORTS } from "./answers/reports.ts";
import { ROLLOUTS } from "./answers/rollouts.ts";
import { ROUTES } from "./answers/routes.ts";
import { SEARCH } from "./answers/search.ts";
import { SIGNALS } from "./answers/signals.ts";
import { SMS } from "./answers/sms.ts";
import { ANALYSIS } from "./answers/analysis.ts";
import { ONCALL } from "./answers/oncall.ts";
import { TELEGRAM } from "./answers/telegram.ts";
import { TEMPLATES } from "./answers/templates.ts";
import { TRACKING } from "./answers/tracking.ts";
import { TRAFFIC } from "./answers/traffic.ts";
import type { Database } from "./database.ts";
import type { Json } from "./json.ts";

type Functions = Database["public"]["Functions"];

/** Functions that answer JSON, whose shape the catalog does not describe. */
type JsonFunction = {
  [Name in keyof Functions]: Json extends Functions[Name]["Returns"] ? Name : never;
}[keyof Functions];

/** The schema of each answer. Only tests check answers against them. A missing schema does not compile. */
export const ANSWERS = {
  ...ACCOUNTS,
  ...ANNOUNCEMENTS,
  ...ATTENTION,
  ...AUDIT,
  ...CAMPAIGNS,
  ...DELIVERIES,
  ...FLAG_CHECK,
  ...INCIDENTS,
  ...LINKS,
  ...MAIL,
  ...MAILBOXES,
  ...MASKING,
  ...MEDIA,
  ...MESSAGES,
  ...OPERATIONS,
  ...PEOPLE,
  ...PIPELINE,
  ...REPORTS,
  ...ROLLOUTS,
  ...ROUTES,
  ...SEARCH,
  ...SIGNALS,
  ...SMS,
  ...ONCALL,
  ...TELEGRAM,
  ...ANALYSIS,
  ...TEMPLATES,
  ...TRACKING,
  ...TRAFFIC,
} as const satisfies Readonly<Record<JsonFunction, z.ZodType>>;

/** The types of the JSON answers, by function name. */
export type Answers = { [Name in keyof typeof ANSWERS]: z.infer<(typeof ANSWERS)[Name]> };
