/** How the simulated Twilio behaves, and the limits of that. */
import { z } from "zod";

/** What becomes of a text: the statuses after the first, and the error code of a failure. */
export const TEXT_FATES: Readonly<
  Record<string, { statuses: readonly string[]; code?: number; label: string }>
> = {
  delivered: { statuses: ["sent", "delivered"], label: "Delivered" },
  sent: { statuses: ["sent"], label: "Sent; the carrier gives no receipt" },
  off: { statuses: ["sent", "undelivered"], code: 30003, label: "30003: the phone is off" },
  blocked: { statuses: ["sent", "undelivered"], code: 30004, label: "30004: blocked" },
  unknown: { statuses: ["sent", "undelivered"], code: 30005, label: "30005: no such number" },
  landline: { statuses: ["undelivered"], code: 30006, label: "30006: a landline" },
  filtered: { statuses: ["sent", "undelivered"], code: 30007, label: "30007: filtered by the carrier" },
  unregistered: { statuses: ["undelivered"], code: 30034, label: "30034: the number is not registered" },
  late: {
    statuses: ["sent", "undelivered", "delivered"],
    code: 30008,
    label: "A second receipt after 30008",
  },
};

const SETTINGS = z.strictObject({
  /**
   * `accept`; `lose`: takes the text, and a gateway in between gives up waiting for the answer (504); `miss`: the same,
   * but the text is not taken; or the code of an error.
   */
  answer: z.union([z.enum(["accept", "lose", "miss"]), z.int().min(10_000).max(99_999)]),
  /** After so many texts it accepts again; null: never. */
  times: z.int().min(1).max(1_000_000).nullable(),
  /** Whether it reports what becomes of texts. */
  statuses: z.boolean(),
  /** What becomes of texts. */
  fate: z.string().refine((fate) => Object.hasOwn(TEXT_FATES, fate), "there is no such fate"),
  /** Time between the reports about one text. */
  delayMs: z.int().min(0).max(600_000),
  /** Share of webhooks that are lost, in percent: they never arrive, and nothing repeats them. */
  lostPercent: z.int().min(0).max(100),
  /** How often each webhook is sent again. */
  copies: z.int().min(0).max(50),
  /** Segments a second that each of our numbers sends; what is more waits in the number's queue. null: as many as come. */
  perSecond: z.int().min(1).max(1_000).nullable(),
  /** So long a number's queue may be, in seconds, before it is full (21611). Twilio's is ten hours. */
  queueSeconds: z.int().min(1).max(36_000),
});

export type TextSettings = z.infer<typeof SETTINGS>;

/** Nothing fails. */
export const TEXT_CALM: TextSettings = Object.freeze({
  ...{ answer: "accept" as const, times: null },
  ...{ statuses: true, fate: "delivered", delayMs: 0, lostPercent: 0, copies: 0 },
  ...{ perSecond: null, queueSeconds: 36_000 },
});

/** What becomes of a text whose validity period ends in the queue. */
export const EXPIRED = { statuses: ["failed"], code: 30036 } as const;

/** Errors of the API, by code: HTTP status and words. */
export const TEXT_ERRORS: Readonly<Record<number, { status: number; message: string }>> = {
  20003: { status: 401, message: "Authenticate" },
  20404: { status: 404, message: "The requested resource was not found" },
  20429: { status: 429, message: "Too Many Requests" },
  20500: { status: 500, message: "Internal Server Error" },
  21211: { status: 400, message: "Invalid 'To' Phone Number" },
  21408: { status: 400, message: "Permission to send an SMS has not been enabled for the region" },
  21602: { status: 400, message: "Message body is required" },
  21606: {
    status: 400,
    message:
      "The 'From' phone number provided is not a valid message-capable Twilio phone number for this destination",
  },
  21610: { status: 400, message: "Attempt to send to unsubscribed recipient" },
  21611: { status: 400, message: "This 'From' number has exceeded the maximum number of queued messages" },
  21612: {
    status: 400,
    message: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
  },
  21614: { status: 400, message: "'To' number is not a valid mobile number" },
  21617: { status: 400, message: "The concatenated message body exceeds the 1600 character limit" },
  30038: { status: 400, message: "OTP Message Body Filtered" },
};

/** What the API can answer, as the page offers it. */
export const TEXT_ANSWERS: readonly { value: TextSettings["answer"]; label: string }[] = [
  { value: "accept", label: "201: accepts" },
  { value: "lose", label: "504: takes the text, the answer gets lost" },
  { value: "miss", label: "504: does not take the text" },
  ...Object.entries(TEXT_ERRORS).map(([code, { message }]) => ({
    value: Number(code),
    label: `${code}: ${message}`,
  })),
];

/** Validates complete settings; a RangeError names the first one outside its limits. */
export function parseTextSettings(settings: unknown): TextSettings {
  const result = SETTINGS.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "settings"}: ${issue.message}`);
}
