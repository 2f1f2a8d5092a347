/** What the list and the page of a campaign share. */
import type { Campaign } from "../../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import { percent } from "../../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { State } from "../../ui/State.tsx";

const STATES = {
  draft: ["Draft", "plain"],
  sending: ["Sending", "info"],
  stopped: ["Stopped", "warn"],
  cancelled: ["Cancelled", "plain"],
  done: ["Done", "good"],
} as const;

export function Badge({ of: { state, waits, stopped_by } }: { of: Campaign }) {
  const [words, tone] = STATES[state];
  if (waits !== null) return <State tone="warn">{waits === "start_at" ? "Scheduled" : "Waiting"}</State>;
  if (state === "stopped" && stopped_by === "limits") return <State tone="bad">Stopped by limits</State>;
  return <State tone={tone}>{words}</State>;
}

/** `300 of 1,000 sent`. */
export function progress({ counts }: Campaign): string {
  const [recipients, sent] = [counts.recipients ?? 0, counts.sent ?? 0];
  return sent === 0
    ? `${recipients.toLocaleString()} ${recipients === 1 ? "recipient" : "recipients"}`
    : `${sent.toLocaleString()} of ${recipients.toLocaleString()} sent`;
}

/** `98.0 % delivered, 31.0 % opened`; only what there is. */
export function shares({ rates }: Campaign): string {
  return (["delivered", "opened", "clicked", "replied", "bounced"] as const)
    .filter((what) => rates[what] !== null && rates[what] > 0)
    .map((what) => `${percent(rates[what])} ${what}`).join(", ");
}
