/** What the list and the page of an announcement share. */
import type { Announcement } from "../../../../supabase/functions/_shared/contract/answers/announcements.ts";
import { State } from "../../ui/State.tsx";

const STATES = {
  draft: ["Draft", "plain"],
  sending: ["Sending", "info"],
  stopped: ["Stopped", "warn"],
  done: ["Done", "good"],
} as const;

export function Badge({ of: { state } }: { of: Announcement }) {
  const [words, tone] = STATES[state];
  return <State tone={tone}>{words}</State>;
}

/** `3 of 10 queued`. */
export function progress({ people, queued, left_out }: Announcement): string {
  const out = Object.values(left_out).reduce((sum, n) => sum + n, 0);
  return `${queued} of ${people} queued${out === 0 ? "" : `, ${out} left out`}`;
}
