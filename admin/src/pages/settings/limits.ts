/** The limits and terms that a person sets on this page. */
import { LIMITS, type SettableLimit } from "../../../../supabase/functions/_shared/contract/limits.ts";

/** A setting that is a number. */
export interface Limit {
  key: string;
  title: string;
  about: string;
  /** What holds without the setting; null for no limit. */
  otherwise: number | null;
  least: number;
  most: number;
  unit: string;
}

/** A rate that callers are held to. */
function rate({ setting: { key, most }, perSecond }: SettableLimit) {
  return { key, otherwise: perSecond, least: 1, most, unit: "a second" };
}

/** The settings of the page. Terms and room have their figures in the database, and a test holds these to them. */
export const SETTINGS: readonly Limit[] = [
  {
    ...rate(LIMITS.send),
    title: "Sending",
    about: "Requests to wa-send of one key; twice as many at once.",
  },
  {
    ...rate(LIMITS.manageLinks),
    title: "Managing links",
    about: "Requests of one key or person; five times as many at once.",
  },
  {
    ...rate(LIMITS.visits),
    title: "Visits of one link",
    about:
      "From one network, over a minute. Behind one address of a carrier there may be thousands of people.",
  },
  {
    ...rate(LIMITS.evaluations),
    title: "Asking for flags",
    about: "Evaluations of one key in one isolate.",
  },
  {
    key: "retention.event_days",
    title: "Webhook events and delivery attempts are kept",
    about: "Messages stay. At least 8: Meta repeats for up to 7.",
    otherwise: 30,
    least: 8,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.click_days",
    title: "Clicks are kept",
    about: "The figures of each day stay.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.raw_days",
    title: "Raw forms of messages are kept",
    about: "What the provider sent, besides the words.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.word_days",
    title: "Words of messages are kept",
    about: "Afterwards a message is left without words and raw form. What waits or was given up keeps them.",
    otherwise: null,
    least: 1,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.message_days",
    title: "Messages are kept",
    about: "Afterwards nothing is left of a message. What waits or was given up stays.",
    otherwise: null,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "storage.limit_mb",
    title: "Room of the database",
    about: "What the plan of the project gives: health tells how long it lasts.",
    otherwise: 500,
    least: 1,
    most: 99_999_999,
    unit: "MB",
  },
];
