/** The limits and retention periods that can be set on this page. */
import { LIMITS, type SettableLimit } from "../../../../supabase/functions/_shared/contract/limits.ts";

/** A setting that is a number. */
export interface Limit {
  key: string;
  title: string;
  about: string;
  /** The value without the setting; null for no limit. */
  otherwise: number | null;
  least: number;
  most: number;
  unit: string;
}

/** A rate limit of callers. */
function rate({ setting: { key, most }, perSecond }: SettableLimit) {
  return { key, otherwise: perSecond, least: 1, most, unit: "per second" };
}

/**
 * The settings of the page. The figures of periods and capacities are defined in the database, and a test
 * compares them.
 */
export const SETTINGS: readonly Limit[] = [
  {
    ...rate(LIMITS.send),
    title: "Sending",
    about: "Requests per key to wa-send. Bursts of up to twice as many are allowed.",
  },
  {
    ...rate(LIMITS.manageLinks),
    title: "Link management",
    about: "Requests per key or person. Bursts of up to five times as many are allowed.",
  },
  {
    ...rate(LIMITS.visits),
    title: "Visits per link",
    about:
      "From one network, averaged over a minute. Thousands of people can share one address of a mobile carrier.",
  },
  {
    ...rate(LIMITS.evaluations),
    title: "Flag evaluations",
    about: "Evaluations per key, in each isolate.",
  },
  {
    key: "retention.event_days",
    title: "Keep webhook events and delivery attempts for",
    about: "Messages are kept. At least 8 days, because Meta retries for up to 7.",
    otherwise: 30,
    least: 8,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.click_days",
    title: "Keep clicks for",
    about: "Daily totals are kept.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.raw_days",
    title: "Keep raw messages for",
    about: "The provider's original payload, without the text.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.word_days",
    title: "Keep message text for",
    about: "Then the text and the raw message are deleted. Waiting messages and dead letters keep them.",
    otherwise: null,
    least: 1,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.feedback_days",
    title: "Keep complaints and ratings for",
    about: "What people said of features.",
    otherwise: 365,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.message_days",
    title: "Keep messages for",
    about: "Then messages are deleted completely. Waiting messages and dead letters are kept.",
    otherwise: null,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "storage.limit_mb",
    title: "Database size limit",
    about: "Of your project's plan. Health estimates when it will be reached.",
    otherwise: 500,
    least: 1,
    most: 99_999_999,
    unit: "MB",
  },
];
