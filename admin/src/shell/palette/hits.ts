/** What was found, as the palette shows and opens it. */
import type { SearchHit } from "../../../../supabase/functions/_shared/contract/answers/search.ts";
import { ROLLOUT_STATE_WORDS } from "../../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import type { IconName } from "../../ui/icons.tsx";
import type { Tone } from "../../ui/State.tsx";
import { channelInWords } from "../../words/channels.ts";

type Kind = SearchHit["kind"];

interface Look {
  /** Heading of the group. */
  group: string;
  icon: IconName;
  to: (hit: SearchHit) => string;
}

const segment = encodeURIComponent;

const LOOKS: Readonly<Record<Kind, Look>> = {
  flag: { group: "Flags", icon: "flag", to: ({ id }) => `/flags/${segment(id)}` },
  rollout: { group: "Rollouts", icon: "stairs", to: ({ id }) => `/rollouts/${id}` },
  incident: { group: "Incidents", icon: "warn", to: ({ id }) => `/incidents/${id}` },
  conversation: {
    group: "Conversations",
    icon: "chat",
    to: ({ id, message_id }) =>
      `/messages?conversation=${id}${message_id === null ? "" : `&message=${message_id}`}`,
  },
  destination: { group: "Destinations", icon: "truck", to: ({ id }) => `/deliveries/at/${segment(id)}` },
  route: { group: "Routes", icon: "route", to: ({ id }) => `/routes?edit=${id}` },
  link: { group: "Links", icon: "link", to: ({ id }) => `/links/at/${segment(id)}` },
  segment: { group: "Segments", icon: "people", to: ({ id }) => `/flags/segments?q=${segment(id)}` },
  announcement: { group: "Announcements", icon: "megaphone", to: ({ id }) => `/announcements/${id}` },
  number: { group: "Numbers", icon: "chat", to: () => "/settings?tab=numbers" },
  setting: { group: "Settings", icon: "gear", to: () => "/settings?tab=limits" },
};

export const lookOf = ({ kind }: SearchHit): Look => LOOKS[kind];

/** Its name in a list. */
export function labelOf({ kind, title, about, id }: SearchHit): string {
  if (kind === "conversation") return title ? `${title}, ···· ${about}` : `···· ${about ?? id.slice(0, 8)}`;
  return title ?? id;
}

/** More about it, on the second line. */
export function aboutOf({ kind, id, title, about, state }: SearchHit): string | null {
  if (kind === "conversation") return state === null ? null : channelInWords(state);
  if (kind === "link" && title !== id) return about === null ? id : `${id} · ${about}`;
  return about;
}

const TONES: Readonly<Record<string, Tone>> = {
  on: "good",
  active: "good",
  running: "good",
  paused: "warn",
  circuit_open: "bad",
  held: "bad",
  unacknowledged: "bad",
  acknowledged: "warn",
  rolled_back: "bad",
};

/** Its state in a word. */
export function stateOf({ kind, state }: SearchHit): { words: string; tone: Tone } | undefined {
  if (state === null || kind === "conversation") return undefined;
  const words = kind === "rollout" ? ROLLOUT_STATE_WORDS[state as keyof typeof ROLLOUT_STATE_WORDS] : state;
  return { words: (words ?? state).replaceAll("_", " "), tone: TONES[state] ?? "plain" };
}
