/**
 * Reports and notices of rollouts over HTTP: the events for those who are told of them.
 *
 * @module
 */
import { z } from "zod";

const time = z.iso.datetime({ offset: true });

/** The event for subscribers of reports. */
export const reportEvent = z.strictObject({
  type: z.enum(["report.first_day", "report.daily", "report.weekly"]),
  timestamp: time.describe("When it was due"),
  data: z.strictObject({
    id: z.guid(),
    rollout_id: z.guid().nullable(),
    flag_key: z.string().nullable().describe("Null for the weekly report, which is about everything"),
    from: time,
    to: time,
    figures: z.record(z.string(), z.unknown()).describe(
      "Outcomes, signals, incidents; as `read_report` answers them",
    ),
    look: z.array(z.string()).describe("What somebody should look at; empty where all is well"),
    title: z.string(),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode reportEvent}. */
export type ReportEvent = z.infer<typeof reportEvent>;

/** The event for subscribers of notices. */
export const noticeEvent = z.strictObject({
  type: z.literal("rollout.notice"),
  timestamp: time.describe("When it was due"),
  data: z.strictObject({
    rollout_id: z.guid(),
    flag: z.string(),
    plan: z.string(),
    state: z.enum(["draft", "running", "paused", "completed"]),
    day: z.int().describe("Days after day 0; before it if negative"),
    to: z.string().describe("Who is to be told"),
    text: z.string().describe("What they are to be told"),
    report: z.record(z.string(), z.unknown()).nullable().describe(
      "How the rollout does, as `report_now` answers it; null if the notice says nothing of it",
    ),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode noticeEvent}. */
export type NoticeEvent = z.infer<typeof noticeEvent>;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const REPORTS = { ReportEvent: reportEvent, NoticeEvent: noticeEvent } as const;
