/** What may move traffic. */
import type { MarksOf } from "./marks.ts";

/** Flags, routes, destinations, rollouts; and incidents. */
export const TRAFFIC_MARKS: MarksOf = {
  kinds: ["flag", "route", "destination", "rollout", "rollback", "incident"],
};
