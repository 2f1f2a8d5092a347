/** The help of each page: a paragraph, and where the documentation goes on. Built beside the panel, so that it is of its version. */

export interface Help {
  text: string;
  /** File and heading below docs/: `routing#conditions`. */
  doc: string;
}

/** By address. The longest that fits counts; after `?`, an open tab. */
const HELP: Readonly<Record<string, Help>> = {
  "/": {
    text:
      "The first line says whether everything works, and if not, what is wrong and where to fix it. The switches turn a feature off within 5 seconds. Below are the queues, the figures, and who changed what.",
    doc: "operations#at-a-glance",
  },
  "/flags": {
    text:
      "A flag decides for whom a feature is on: for a percentage of people, for named people, or for segments. A person keeps the answer while the percentage only grows. Off is off for everybody, within 5 seconds.",
    doc: "flags#who-has-a-flag",
  },
  "/flags/segments": {
    text:
      "A segment is a named list of people, by contact id or by the id that your app uses. A flag that targets a segment is on for its members, whatever its percentage.",
    doc: "flags#who-has-a-flag",
  },
  "/rollouts": {
    text:
      "A rollout turns a flag on in stages. A guard compares people with the feature and people without it every minute, and turns the flag off if the feature does harm. Nobody has to watch.",
    doc: "rollouts#how-the-guard-decides",
  },
  "/rollouts/new": {
    text:
      "A plan is a list of stages: a percentage, how long to stay, and the limits at which the guard holds or rolls back. Start from a template and change what is different for you.",
    doc: "rollouts#a-plan",
  },
  "/traffic": {
    text:
      "Green is a second deployment on the same database. A ramp sends it 1 % of the visitors, then more, and goes back by itself if green fails or is slow. Back to blue takes everybody back within 5 seconds.",
    doc: "two-environments#splitting-traffic",
  },
  "/messages": {
    text:
      "Each conversation, and for each message where it was sent and why. Numbers are shown by their last four digits; operators can reveal a contact with a reason, which the whole team can read. You can reply within 24 hours after the person last wrote.",
    doc: "architecture#the-path-of-a-message",
  },
  "/mail": {
    text:
      "Identities are the addresses that you send as, each with an inbox for answers. An answer finds its mail by a token in its address. People who complained or whose mail bounced get none.",
    doc: "email",
  },
  "/mail?tab=unknown": {
    text:
      "If the provider's answer was lost, nobody knows whether a mail was sent. The provider's events usually settle it within minutes. For the rest, decide: it was sent, send it again, or drop it.",
    doc: "email#what-nobody-knows",
  },
  "/incidents": {
    text:
      "An incident records what is wrong, who works on it and what was done. Until somebody acknowledges it, further people are notified. A severe incident rolls back the rollout of its flag.",
    doc: "rollouts#incidents",
  },
  "/reports": {
    text:
      "What happened to each rollout and to the whole installation: every two hours, every day and every week.",
    doc: "rollouts#reports",
  },
  "/announcements": {
    text:
      "One message to many people who wrote to you: beta users, everybody, or those for whom a feature failed. Each person gets it once. Sending is paced, and you can stop it.",
    doc: "rollouts#announcements",
  },
  "/campaigns": {
    text:
      "One mail to many people, with their names in it. Each address gets it once. Sending is paced, can be stopped, and stops by itself if too many bounce or complain. Opens and clicks of machines are kept apart.",
    doc: "campaigns",
  },
  "/templates": {
    text:
      "What WhatsApp sends outside the 24-hour window. Meta reviews each template, and pauses those that people block. Choose one, see how it looks with its values, and send it from a conversation.",
    doc: "templates#the-check-before-a-send",
  },
  "/deliveries": {
    text:
      "A destination is a service of yours that receives messages as signed webhooks. If it fails, deliveries are retried over 28 hours and messages of one conversation stay in order. What failed every time is a dead letter: retry it or drop it.",
    doc: "routing#when-a-service-fails",
  },
  "/routes": {
    text:
      "Routes are tried from top to bottom; the first one that matches takes the message. Try a message below the list before you save, to see which route would take it and why.",
    doc: "routing#conditions",
  },
  "/links": {
    text:
      "A link opens a chat, an app or a page, by rules such as the device, the country or the time. Clicks are counted without bots, and a message that follows a click is attributed to it.",
    doc: "links#make-one",
  },
  "/links/import": {
    text:
      "A CSV file with one link per row. The first row names the columns. Nothing is created before you confirm.",
    doc: "links#import-and-export",
  },
  "/settings": {
    text:
      "Messages and visitors are only sent to hosts on this list. Add the host before you add its destination or link.",
    doc: "security#where-messages-are-sent",
  },
  "/settings?tab=team": {
    text:
      "Viewers see figures and redacted messages, operators do the daily work, admins manage the team and the allowlist. Colleagues without an account are invited by mail. A change takes effect at once and is recorded.",
    doc: "security#who-may-do-what",
  },
  "/settings?tab=numbers": {
    text:
      "The numbers and accounts that you send from, and how fast. A held account sends again by itself after it was repaired.",
    doc: "accounts#several-accounts",
  },
  "/settings?tab=limits": {
    text:
      "How much callers may ask for, and how long data is kept. Shorter retention takes effect with the next purge.",
    doc: "personal-data#how-long-it-is-kept",
  },
  "/settings?tab=notifications": {
    text:
      "Endpoints are notified when a rollout changes, a component fails or recovers, or an incident moves: in Slack's format, or as signed webhooks. A destination that keeps failing and new dead letters are failures of the queues.",
    doc: "operations#notifications-without-prometheus",
  },
  "/settings?tab=feedback": {
    text:
      "Complaints and ratings count for the rollout of the feature that the person has, and can hold it or roll it back.",
    doc: "rollouts#what-people-say",
  },
  "/settings?tab=gates": {
    text: "A launch needs signatures by role. Here you set who may sign as what.",
    doc: "manual#launch-gates",
  },
  "/audit": {
    text:
      "Everything that people and the guard changed: who, what, when and why, with the state before and after. Changes that are still in effect can be undone here.",
    doc: "operations#who-changed-what",
  },
};

/** The help of the page at this path, with this open tab. */
export function helpOf(path: string, tab: string | null): Help | undefined {
  const steps = path.split("/").filter(Boolean);
  if (tab !== null && HELP[`${path}?tab=${tab}`]) return HELP[`${path}?tab=${tab}`];
  for (let length = steps.length; length > 0; length--) {
    const found = HELP[`/${steps.slice(0, length).join("/")}`];
    if (found) return found;
  }
  return path === "/" ? HELP["/"] : undefined;
}

/** The address of a page of the documentation, beside the panel. */
export const docAddress = (doc: string): string => {
  const [file, heading] = doc.split("#");
  return `./docs/${file}.html${heading === undefined ? "" : `#${heading}`}`;
};

/** Every help, for tests. */
export const ALL_HELP: Readonly<Record<string, Help>> = HELP;
