/**
 * Reports over HTTP: the event for those who are told of them.
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

/** Schemas by the names that docs/openapi.yaml has for them. */
export const REPORTS = { ReportEvent: reportEvent } as const;
