/** Campaigns as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Campaign,
  CampaignRecipient,
} from "../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { LivePagesOptions, Source } from "./pages.ts";
import { LIVE_MS, rpc, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Campaigns of a page. */
const PAGE = 50;
/** Recipients of a page. */
const PEOPLE = 100;
/** Recipients of a page of a file. */
const FILE_PEOPLE = 900;

/** Campaigns in pages, latest first. */
export const campaignPages = (search: string): LivePagesOptions<Campaign> => ({
  key: ["list_campaigns", { search }],
  read: (last) =>
    rpc("list_campaigns", {
      p_limit: PAGE,
      p_filter: { ...(search && { search }), ...(last && { before: last.id }) },
    }),
  size: PAGE,
});

/** One campaign with its words and figures. */
export function useCampaign(id: string): UseQueryResult<Result<"read_campaign">, Refusal> {
  return useRpc("read_campaign", { p_id: id }, { every: LIVE_MS / 2 });
}

const recipients = (id: string, size: number): Source<CampaignRecipient> => ({
  read: (last) => rpc("list_campaign_recipients", { p_id: id, p_after: last?.id ?? 0, p_limit: size }),
  size,
});

/** The recipients of a campaign in pages. */
export const campaignRecipientPages = (id: string): LivePagesOptions<CampaignRecipient> => ({
  key: ["list_campaign_recipients", id],
  ...recipients(id, PEOPLE),
});

/** All recipients of a campaign, for a file. */
export const campaignRecipientFile = (id: string): Source<CampaignRecipient> => recipients(id, FILE_PEOPLE);

/** Identities that a campaign may be sent as. */
export function useSenders(): UseQueryResult<Result<"list_identities">, Refusal> {
  return useRpc("list_identities", { p_limit: 200 });
}

/** Keys that a change of a campaign invalidates. */
export const CAMPAIGN_CHANGED = ["list_campaigns", "read_campaign", "list_campaign_recipients"];
