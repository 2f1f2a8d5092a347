/**
 * Campaigns over HTTP, for services.
 *
 * @module
 */
import { z } from "zod";
import { CAMPAIGNS } from "../answers/campaigns.ts";

const perMinute = z.int().min(6).max(12_000).describe("The most messages a minute; 600 by default");
const limit = z.number().min(0).max(1);
const limits = {
  per_minute: perMinute.optional(),
  bounce_limit: limit.optional().describe("It stops by itself above this share of bounces; 0.05 by default"),
  complaint_limit: limit.optional().describe("The same of complaints; 0.001 by default"),
  start_at: z.iso.datetime({ offset: true }).optional().describe("Not before"),
};
const words = {
  subject: z.string().max(900),
  html: z.string().max(1_000_000).optional(),
  text: z.string().max(1_000_000).optional(),
};

/** The body that makes a draft. */
export const campaignToMake = z.strictObject({
  name: z.string().min(1).max(200).describe("For the team"),
  from: z.string().max(254).optional().describe("An identity; the default one without it"),
  ...words,
  flag_key: z.string().max(200).optional().describe("A flag that is asked for each recipient"),
  otherwise: z.strictObject({ ...words, subject: words.subject.optional() }).optional().describe(
    "What those without the flag get; nothing without it",
  ),
  track: z.enum(["off", "aggregate", "individual"]).optional(),
  ...limits,
}).describe("Words may hold placeholders: `{{name}}` or `{{name|otherwise}}`; html, text or both");

/** The body that adds recipients. */
export const campaignRecipients = z.strictObject({
  recipients: z.array(z.strictObject({
    to: z.string().max(1000),
    fields: z.record(z.string().max(100), z.string().max(10_000)).default({}).describe(
      "Values of placeholders",
    ),
  })).max(20_000),
});

const version = z.int().min(1).describe(
  "The version that was read: somebody else's change is not overwritten",
);

/** The body that starts a campaign, or lets it go on. */
export const campaignStart = z.strictObject({ version, ...limits });

/** The body that stops a campaign. */
export const campaignStop = z.strictObject({
  version,
  reason: z.string().max(500).optional(),
  cancel: z.boolean().default(false).describe("For good"),
});

/** Schemas of this module that docs/openapi.yaml names. */
export const CAMPAIGNS_HTTP = {
  Campaign: CAMPAIGNS.create_campaign.describe("A campaign with its figures"),
  CampaignRead: CAMPAIGNS.read_campaign.describe(
    "A campaign with its words, and its figures by hour, link and mail program",
  ),
  CampaignList: CAMPAIGNS.list_campaigns.describe("Latest first"),
  CampaignAdded: CAMPAIGNS.add_campaign_recipients.describe("What became of the recipients"),
  CampaignToMake: campaignToMake,
  CampaignRecipients: campaignRecipients,
  CampaignStart: campaignStart,
  CampaignStop: campaignStop,
} as const;
