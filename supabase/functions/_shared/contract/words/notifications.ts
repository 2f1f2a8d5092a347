/** What somebody can be told of: steps of rollouts, and parts that fail and recover. notification_endpoints takes the same. */
export const EVENTS = [
  "started",
  "advanced",
  "held",
  "paged",
  "paused",
  "resumed",
  "rolled_back",
  "completed",
  "failing",
  "recovered",
];
