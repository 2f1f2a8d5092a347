/** The default weekly hours. */
import { type Day, DAYS, type Window } from "../../../supabase/functions/_shared/contract/window.ts";

/** Working hours in the reader's time zone. */
export function freshWindow(): Window & { days: Day[] } {
  return {
    days: DAYS.slice(0, 5),
    from: "09:00",
    to: "17:00",
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
