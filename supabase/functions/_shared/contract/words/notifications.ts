/** What somebody can be told of: steps of rollouts, parts that fail and recover, steps of incidents, and reports. notification_endpoints takes the same. */
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
  "incident_opened",
  "incident_updated",
  "incident_acknowledged",
  "incident_escalated",
  "incident_resolved",
  "report",
];
