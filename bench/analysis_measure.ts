/**
 * How well the embedded rules and classifier do on labelled mails: mood and urgency apart, each with its interval. Pure.
 *
 * @module
 */
import { judgeMail } from "../supabase/functions/_shared/analysis/judge.ts";
import { SENTIMENTS, URGENCIES } from "../supabase/functions/_shared/analysis/types.ts";
import type { LabelledMail } from "../tools/analysis/train.ts";
import { type Share, wilson } from "./poaching_measure.ts";

/** Of one label of all mails. */
export interface MeasuredLabel {
  /** Of the mails that got an answer, those whose answer is right. */
  readonly right: Share;
  /** Of all mails, those that got an answer. */
  readonly answered: Share;
  /** Of all mails, those whose answer is right. */
  readonly rightOfAll: Share;
  /** Mails by their label (rows) and answer (columns, the last one for none). */
  readonly confusion: readonly (readonly number[])[];
}

export interface MeasuredMails {
  readonly sentiment: MeasuredLabel;
  readonly urgency: MeasuredLabel;
  readonly wrong: readonly {
    readonly mail: LabelledMail;
    readonly sentiment: string;
    readonly urgency: string;
  }[];
}

/** Measures; mails are judged without their headers, as texts alone. */
export function measureMails(mails: readonly LabelledMail[]): MeasuredMails {
  const judged = mails.map((mail) => {
    const { sentiment, urgency } = judgeMail({
      subject: mail.subject,
      // As intake does: what is new in the mail.
      text: mail.text.replace(/^>.*\n?/gm, ""),
      automatic: false,
      kind: null,
      sender: { name: null, address: null },
    });
    return { mail, sentiment, urgency };
  });
  const label = (
    labels: readonly string[],
    pairs: readonly (readonly [wanted: string, given: string | null])[],
  ): MeasuredLabel => {
    const answered = pairs.filter(([, given]) => given !== null);
    const right = answered.filter(([wanted, given]) => wanted === given).length;
    return {
      right: wilson(right, answered.length),
      answered: wilson(answered.length, pairs.length),
      rightOfAll: wilson(right, pairs.length),
      confusion: labels.map((wanted) =>
        [...labels, null].map((given) =>
          pairs.filter((pair) => pair[0] === wanted && pair[1] === given).length
        )
      ),
    };
  };
  return {
    sentiment: label(SENTIMENTS, judged.map(({ mail, sentiment }) => [mail.sentiment, sentiment])),
    urgency: label(URGENCIES, judged.map(({ mail, urgency }) => [mail.urgency, urgency])),
    wrong: judged.filter(({ mail, sentiment, urgency }) =>
      mail.sentiment !== sentiment || mail.urgency !== urgency
    )
      .map(({ mail, sentiment, urgency }) => ({
        mail,
        sentiment: sentiment ?? "-",
        urgency: urgency ?? "-",
      })),
  };
}
