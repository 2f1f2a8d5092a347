/**
 * Sentences about recent changes.
 *
 * @module
 */
import type { Change } from "../answers/operations.ts";
import { type EventFacts, eventInWords } from "./rollouts.ts";

type Words = (figures: Change["figures"]) => string;

/** The text after the name, by kind and change. */
const CHANGES: Readonly<Record<string, Readonly<Record<string, Words>>>> = {
  setting: {
    removed: () => "removed",
    set: ({ to }) => `set to ${to}`,
    value: ({ from, to }) => `${from} → ${to}`,
    percentage: ({ from, to }) => `${from} % → ${to} %`,
    schedule: () => "schedule changed",
    metadata: () => "metadata changed",
  },
  route: { added: onOff("added"), changed: onOff("changed") },
  destination: {
    paused: () => "paused",
    added: () => "added",
    active: () => "changed, is active",
    removed: () => "removed",
  },
  segment: {
    set: () => "set",
    members: ({ added, removed }) => `+${added} −${removed}`,
  },
};

function onOff(words: string): Words {
  return ({ active }) => active === false ? `${words}, is off` : words;
}

/** The figures of a rollout's change. */
function eventOf(kind: string, figures: Change["figures"]): EventFacts {
  return { kind, ...figures as unknown as Omit<EventFacts, "kind"> };
}

/** A change in words. Unknown kinds and changes are shown unchanged. */
export function changeInWords({ kind, name, change, figures }: Change): string {
  if (kind === "rollout") return `${name} ${change}: ${eventInWords(eventOf(change, figures))}`;
  if (kind === "rollback") {
    return `level ${figures.level}: ${name}${change === "not_verified" ? ", not verified" : ""}`;
  }
  if (kind === "incident") {
    const { title, severity, status } = figures;
    return `incident ${name} (${severity}, ${status}) ${change.replaceAll("_", " ")}: ${title}`;
  }
  const words = CHANGES[kind]?.[change]?.(figures) ?? change;
  // The person who turned it off should know that its schedule is gone.
  const clock = figures.start_taken_away === true ? ", scheduled start removed" : "";
  return `${kind === "setting" ? "" : `${kind} `}${name} ${words}${clock}`;
}
