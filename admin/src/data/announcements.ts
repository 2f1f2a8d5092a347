/** Announcements as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Affected,
  Announcement,
} from "../../../supabase/functions/_shared/contract/answers/announcements.ts";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { LIVE_MS, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Announcements, latest first. */
export function useAnnouncements(): UseQueryResult<Announcement[], Refusal> {
  return useRpc("list_announcements", { p_limit: 100 });
}

/** One announcement, with the first of its people. */
export function useAnnouncement(id: string): UseQueryResult<Result<"read_announcement">, Refusal> {
  return useRpc("read_announcement", { p_id: id, p_limit: 200 }, { every: LIVE_MS / 2 });
}

/** For whom a feature failed, latest first. */
export function useAffected(flag: string, offset: number, limit: number): UseQueryResult<Affected, Refusal> {
  return useRpc("list_affected", { p_flag_key: flag, p_offset: offset, p_limit: limit });
}

/** Keys that a change of an announcement invalidates. */
export const ANNOUNCEMENT_CHANGED = ["list_announcements", "read_announcement"];
