/** Where the thing is that a change is of. */
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";

/** Where the thing is; undefined where it has no page, or has been removed. */
export function placeOf({ kind, ref, change }: AuditEntry): string | undefined {
  if (ref === null || change === "removed") return undefined;
  const id = encodeURIComponent(ref);
  switch (kind) {
    case "flag":
    case "signature":
      return `/flags/${id}`;
    case "rollout":
      return `/rollouts/${id}`;
    case "incident":
      return `/incidents/${id}`;
    case "route":
      return `/routes?edit=${id}`;
    case "destination":
      return `/deliveries/at/${id}`;
    case "link":
      return `/links/at/${id}`;
    case "segment":
      return `/flags/segments?q=${id}`;
    case "announcement":
      return `/announcements/${id}`;
    case "campaign":
      return `/campaigns/${id}`;
    case "contact":
    case "reply":
      return `/messages?message=${id}`;
    default:
      return undefined;
  }
}
