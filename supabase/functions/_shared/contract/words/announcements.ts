/** Announcements in words: for the command line and the panel. */
import type { Audience } from "../answers/announcements.ts";

/** Whom it is for. */
export function audienceInWords(audience: Audience): string {
  switch (audience.kind) {
    case "flag":
      return audience.targets_only
        ? `the targets of ${audience.flag_key}`
        : `who has ${audience.flag_key} and wrote within ${audience.days ?? 30} days`;
    case "segments":
      return `segment${audience.segments.length > 1 ? "s" : ""} ${audience.segments.join(", ")}`;
    case "wrote":
      return `who wrote within ${audience.days} ${audience.days === 1 ? "day" : "days"}`;
    case "affected":
      return `for whom ${audience.flag_key} failed${
        audience.since === undefined ? "" : ` since ${new Date(audience.since).toISOString().slice(0, 16)}Z`
      }`;
  }
}

const WHY: Readonly<Record<string, string>> = {
  text: "the text",
  template: "the template",
  opted_out: "nothing: opted out",
  template_not_sendable: "nothing: Meta does not send this template now",
  window_closed: "nothing: wrote more than 24 hours ago, and there is no template",
  group: "nothing: a group",
  merged: "nothing: the same person twice",
  feature_off: "sending is off for them",
  sender_held: "the sender is held or paused",
  purged: "the message is purged",
};

/** `3 the text, 1 nothing: opted out`; `nobody` for none. */
export function figuresInWords(figures: Readonly<Record<string, number>>): string {
  const parts = Object.entries(figures).map(([why, n]) => `${n} ${WHY[why] ?? why.replaceAll("_", " ")}`);
  return parts.length === 0 ? "nobody" : parts.join("; ");
}
