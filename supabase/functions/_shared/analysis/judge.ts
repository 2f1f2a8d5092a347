/**
 * What rules and the embedded classifier say of a mail. Pure; the same mail always gets the same answer.
 *
 * @module
 */
import { createClassifier, featuresOf } from "./classifier.ts";
import type { AnalysedMail, Judged } from "./types.ts";
import { urgencyByRules } from "./urgency.ts";
import { RULES_VERSION, SENTIMENT, URGENCY } from "./weights.ts";

export { RULES_VERSION };

let classifiers: {
  sentiment: ReturnType<typeof createClassifier<typeof SENTIMENT["labels"][number]>>;
  urgency: ReturnType<typeof createClassifier<typeof URGENCY["labels"][number]>>;
} | undefined;

/** Judges a mail. Takes linear time, about a millisecond. */
export function judgeMail(mail: AnalysedMail): Judged {
  // Read at first use: most instances never judge.
  classifiers ??= { sentiment: createClassifier(SENTIMENT), urgency: createClassifier(URGENCY) };
  const features = featuresOf(mail.subject, mail.text);
  const sentiment = classifiers.sentiment(features), urgency = classifiers.urgency(features);
  return {
    sentiment: sentiment.probability >= SENTIMENT.least ? sentiment.label : null,
    confidence: Math.round(sentiment.probability * 1000) / 1000,
    // A rule knows why; the classifier only what such mails mostly are.
    urgency: urgencyByRules(mail) ?? (urgency.probability >= URGENCY.least ? urgency.label : null),
  };
}
