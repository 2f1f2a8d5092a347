/** Segments and their members in pages. */
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "./client.ts";
import { containing } from "./conditions.ts";
import { type LivePagesOptions, type Pages, useLivePages } from "./pages.ts";
import { unwrap } from "./query.ts";

/** A segment as lists show it. */
export type Segment = Pick<Row<"segments">, "key" | "description" | "version">;
/** Somebody in a segment. */
export type Member = Pick<Row<"segment_members">, "subject_id">;

const SEGMENTS = 30;
const MEMBERS = 100;

/** Segments by key. @param search Part of the key. */
export function segmentPages(search: string): LivePagesOptions<Segment> {
  return {
    key: ["segments", "pages", search],
    read: (last) => {
      let rows = client().from("segments").select("key,description,version");
      if (search) rows = rows.ilike("key", containing(search));
      if (last) rows = rows.gt("key", last.key);
      return unwrap(rows.order("key").limit(SEGMENTS));
    },
    size: SEGMENTS,
  };
}

/** Segments by key, polled. @param search Part of the key. */
export const useSegmentPages = (search: string): Pages<Segment> => useLivePages(segmentPages(search));

/** The members of a segment by id, polled. */
export function useMemberPages(segment: string): Pages<Member> {
  return useLivePages<Member>({
    key: ["segment_members", { key: segment }],
    read: (last) => {
      const rows = client().from("segment_members").select("subject_id").eq("segment_key", segment)
        .order("subject_id").limit(MEMBERS);
      return unwrap(last ? rows.gt("subject_id", last.subject_id) : rows);
    },
    size: MEMBERS,
  });
}
