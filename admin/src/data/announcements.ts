/** Announcements as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Affected,
  Announcement,
} from "../../../supabase/functions/_shared/contract/answers/announcements.ts";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { LivePagesOptions } from "./pages.ts";
import { LIVE_MS, rpc, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Announcements of a page. */
const PAGE = 50;
/** People of a page. */
const PEOPLE = 100;

/** Announcements in pages, latest first. */
export const announcementPages = (search: string): LivePagesOptions<Announcement> => ({
  key: ["list_announcements", { search }],
  read: (last) =>
    rpc("list_announcements", {
      p_limit: PAGE,
      p_filter: { ...(search && { search }), ...(last && { before: last.id }) },
    }),
  size: PAGE,
});

/** One announcement; its people are read by pages. */
export function useAnnouncement(id: string): UseQueryResult<Result<"read_announcement">, Refusal> {
  return useRpc("read_announcement", { p_id: id, p_limit: 1 }, { every: LIVE_MS / 2 });
}

/** A person who gets an announcement, or does not. */
export type Recipient = Result<"read_announcement">["recipients"][number];

/** The people of an announcement in pages. */
export const recipientPages = (id: string): LivePagesOptions<Recipient> => ({
  key: ["read_announcement", "people", id],
  read: async (last) =>
    (await rpc("read_announcement", { p_id: id, p_after: last?.contact_id ?? null, p_limit: PEOPLE }))
      .recipients,
  size: PEOPLE,
});

/** For whom a feature failed, latest first. */
export function useAffected(flag: string, offset: number, limit: number): UseQueryResult<Affected, Refusal> {
  return useRpc("list_affected", { p_flag_key: flag, p_offset: offset, p_limit: limit });
}

/** Keys that a change of an announcement invalidates. */
export const ANNOUNCEMENT_CHANGED = ["list_announcements", "read_announcement"];
