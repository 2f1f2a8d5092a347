/**
 * The schema of a window, with its defaults: every day, the whole day.
 *
 * @module
 */
import { z } from "zod";
import { DAYS, FROM_PATTERN, isZone, TO_PATTERN, type Window } from "./window.ts";

const clock = (pattern: RegExp, example: string) =>
  z.string().regex(pattern, `is not a time like "${example}"`);

/** Members of a window, for use in an object schema; see {@link notEmpty}. */
export const WINDOW = {
  days: z.array(z.enum(DAYS)).min(1, "must not be empty").max(1000, "at most 1000 entries").default([
    ...DAYS,
  ]),
  from: clock(FROM_PATTERN, "09:00").default("00:00"),
  to: clock(TO_PATTERN, "17:00").default("24:00"),
  zone: z.string().refine(isZone, 'is not a time zone like "Europe/Berlin"').meta({
    examples: ["Europe/Berlin"],
  }),
};

/** Whether the window contains any time. */
export const notEmpty = ({ from, to }: Pick<Window, "from" | "to">): boolean => from !== to;
/** The error for a window that does not. */
export const EMPTY = 'is empty: "from" and "to" are the same (a whole day is 00:00 to 24:00)';
