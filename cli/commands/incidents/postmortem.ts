/** `gatelink incident postmortem`: the draft of a review, from what was recorded. */
import type { IncidentStory } from "../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { kindFacts, runbooksOf } from "../../../supabase/functions/_shared/contract/incidents.ts";
import { takenBackAt } from "../../../supabase/functions/_shared/contract/rollback_notices.ts";
import { type Command, InvalidArgumentError } from "commander";
import type { Api } from "../../core/api.ts";
import { clean, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { whole } from "../../core/values.ts";
import { readIncident, updateInWords } from "./api.ts";

/** What the note begins with that says when the review is. */
export const SCHEDULED = "Post-mortem on ";
/** What came before is part of the story. */
const BEFORE_MS = 60 * 60_000;
const MOST = 500;

/** A line of the timeline. */
interface Moment {
  at: string;
  what: string;
  who: string;
}

/** Outcomes of people with and without the flag, while the incident lasted. */
interface Outcomes {
  on: { n: number; failed: number };
  off: { n: number; failed: number };
}

interface Draft {
  incident: number;
  timeline: Moment[];
  /** Minutes from the opening; null where it did not come to that. */
  minutes: { acknowledged: number | null; rolled_back: number | null; resolved: number | null };
  outcomes: Outcomes | null;
  scheduled: string | null;
  markdown: string;
}

function date(text: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError("Use a date such as 2026-12-03.");
  }
  return text;
}

/** Adds the command. */
export function postmortem(group: Command, run: Run): void {
  group.command("postmortem").description("draft the review: timeline, impact, and what is to be filled in")
    .argument("<incident>", "its number, as incident list shows it", whole(1, 1e15))
    .option("--on <date>", "when it is held, which is recorded with the incident", date)
    .addHelpText(
      "after",
      `
It prints Markdown. What only people know is left to fill in: the root cause, what to improve, who does what.

Examples:
  gatelink incident postmortem 7
  gatelink incident postmortem 7 --on 2026-12-03`,
    )
    .action((number: number, { on }: { on?: string }) =>
      run(async (session) => {
        const api = await session.api();
        let story = await readIncident(api, number);
        if (on !== undefined) {
          await api.rpc("update_incident", {
            p_number: number,
            p_expected_version: story.version,
            p_changes: {},
            p_note: `${SCHEDULED}${on}`,
            p_public_text: null,
          });
          story = await readIncident(api, number);
        }
        const document = await draft(api, story);
        return { document, text: document.markdown };
      })
    );
}

async function draft(api: Api, story: IncidentStory): Promise<Draft> {
  const from = new Date(Date.parse(story.opened_at) - BEFORE_MS).toISOString();
  const to = story.resolved_at ?? new Date().toISOString();
  const [ofRollouts, ofFlag, metrics] = await Promise.all([
    rolloutMoments(api, story, from, to),
    flagMoments(api, story, from, to),
    outcomesOf(api, story, from, to),
  ]);
  const timeline = [
    ...story.updates.map((update): Moment => ({
      at: update.at,
      what: `${update.kind}: ${updateInWords(update)}`.replace(/: $/, ""),
      who: update.actor,
    })),
    ...ofRollouts,
    ...ofFlag,
    ...(story.rollback === null ? [] : [{
      at: story.rollback.began_at,
      what: `rollback ${story.rollback.level} of ${story.rollback.target} began, and took ${
        Math.round(story.rollback.took_ms / 1000)
      } s: ${story.rollback.reason}`,
      who: story.rollback.recorded_by,
    }]),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const since = (at: string | null | undefined) =>
    at == null ? null : Math.max(0, Math.round((Date.parse(at) - Date.parse(story.opened_at)) / 6000) / 10);
  const facts = {
    incident: story.number,
    timeline,
    minutes: {
      acknowledged: since(story.acknowledged_at),
      rolled_back: since(takenBackAt(story)),
      resolved: since(story.resolved_at),
    },
    outcomes: metrics,
    scheduled: story.updates.findLast(({ text }) => text?.startsWith(SCHEDULED))?.text
      ?.slice(SCHEDULED.length, SCHEDULED.length + 10) ?? null,
  };
  return { ...facts, markdown: markdown(story, facts) };
}

async function rolloutMoments(api: Api, story: IncidentStory, from: string, to: string): Promise<Moment[]> {
  if (story.flag_key === null) return [];
  const events = await api.rows((client) =>
    client.from("rollout_events").select("at,kind,message,actor,reason,rollouts!inner(flag_key)")
      .eq("rollouts.flag_key", story.flag_key!).gte("at", from).lte("at", to).neq("kind", "checked")
      .order("at").limit(MOST)
  );
  return events.map(({ at, kind, message, actor, reason }) => ({
    at,
    what: `rollout ${kind}${message ? `: ${message}` : ""}${reason === null ? "" : ` (${reason})`}`,
    who: actor,
  }));
}

async function flagMoments(api: Api, story: IncidentStory, from: string, to: string): Promise<Moment[]> {
  if (story.flag_key === null) return [];
  const changes = await api.rows((client) =>
    client.from("settings_history").select("changed_at,changed_by,reason,after").eq("key", story.flag_key!)
      .gte("changed_at", from).lte("changed_at", to).order("changed_at").limit(MOST)
  );
  return changes.map(({ changed_at, changed_by, reason, after }) => {
    const now = after as { value?: string; metadata?: { rollout_percentage?: number } } | null;
    const share = now?.metadata?.rollout_percentage;
    return {
      at: changed_at,
      what: `${story.flag_key} ${
        now === null
          ? "was deleted"
          : `was set to ${now.value === "true" ? `on${share === undefined ? "" : `, ${share} %`}` : "off"}`
      }${reason === null ? "" : ` (${reason})`}`,
      who: changed_by,
    };
  });
}

async function outcomesOf(
  api: Api,
  { flag_key }: IncidentStory,
  from: string,
  to: string,
): Promise<Outcomes | null> {
  if (flag_key === null) return null;
  const rows = await api.rows((client) =>
    client.from("flag_metrics").select("arm,n,failed").eq("flag_key", flag_key).gte("minute", from)
      .lte("minute", to).order("minute", { ascending: false }).limit(10_000)
  );
  if (rows.length === 0) return null;
  const sum = (arm: string) => {
    const own = rows.filter((row) => row.arm === arm);
    return {
      n: own.reduce((all, { n }) => all + n, 0),
      failed: own.reduce((all, { failed }) => all + failed, 0),
    };
  };
  return { on: sum("on"), off: sum("off") };
}

const TO_FILL = "_To fill in._";

function markdown(
  story: IncidentStory,
  { timeline, minutes, outcomes, scheduled }: Omit<Draft, "markdown">,
): string {
  // Words of people must not become a table's cells, a heading or a picture.
  const plain = (text: string) => clean(text).replaceAll(/([\\`*_<>|[\]#])/g, "\\$1").replaceAll(/\s+/g, " ");
  const { severity, kind, status, flag_key, component, opened_at, opened_by, resolved_at } = story;
  const lasted = (value: number | null) => value === null ? "never" : `after ${value} min`;
  const published = story.updates.filter((update) => update.public);
  return [
    `# Post-mortem: incident ${story.number}, ${plain(story.title)}`,
    "",
    `${severity}, ${kindFacts(kind).issue.toLowerCase()}; ${status}. Opened ${time(opened_at)} by ${
      plain(opened_by)
    }${resolved_at === null ? "" : `, resolved ${time(resolved_at)}`}. Held: ${
      scheduled ?? "no date yet"
    }. It is blameless: what made it possible, not who.`,
    "",
    "## Timeline",
    "",
    "| At | What | Who |",
    "|---|---|---|",
    ...timeline.map(({ at, what, who }) => `| ${time(at)} | ${plain(what)} | ${plain(who)} |`),
    "",
    "## Impact",
    "",
    `- Concerns: ${flag_key ?? component ?? "not said"}`,
    `- Acknowledged ${lasted(minutes.acknowledged)}, rolled back ${lasted(minutes.rolled_back)}, resolved ${
      lasted(minutes.resolved)
    }`,
    outcomes === null
      ? "- Outcomes: none were counted"
      : `- Outcomes from an hour before until it was over: ${
        (["on", "off"] as const).map((arm) => {
          const { n, failed } = outcomes[arm];
          const share = n === 0 ? "" : ` (${+(failed * 100 / n).toFixed(2)} %)`;
          return `${failed} of ${n} failed ${arm === "on" ? "with" : "without"} ${plain(flag_key!)}${share}`;
        }).join(", ")
      }`,
    `- Public: ${
      !story.public ? "not on the status page" : `${published.length} updates on the status page`
    }`,
    ...(flag_key === null
      ? []
      : [`- Who was affected: \`gatelink announce affected ${flag_key.replace(/\.enabled$/, "")}\``]),
    `- What people saw, complaints, cost: ${TO_FILL}`,
    "",
    "## Root cause",
    "",
    TO_FILL,
    "",
    "Why was it not seen before, and what would have detected it sooner?",
    "",
    TO_FILL,
    "",
    "## Process improvements",
    "",
    "| | Went well | Went badly |",
    "|---|---|---|",
    "| Detection | | |",
    "| Rollback | | |",
    "| Communication | | |",
    "",
    "## Action items",
    "",
    "| What | Who | By when |",
    "|---|---|---|",
    "| | | |",
    "",
    "## Documentation updates",
    "",
    ...runbooksOf(kind).map((page) => `- [ ] ${page}: was each step as written?`),
    `- [ ] limits and alerts: ${TO_FILL}`,
    "",
  ].join("\n");
}
